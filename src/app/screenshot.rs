//! A picture of the window once everything in it is there: `HOLOSCOPE_SCREENSHOT=FILE.png` saves it and closes the
//! window, `HOLOSCOPE_SELECT=ID` selects an instance first. `HOLOSCOPE_DO` is done before: actions by their names in
//! `keys.json`, `panel:TITLE`, `filter:TEXT` and `truth:FOLDER`, separated by semicolons.

use eframe::egui::{ColorImage, Context, ScreenshotCallback, ViewportCommand};
use std::path::PathBuf;
use std::sync::Arc;

/// Frames that everything must have been there for: what is drawn is one behind what is wanted.
const CALM: u32 = 3;

/// What the environment asks for.
#[derive(Default)]
pub(super) struct Screenshot {
    path: Option<PathBuf>,
    /// Instance to select first.
    pub select: Option<u32>,
    /// What to do first, once everything is there.
    pub first: Vec<String>,
    calm: u32,
}

impl Screenshot {
    /// Reads the environment.
    pub(super) fn from_env() -> Self {
        let path = std::env::var_os("HOLOSCOPE_SCREENSHOT").filter(|p| !p.is_empty()).map(PathBuf::from);
        let select = std::env::var("HOLOSCOPE_SELECT").ok().and_then(|id| id.trim().parse().ok());
        let wishes = std::env::var("HOLOSCOPE_DO").unwrap_or_default();
        let first = wishes.split(';').filter(|w| !w.is_empty()).map(str::to_owned).collect();
        Self { path, select, first, calm: 0 }
    }

    /// Whether a picture is still to be taken.
    pub(super) fn is_pending(&self) -> bool {
        self.path.is_some()
    }

    /// Counts frames in which all is there; takes the picture when there have been enough.
    pub(super) fn frame(&mut self, ctx: &Context, settled: bool) {
        if self.path.is_none() {
            return;
        }
        self.calm = if settled { self.calm + 1 } else { 0 };
        if self.calm < CALM {
            ctx.request_repaint_after_secs(0.05);
            return;
        }
        let Some(path) = self.path.take() else { return };
        let closing = ctx.clone();
        let taken = ScreenshotCallback::new(move |image| {
            if let Err(e) = save(&path, &image) {
                eprintln!("cannot write {}: {e}", path.display());
            }
            closing.send_viewport_cmd(ViewportCommand::Close);
            closing.request_repaint();
        });
        ctx.send_viewport_cmd(ViewportCommand::Screenshot(taken));
        ctx.request_repaint();
    }
}

fn save(path: &std::path::Path, image: &Arc<ColorImage>) -> image::ImageResult<()> {
    let [w, h] = image.size.map(|x| x as u32);
    let rgb: Vec<u8> = image.pixels.iter().flat_map(|p| [p.r(), p.g(), p.b()]).collect();
    image::save_buffer(path, &rgb, w, h, image::ExtendedColorType::Rgb8)
}
