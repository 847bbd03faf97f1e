//! Photos are decoded and shrunk on their own thread; the window keeps the textures.

use crossbeam_channel::{Receiver, Sender};
use eframe::egui::{ColorImage, Context, TextureHandle, TextureOptions};
use image::{RgbImage, imageops::FilterType};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Where the pixels of a photo are.
#[derive(Clone, Debug)]
pub(super) enum Pixels {
    /// In a file.
    File(PathBuf),
    /// In memory: during a run.
    Memory(Arc<RgbImage>),
}

/// A photo of the scene.
#[derive(Clone, Debug)]
pub(super) struct Photo {
    /// File name without extension.
    pub stem: String,
    /// Its pixels.
    pub pixels: Pixels,
}

/// How large a texture is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Size {
    /// For the strip.
    Thumbnail,
    /// For the panel.
    Full,
}

impl Size {
    fn longest(self) -> u32 {
        match self {
            Self::Thumbnail => 128,
            Self::Full => 2048,
        }
    }
}

type Key = (Size, String);

/// The wanted photos, the most wanted last.
#[derive(Default)]
struct Queue(Mutex<Vec<(Key, Pixels)>>);

/// Photos kept at full size.
const KEPT: usize = 6;

/// Textures of photos, made as they are asked for.
pub(super) struct Photos {
    queue: Arc<Queue>,
    bell: Sender<()>,
    ready: Receiver<(Key, Result<ColorImage, String>)>,
    asked: BTreeSet<Key>,
    textures: BTreeMap<Key, (TextureHandle, u64)>,
    clock: u64,
}

impl Photos {
    /// Starts the thread. It ends when this is dropped.
    pub(super) fn new(ctx: &Context) -> Self {
        let queue = Arc::new(Queue::default());
        let (bell, rung) = crossbeam_channel::unbounded::<()>();
        let (sender, ready) = crossbeam_channel::unbounded();
        let (ctx, work) = (ctx.clone(), Arc::clone(&queue));
        std::thread::spawn(move || {
            for () in rung {
                let next = work.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
                let Some((key, pixels)) = next else { continue };
                let image = shrunk(&pixels, key.0.longest());
                if sender.send((key, image)).is_err() {
                    return;
                }
                ctx.request_repaint();
            }
        });
        Self { queue, bell, ready, asked: BTreeSet::new(), textures: BTreeMap::new(), clock: 0 }
    }

    /// Forgets everything: another scene.
    pub(super) fn clear(&mut self) {
        self.queue.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.asked.clear();
        self.textures.clear();
    }

    /// Takes in what has been decoded; returns what could not be read.
    pub(super) fn poll(&mut self, ctx: &Context) -> Vec<String> {
        let mut troubles = Vec::new();
        while let Ok((key, image)) = self.ready.try_recv() {
            // A photo of a scene that has been closed meanwhile.
            if !self.asked.contains(&key) {
                continue;
            }
            match image {
                Ok(image) => {
                    let texture = ctx.load_texture(key.1.clone(), image, TextureOptions::LINEAR);
                    self.textures.insert(key, (texture, self.clock));
                }
                Err(e) => troubles.push(e),
            }
        }
        self.forget_the_oldest();
        troubles
    }

    fn forget_the_oldest(&mut self) {
        let full = |t: &BTreeMap<Key, (TextureHandle, u64)>| t.keys().filter(|k| k.0 == Size::Full).count();
        while full(&self.textures) > KEPT {
            let large = self.textures.iter().filter(|t| t.0.0 == Size::Full);
            let Some(key) = large.min_by_key(|t| t.1.1).map(|t| t.0.clone()) else { return };
            self.textures.remove(&key);
            self.asked.remove(&key);
        }
    }

    /// The texture of a photo; asks for it where it is not there yet.
    pub(super) fn get(&mut self, photo: &Photo, size: Size) -> Option<TextureHandle> {
        self.clock += 1;
        let key = (size, photo.stem.clone());
        if let Some((texture, used)) = self.textures.get_mut(&key) {
            *used = self.clock;
            return Some(texture.clone());
        }
        if self.asked.insert(key.clone()) {
            let mut queue = self.queue.0.lock().unwrap_or_else(PoisonError::into_inner);
            // The strip fills up behind the photo that is being looked at, in order.
            let at = if size == Size::Full { queue.len() } else { 0 };
            queue.insert(at, (key, photo.pixels.clone()));
            let _ = self.bell.send(());
        }
        None
    }

    /// Whether something that was asked for is still being read.
    pub(super) fn is_busy(&self) -> bool {
        !self.queue.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

/// Decodes a photo, its longest side at most `longest` pixels.
fn shrunk(pixels: &Pixels, longest: u32) -> Result<ColorImage, String> {
    let image = match pixels {
        Pixels::Memory(image) => Arc::clone(image),
        Pixels::File(path) => {
            let image = image::open(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
            Arc::new(image.into_rgb8())
        }
    };
    let (w, h) = image.dimensions();
    let scale = f64::from(longest) / f64::from(w.max(h).max(1));
    let size = |w: u32, h: u32| [w as usize, h as usize];
    if scale >= 1.0 {
        return Ok(ColorImage::from_rgb(size(w, h), image.as_raw()));
    }
    let new = |x: u32| ((f64::from(x) * scale).round() as u32).max(1);
    let small = image::imageops::resize(image.as_ref(), new(w), new(h), FilterType::Triangle);
    Ok(ColorImage::from_rgb(size(small.width(), small.height()), small.as_raw()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shrinks_and_says_what_it_cannot_read() {
        let photo = Pixels::Memory(Arc::new(RgbImage::from_pixel(1000, 10, image::Rgb([1, 2, 3]))));
        let small = shrunk(&photo, 100).unwrap();
        assert_eq!(small.size, [100, 1]);
        assert_eq!(small.pixels[50].to_array(), [1, 2, 3, 255]);
        assert_eq!(shrunk(&photo, 5000).unwrap().size, [1000, 10]);
        let error = shrunk(&Pixels::File("/nowhere/a.jpg".into()), 100).unwrap_err();
        assert!(error.contains("/nowhere/a.jpg"), "{error}");
    }
}
