//! Small pictures of an instance cut out of photos, with the outline of its masks, made on a thread of their own.

use super::photos::Pixels;
use crate::scene::Rle;
use crossbeam_channel::{Receiver, Sender};
use eframe::egui::{Color32, ColorImage, Context, TextureHandle, TextureOptions};
use image::{RgbImage, imageops, imageops::FilterType};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

/// A picture that is wanted.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// The photo.
    pub pixels: Pixels,
    /// What of it, `[x0, y0, x1, y1]`, 0..1 of its width and height.
    pub part: [f64; 4],
    /// What gets an outline.
    pub masks: Vec<Rle>,
    /// Colour of the outline.
    pub color: [u8; 3],
}

/// Longest side of a picture, pixels.
const LONGEST: u32 = 320;

/// Pictures kept.
const KEPT: usize = 64;

/// What tells a picture from others: instance, stem, and what its part and masks are.
pub(super) type Key = (u32, String, u64);

/// Pictures as they are asked for.
pub(super) struct Crops {
    queue: Arc<Mutex<Vec<(Key, Wanted)>>>,
    bell: Sender<()>,
    ready: Receiver<(Key, Option<ColorImage>)>,
    asked: BTreeSet<Key>,
    textures: BTreeMap<Key, (TextureHandle, u64)>,
    clock: u64,
}

impl Crops {
    /// Starts the thread. It ends when this is dropped.
    pub(super) fn new(ctx: &Context) -> Self {
        let queue = Arc::new(Mutex::new(Vec::<(Key, Wanted)>::new()));
        let (bell, rung) = crossbeam_channel::unbounded::<()>();
        let (sender, ready) = crossbeam_channel::unbounded();
        let (ctx, work) = (ctx.clone(), Arc::clone(&queue));
        std::thread::spawn(move || {
            for () in rung {
                let next = work.lock().unwrap_or_else(PoisonError::into_inner).pop();
                let Some((key, wanted)) = next else { continue };
                if sender.send((key, cut(&wanted))).is_err() {
                    return;
                }
                ctx.request_repaint();
            }
        });
        Self { queue, bell, ready, asked: BTreeSet::new(), textures: BTreeMap::new(), clock: 0 }
    }

    /// Asks for these, the first first; what was asked for before and is not among them is not made any more.
    pub(super) fn ask(&mut self, wanted: Vec<(Key, Wanted)>) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, _) in queue.drain(..) {
            self.asked.remove(&key);
        }
        for (key, one) in wanted.into_iter().rev() {
            if self.asked.insert(key.clone()) {
                queue.push((key, one));
                let _ = self.bell.send(());
            }
        }
    }

    /// The picture, where it is there.
    pub(super) fn get(&mut self, ctx: &Context, key: &Key) -> Option<TextureHandle> {
        while let Ok((key, image)) = self.ready.try_recv() {
            if let (true, Some(image)) = (self.asked.contains(&key), image) {
                let texture = ctx.load_texture("crop", image, TextureOptions::LINEAR);
                self.textures.insert(key, (texture, self.clock));
            }
        }
        while self.textures.len() > KEPT {
            let oldest = self.textures.iter().min_by_key(|t| t.1.1).map(|t| t.0.clone());
            let Some(oldest) = oldest else { break };
            self.textures.remove(&oldest);
            self.asked.remove(&oldest);
        }
        self.clock += 1;
        let (texture, used) = self.textures.get_mut(key)?;
        *used = self.clock;
        Some(texture.clone())
    }
}

/// Decodes, cuts, shrinks and draws the outline; `None` for a photo that cannot be read.
fn cut(wanted: &Wanted) -> Option<ColorImage> {
    let image: Arc<RgbImage> = match &wanted.pixels {
        Pixels::Memory(image) => Arc::clone(image),
        Pixels::File(path) => Arc::new(image::open(path).ok()?.into_rgb8()),
    };
    let (w, h) = image.dimensions();
    let at = |x: f64, n: u32| ((x * f64::from(n)).round().max(0.0) as u32).min(n);
    let [x0, y0] = [at(wanted.part[0], w).min(w.saturating_sub(1)), at(wanted.part[1], h).min(h.saturating_sub(1))];
    let size = [at(wanted.part[2], w).saturating_sub(x0).max(1), at(wanted.part[3], h).saturating_sub(y0).max(1)];
    let cropped = imageops::crop_imm(image.as_ref(), x0, y0, size[0], size[1]).to_image();
    let scale = f64::from(LONGEST) / f64::from(size[0].max(size[1]));
    let new = size.map(|s| ((f64::from(s) * scale).round() as u32).max(1));
    let small = imageops::resize(&cropped, new[0], new[1], FilterType::Triangle);
    let size = new.map(|n| n as usize);
    let mut out = ColorImage::from_rgb(size, small.as_raw());
    let inside = covered(wanted, [x0, y0], [w, h], scale, size);
    outline(&mut out, &inside, wanted.color);
    Some(out)
}

