//! A picture of the window or of the 3D view, saved as PNG.

use super::film::stamp;
use eframe::egui::{ColorImage, Context, Rect, ScreenshotCallback, ViewportCommand};
use std::path::{Path, PathBuf};

/// Frames without a dialog before the picture is taken: what is drawn is one behind what is wanted.
const WAIT: u32 = 2;

/// A picture that was asked for.
pub(super) struct Picture {
    whole: bool,
    folder: PathBuf,
    waited: u32,
}

impl Picture {
    /// Of the window (or of the 3D view alone), into a folder.
    pub(super) fn new(whole: bool, folder: PathBuf) -> Self {
        Self { whole, folder, waited: 0 }
    }

    /// One frame; true when the picture is on its way. `view` is where the 3D view lies, points; `tell` hears on the
    /// window's thread where the picture is, or why there is none.
    pub(super) fn frame(
        &mut self,
        ctx: &Context,
        view: Rect,
        tell: impl Fn(Result<PathBuf, String>) + Send + Sync + 'static,
    ) -> bool {
        self.waited += 1;
        ctx.request_repaint();
        if self.waited <= WAIT {
            return false;
        }
        let part = (!self.whole).then(|| view * ctx.pixels_per_point());
        let path = self.folder.join(format!("picture-{}.png", stamp()));
        let wake = ctx.clone();
        let taken = ScreenshotCallback::new(move |image| {
            tell(save(&image, part, &path).map(|()| path.clone()));
            wake.request_repaint();
        });
        ctx.send_viewport_cmd(ViewportCommand::Screenshot(taken));
        true
    }
}

/// Writes the part of a picture that is inside `part` (pixels), or all of it.
fn save(image: &ColorImage, part: Option<Rect>, path: &Path) -> Result<(), String> {
    let fail = |e: &dyn std::fmt::Display| format!("{} cannot be written: {e}", path.display());
    let [w, h] = image.size;
    let (x, y) = match part {
        Some(r) => (range(r.min.x, r.max.x, w), range(r.min.y, r.max.y, h)),
        None => (0..w, 0..h),
    };
    let (width, height) = (x.len() as u32, y.len() as u32);
    let rows = y.filter_map(|row| image.pixels.get(row * w + x.start..row * w + x.end));
    let rgb: Vec<u8> = rows.flatten().flat_map(|p| [p.r(), p.g(), p.b()]).collect();
    std::fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).map_err(|e| fail(&e))?;
    image::save_buffer(path, &rgb, width, height, image::ExtendedColorType::Rgb8).map_err(|e| fail(&e))
}

/// Whole pixels between two edges, within `0..size`.
fn range(from: f32, to: f32, size: usize) -> std::ops::Range<usize> {
    let pixel = |x: f32| (x.max(0.0).round() as usize).min(size);
    let from = pixel(from);
    from..pixel(to).max(from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use eframe::egui::{Color32, pos2};

    #[test]
    fn keeps_the_part_that_is_asked_for() {
        let home = tempfile::tempdir().unwrap();
        let pixels = (0..12).map(|k| Color32::from_rgb(k, 0, 0)).collect();
        let image = ColorImage::new([4, 3], pixels);
        let path = home.path().join("new/a.png");
        save(&image, Some(Rect::from_min_max(pos2(1.0, 1.0), pos2(9.0, 2.0))), &path).unwrap();
        let read = image::open(&path).unwrap().to_rgb8();
        assert_eq!((read.dimensions(), read.get_pixel(0, 0).0[0], read.get_pixel(2, 0).0[0]), ((3, 1), 5, 7));
        save(&image, None, &path).unwrap();
        assert_eq!(image::open(&path).unwrap().to_rgb8().dimensions(), (4, 3));
        std::fs::write(home.path().join("file"), "").unwrap();
        let error = save(&image, None, &home.path().join("file/a.png")).unwrap_err();
        assert!(error.contains("file/a.png"));
    }
}
