//! Captions by a vision-language model (Holi-Spatial 1.11).

use super::Built;
use crate::perception::View;
use crate::perception::vlm::{self, Question, Vlm};
use crate::scene::{Cancelled, Instance, InstanceState, Job, Rle};
use image::{Rgb, RgbImage};
use serde_json::json;

/// Width of the outline in pixels.
const OUTLINE: i64 = 3;
/// Colour of the outline.
const RED: Rgb<u8> = Rgb([255, 0, 0]);
/// Longest answer, tokens: a line, and what a model that thinks aloud says before it.
const TOKENS: u32 = 1024;
/// Longest caption, characters: a longer line is an essay, not a caption.
const LONGEST: usize = 400;

/// An instance to be described, and where it shows best.
struct Subject<'a> {
    /// Index of the instance.
    instance: usize,
    view: usize,
    mask: &'a Rle,
}

/// Asks for a caption of every instance that was not dropped, on the image that shows it best with its outline in red.
/// Where there is no usable answer the measured caption stays, and one warning says for how many; it stays in the evidence
/// either way.
pub fn describe(vlm: &Vlm, views: &[View], built: &mut Built, job: &dyn Job) -> Result<(), Cancelled> {
    let subjects = subjects(views, built);
    let make = |i: usize| {
        let Subject { instance, view, mask } = &subjects[i];
        Question {
            text: question(&built.instances[*instance]),
            pictures: vec![vlm::sent(&outlined(views[*view].image, mask), 1)],
            schema: None,
            max_tokens: TOKENS,
        }
    };
    let answers = vlm.ask_all(subjects.len(), make, |_, answer| caption(answer), job)?;
    let described: Vec<usize> = subjects.iter().map(|s| s.instance).collect();
    let mut failures = Vec::new();
    for (at, answer) in described.iter().zip(answers) {
        let instance = &mut built.instances[*at];
        match answer {
            Ok(line) => {
                let measured = std::mem::replace(&mut instance.caption, line);
                if let Some(evidence) = instance.evidence.as_object_mut() {
                    evidence.insert("caption".into(), json!({ "source": vlm.model(), "measured": measured }));
                }
            }
            Err(error) => failures.push(error),
        }
    }
    if let Some(first) = failures.first() {
        let (missing, all) = (failures.len(), described.len());
        job.warn(format!("{missing} of {all} captions are those that were measured: {first}"));
    }
    Ok(())
}

/// What is to be described.
fn subjects<'a>(views: &[View], built: &'a Built) -> Vec<Subject<'a>> {
    let subject = |(at, instance): (usize, &Instance)| {
        let view = views.iter().position(|v| v.stem == instance.best_view)?;
        let mask = built.masks[view].masks.iter().find(|m| m.instance_id == instance.id)?;
        let shown = instance.state != InstanceState::Dropped;
        shown.then_some(Subject { instance: at, view, mask: &mask.segmentation })
    };
    built.instances.iter().enumerate().filter_map(subject).collect()
}

/// The caption in an answer: its first line that says something, without quotes around it.
fn caption(answer: &str) -> Result<String, String> {
    let plain = |line: &str| line.trim().trim_matches(['"', '`', '*']).trim().to_owned();
    let mut lines = answer.lines().map(plain).filter(|line| line.chars().any(char::is_alphabetic));
    let line = lines.next().ok_or("it says nothing")?;
    match line.chars().count() <= LONGEST && !line.chars().any(char::is_control) {
        true => Ok(line),
        false => Err(format!("its first line is no caption of at most {LONGEST} characters")),
    }
}

fn question(instance: &Instance) -> String {
    format!(
        "One object in this photo, probably a {}, is outlined in red. Describe it in one line of 10 to 15 words: its \
         type, colour, material, shape, text and parts that can be seen. Name neighbours if they help to tell it apart. \
         Do not mention the outline, and do not say where in the picture it is.",
        instance.label
    )
}

/// The photo with the border of the mask drawn in red.
fn outlined(image: &RgbImage, mask: &Rle) -> RgbImage {
    let (w, h) = (i64::from(mask.width), i64::from(mask.height));
    let bits = mask.decode();
    let inside = |x: i64, y: i64| x >= 0 && y >= 0 && x < w && y < h && bits[(y * w + x) as usize];
    let mut out = image.clone();
    for (x, y, pixel) in out.enumerate_pixels_mut() {
        let (x, y) = (i64::from(x), i64::from(y));
        let near = |d: i64| inside(x + d, y) || inside(x - d, y) || inside(x, y + d) || inside(x, y - d);
        if !inside(x, y) && (1..=OUTLINE).any(near) {
            *pixel = RED;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outline_surrounds_the_mask_and_leaves_it() {
        let mut bits = vec![false; 20 * 20];
        (8..12).for_each(|y| (8..12).for_each(|x| bits[y * 20 + x] = true));
        let out = outlined(&RgbImage::new(20, 20), &Rle::encode(20, 20, &bits));
        assert_eq!(out.get_pixel(9, 9), &Rgb([0, 0, 0]));
        assert_eq!(out.get_pixel(7, 9), &RED);
        assert_eq!(out.get_pixel(5, 9), &RED);
        assert_eq!(out.get_pixel(4, 9), &Rgb([0, 0, 0]));
    }
}
