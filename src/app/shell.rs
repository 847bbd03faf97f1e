//! What the user can ask of the window itself: sizes, keys, panels, pictures, films.

use super::film::Motion;
use super::panels::Pane;
use crate::export::{Format, Include};
use std::path::PathBuf;

/// A wish about the window.
#[derive(Clone, Debug)]
pub(super) enum Shell {
    /// Size of text and controls, 1 to 2.
    Scale(f32),
    /// Who reviews.
    Reviewer(String),
    /// Write the file of keys where there is none, and show it.
    OpenKeys,
    /// Read the file of keys again.
    ReadKeys,
    /// Open or close a panel.
    ShowPane(Pane, bool),
    /// Bring a panel to the front, opened if need be.
    BringUp(Pane),
    /// Only the 3D view and captions, or all panels.
    Demo(bool),
    /// Let the system ask for a folder.
    Browse(Place),
    /// Say what is wrong with exporting so.
    Check(Format, Include),
    /// Stop a task.
    Stop(u64),
    /// Show a file or a folder in the program that the system has for it.
    Reveal(PathBuf),
    /// Save a picture of the window.
    Picture {
        /// Of the window; of the 3D view alone otherwise.
        whole: bool,
        /// The folder.
        folder: PathBuf,
    },
    /// Make a film.
    Film(FilmWish),
}

/// What a folder is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// An export.
    Export,
    /// Pictures.
    Picture,
    /// Films.
    Film,
}

/// A film as the user asks for it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FilmWish {
    /// Around the selected instance; around what the 3D view looks at otherwise.
    pub selected: bool,
    /// How the camera moves.
    pub motion: Motion,
    /// Whether boxes are drawn.
    pub boxes: bool,
    /// Width and height in pixels.
    pub size: [u32; 2],
    /// How long it is.
    pub seconds: u32,
    /// The folder that it gets a folder in.
    pub folder: PathBuf,
}
