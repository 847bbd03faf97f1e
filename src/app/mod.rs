//! The window: 3D view, photos, instances, review. The only room that knows egui and OpenGL.
//!
//! Panels read the model and push commands; the window carries those out after the frame.
//! Facts are in the scene folder, decisions in its `review.jsonl`, and how one looks at it in the user's configuration
//! folder.

mod colors;
mod command;
mod compare;
mod crops;
mod crowd;
mod display;
mod edit;
mod export;
mod extent;
mod film;
mod filters;
mod fuzzy;
mod gizmo;
mod gl;
mod health;
mod keymap;
mod keystrokes;
mod load;
mod log;
mod look;
mod mask_image;
mod measure;
mod model;
mod near;
mod orbit;
mod order;
mod ortho;
mod overlay;
mod palette;
mod panels;
mod photos;
mod pick;
mod pick_index;
mod picture;
mod screenshot;
mod settings;
mod shell;
mod shortcuts;
mod system;
mod task;
mod training;
mod turning;
mod versus;
mod view_state;
mod window;

pub use display::display_available;

use crate::pipeline::RunOptions;
use eframe::egui;
use std::path::PathBuf;

/// What the window opens with.
#[derive(Clone, Debug)]
pub enum Open {
    /// A scene to review, or a folder that holds scenes.
    Scene(PathBuf),
    /// Photos to make a scene of, watched while it is made.
    Run {
        /// Photos or video.
        input: PathBuf,
        /// The scene folder.
        out: PathBuf,
        /// How.
        options: Box<RunOptions>,
    },
    /// Nothing yet.
    Nothing,
}

/// Why the window could not open.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// No display is set.
    #[error("there is no display: neither DISPLAY nor WAYLAND_DISPLAY is set")]
    NoDisplay,
    /// It is set, and nobody answers.
    #[error("the display {display} (DISPLAY) cannot be reached")]
    DisplayUnreachable {
        /// Its name.
        display: String,
    },
    /// winit needs it and panics without.
    #[error(
        "the library libxkbcommon-x11.so.0 is missing: on Debian and Ubuntu, install the package libxkbcommon-x11-0"
    )]
    NoKeyboardLibrary,
    /// The window system or OpenGL said no.
    #[error("the window cannot be opened ({0}): OpenGL 3.3 is needed, on Debian libgl1, libgl1-mesa-dri and libegl1")]
    Window(String),
}

/// Opens the window, and returns when it is closed.
pub fn run(open: Open) -> Result<(), AppError> {
    display_available()?;
    let config = view_state::folder();
    let layout = window::load_layout(config.as_deref());
    let options = eframe::NativeOptions {
        viewport: egui::ViewportBuilder::default()
            .with_title("Holoscope")
            .with_app_id("holoscope")
            .with_inner_size(layout.size)
            .with_min_inner_size([480.0, 320.0])
            .with_drag_and_drop(true),
        renderer: eframe::Renderer::Glow,
        depth_buffer: 24,
        ..Default::default()
    };
    let create: eframe::AppCreator<'_> =
        Box::new(move |cc| Ok(Box::new(window::Window::new(&cc.egui_ctx, cc.gl.is_some(), open, config, layout))));
    eframe::run_native("Holoscope", options, create).map_err(|e| AppError::Window(e.to_string()))
}
