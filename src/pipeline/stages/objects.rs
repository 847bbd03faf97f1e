//! Named objects: what a detector and a vision-language model see in the photos, brought together in 3D, and their masks.

use super::geometry::METRE;
use super::learned::{execution, used};
use crate::perception::cloud::Cloud;
use crate::perception::cut::Cutter;
use crate::perception::detection::Detection;
use crate::perception::objects::{self, Object, ObjectOptions};
use crate::perception::prompt::PromptSegmenter;
use crate::perception::vlm::{self, Memory};
use crate::perception::{self, View, segmenter, vocabulary};
use crate::pipeline::run::{Bench, RunError};
use crate::pipeline::{RunOptions, cache};
use crate::scene::FrameMasks;
use image::RgbImage;
use serde_json::{Value, json};

/// A name for the state of the detector: which, and the files that it is made of.
pub(super) fn detector_state(options: &RunOptions) -> Value {
    let files: Vec<String> = options.detector.files().iter().map(|f| cache::fingerprint(f)).collect();
    json!({ "detector": options.detector, "files": files })
}

/// Finds the named objects and adds their masks to those of the things without a name. Each object comes with the id of its masks.
pub(super) fn find_objects(
    bench: &mut Bench,
    cloud: &Cloud,
    views: &[View],
    masks: &mut [FrameMasks],
) -> Result<Vec<(u32, Object)>, RunError> {
    let options = ObjectOptions::default();
    let mut detections = detected(bench, views, &options)?;
    for (all, more) in detections.iter_mut().zip(asked(bench, cloud, views)?) {
        all.extend(more);
    }
    let room = perception::geometric::room(cloud, views, METRE, bench.options.seed);
    let objects = objects::find(views, &detections, &room, &options, bench.job)?;
    let segmenter = prompted(bench)?;
    let first = 1 + masks.iter().flat_map(|f| &f.masks).map(|m| m.instance_id).max().unwrap_or(0);
    let named = objects::masks(&objects, views, &*segmenter, first, &room, &options, bench.job)?;
    used(bench, "segmenter", segmenter.model());
    masks.iter_mut().zip(named).for_each(|(frame, named)| frame.masks.extend(named));
    bench.figure("objects", json!(objects.len()));
    Ok((first..).zip(objects).collect())
}

/// What the detector sees in every photo, of what stands in rooms; nothing with `--detector none`.
fn detected(bench: &mut Bench, views: &[View], options: &ObjectOptions) -> Result<Vec<Vec<Detection>>, RunError> {
    let Some(mut detector) = bench.options.detector.open(execution(bench.options.device))? else {
        used(bench, "detector", None);
        return Ok(vec![Vec::new(); views.len()]);
    };
    // Agreement of photos sorts out what one photo cannot, so that weaker boxes are of use.
    detector.settings.least_score = options.least_score;
    let photos: Vec<&RgbImage> = views.iter().map(|v| v.image).collect();
    let mut found = detector.detect_all(&photos, bench.job)?;
    found.iter_mut().for_each(|f| f.retain(|d| vocabulary::canonical(&d.label).is_some()));
    used(bench, "detector", Some((detector.name().to_owned(), detector.provider())));
    bench.figure("detections", json!(found.iter().map(Vec::len).sum::<usize>()));
    Ok(found)
}

/// What the vision-language model of `--vlm` sees in the key frames, whatever it is; nothing without one.
fn asked(bench: &mut Bench, cloud: &Cloud, views: &[View]) -> Result<Vec<Vec<Detection>>, RunError> {
    let Some(vlm) = bench.vlm else { return Ok(Vec::new()) };
    let mut memory = Memory::read(bench.folder.root())?;
    let before = vlm.tally();
    let found = vlm::detect(vlm, views, cloud, &mut memory, bench.job)?;
    memory.write(bench.folder.root())?;
    let spent = vlm.tally().since(&before);
    let boxes: usize = found.iter().map(Vec::len).sum();
    bench.job.note(format!("{} at {} named {boxes} things in photos: {spent}", vlm.model(), vlm.address()));
    bench.figure("named_by_vlm", spent.figures());
    Ok(found)
}

/// The segmenter of `--segmenter`, else the embedded one.
fn prompted(bench: &Bench) -> Result<Box<dyn PromptSegmenter>, RunError> {
    match bench.options.segmenter.as_deref() {
        Some(path) => Ok(segmenter::load(path, execution(bench.options.device))?),
        None => Ok(Box::new(Cutter)),
    }
}