/// Pixels of the small picture that the masks cover. `from` is where it begins in the photo, `photo` the photo's size.
fn covered(wanted: &Wanted, from: [u32; 2], photo: [u32; 2], scale: f64, size: [usize; 2]) -> Vec<bool> {
    let mut inside = vec![false; size[0] * size[1]];
    for mask in &wanted.masks {
        let pixels = mask.decode();
        let per = |k: usize, n: u32| f64::from(n) / f64::from(photo[k].max(1)) / scale;
        let (sx, sy) = (per(0, mask.width), per(1, mask.height));
        let (ox, oy) = (f64::from(from[0]) * scale, f64::from(from[1]) * scale);
        for (i, cell) in inside.iter_mut().enumerate() {
            let (x, y) = ((i % size[0]) as f64 + 0.5 + ox, (i / size[0]) as f64 + 0.5 + oy);
            let (x, y) = ((x * sx) as usize, (y * sy) as usize);
            *cell |= x < mask.width as usize && pixels.get(y * mask.width as usize + x).copied().unwrap_or(false);
        }
    }
    inside
}

/// Colours the inner edge, two pixels wide, with a dark line around it.
fn outline(image: &mut ColorImage, inside: &[bool], [r, g, b]: [u8; 3]) {
    let (w, h) = (image.size[0] as i64, image.size[1] as i64);
    let is_in = |x: i64, y: i64| {
        // Where the picture ends, the thing need not.
        let (x, y) = (x.clamp(0, w - 1), y.clamp(0, h - 1));
        inside.get((y * w + x) as usize).copied().unwrap_or(false)
    };
    for (i, pixel) in image.pixels.iter_mut().enumerate() {
        let (x, y) = (i as i64 % w, i as i64 / w);
        let here = is_in(x, y);
        let near = |d: i64| [(d, 0), (-d, 0), (0, d), (0, -d)].iter().any(|(u, v)| is_in(x + u, y + v) != here);
        match here {
            true if near(1) || near(2) => *pixel = Color32::from_rgb(r, g, b),
            false if near(1) => *pixel = Color32::from_black_alpha(255),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_the_part_and_draws_the_outline_in_it() {
        let photo = RgbImage::from_fn(100, 50, |x, _| image::Rgb(if x < 50 { [10, 10, 10] } else { [200, 200, 200] }));
        // The mask has half the photo's resolution: photo pixels 60..80 x 20..40.
        let mask: Vec<bool> =
            (0..50 * 25).map(|i| (30..40).contains(&(i % 50)) && (10..20).contains(&(i / 50))).collect();
        let wanted = Wanted {
            pixels: Pixels::Memory(Arc::new(photo)),
            part: [0.5, 0.2, 0.9, 1.0],
            masks: vec![Rle::encode(50, 25, &mask)],
            color: [255, 0, 0],
        };
        let image = cut(&wanted).unwrap();
        // 40 x 40 photo pixels from (50, 10), eight times as large; the mask begins at (10, 10) of them.
        assert_eq!(image.size, [320, 320]);
        let at = |x: usize, y: usize| image.pixels[y * 320 + x].to_array();
        assert_eq!([at(20, 20), at(160, 160)], [[200, 200, 200, 255]; 2]);
        assert_eq!([at(80, 120), at(81, 120), at(239, 200), at(120, 80)], [[255, 0, 0, 255]; 4]);
        assert_eq!(at(79, 120), [0, 0, 0, 255]);
        assert_eq!(at(82, 120), [200, 200, 200, 255]);
        assert!(cut(&Wanted { pixels: Pixels::File("/nowhere.jpg".into()), ..wanted }).is_none());
    }
}
