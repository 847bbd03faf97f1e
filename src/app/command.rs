//! What panels ask for. They change nothing themselves: the window carries these out after the frame.

use super::compare::Compare;
use super::edit::EditCommand;
use super::filters::Filters;
use super::look::Look;
use super::orbit::Orbit;
use super::order::Sort;
use super::overlay::PhotoView;
use super::shell::Shell;
use super::shortcuts::Action;
use super::versus::Against;
use super::view_state::Shown;
use crate::export::{Format, Include};
use crate::review::Decision;
use crate::scene::OrientedBox;
use eframe::egui::ThemePreference;
use nalgebra::{Point3, Vector3};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// What is asked of a comparison.
#[derive(Clone, Debug)]
pub(super) enum VersusWish {
    /// Let the system ask for the other side: a folder, or a file.
    Browse {
        /// A file.
        file: bool,
    },
    /// Compare.
    Start {
        /// With what.
        against: Against,
        /// Where that is.
        path: PathBuf,
    },
    /// What counts as a match with ground truth.
    Match {
        /// Least exact IoU.
        least_iou: f64,
        /// The label right too.
        same_label: bool,
    },
    /// No more.
    Stop,
}

/// A wish of the user.
#[derive(Clone, Debug)]
pub(super) enum Command {
    /// What a key does.
    Do(Action),
    /// Select an instance, or none.
    Select(Option<u32>),
    /// Select a photo.
    ShowPhoto(usize),
    /// Put the 3D view on a photo's camera.
    Snap(usize),
    /// Look at an instance in 3D.
    FlyTo(u32),
    /// Take the point of the scene that a ray of the 3D view ends on: origin and direction.
    MeasureAlong(Point3<f64>, Vector3<f64>),
    /// Take the point of the scene at a pixel of a photo (pixel centres at +0.5).
    MeasureInPhoto(usize, [f64; 2]),
    /// The two points are so many metres apart: bring the whole scene to that scale.
    SetScale(f64),
    /// The 3D camera was moved by hand.
    Look(Orbit),
    /// The photo was zoomed or moved.
    LookAtPhoto(PhotoView),
    /// Decide about an instance.
    Decide(u32, Decision),
    /// Decide about several at once: one step of undo.
    DecideAll(Vec<(u32, Decision)>),
    /// Call a category by another name, for all of its instances.
    RenameCategory {
        /// The name that it has.
        from: String,
        /// The new one.
        to: String,
    },
    /// Select exactly these instances.
    Mark(BTreeSet<u32>),
    /// Add an instance to the selected ones, or take it out of them.
    Toggle(u32),
    /// The instance under the pointer, or none.
    Hover(Option<u32>),
    /// Fly to a box that is no instance.
    FlyToBox(OrientedBox),
    /// Select these, and list only them.
    Only(Vec<u32>),
    /// Compare the scene with something.
    Versus(VersusWish),
    /// Review with a log of one's own, or (`false`) with the first again.
    SecondOpinion(bool),
    /// Filter the list.
    Filter(String),
    /// Sort the list.
    Sort(Sort),
    /// What is shown.
    Show(Shown),
    /// How the splats are shown.
    SetLook(Look),
    /// What the photo is compared with.
    Compare(Compare),
    /// Where the line between photo and render is, 0..1 of the photo's width.
    Split(f32),
    /// Dark or light.
    Theme(ThemePreference),
    /// Panels back where they were at first.
    ResetLayout,
    /// Open a scene, or offer to make one of a folder or file.
    Open(PathBuf),
    /// Let the system ask for a folder to open, or for a video.
    Browse {
        /// A video.
        video: bool,
    },
    /// Make a scene.
    Run {
        /// Photos or video.
        input: PathBuf,
        /// The scene folder.
        out: PathBuf,
    },
    /// Hold the run, or let it go on.
    Pause(bool),
    /// Stop the run.
    Cancel,
    /// Write the reviewed scene.
    Export {
        /// Which.
        format: Format,
        /// Which instances.
        include: Include,
        /// Where to.
        out: PathBuf,
    },
    /// Accept, with what text fields have decided.
    FixAndAccept(Vec<Decision>),
    /// About what is being edited.
    Edit(EditCommand),
    /// Something about the window itself.
    Shell(Shell),
    /// Another set of saved filters.
    SetFilters(Filters),
}
