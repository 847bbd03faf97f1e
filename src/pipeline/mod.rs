//! Stages, messages, checkpoints, and the background thread that drives them.

mod cache;
pub mod inventory;
mod live;
mod options;
mod rescale;
mod resources;
mod run;
mod stages;
mod view;
mod worker;

pub use live::Live;
pub use options::{Device, PosesMode, RunOptions};
pub use rescale::{RescaleError, TypedDistance, rescale};
pub use resources::{Timing, peak_memory_mib};
pub use run::RunError;
pub use view::SceneView;
pub use worker::Pipeline;

/// The stages, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Photos read.
    Frames,
    /// Camera poses and sparse points.
    Poses,
    /// Dense depth.
    Depth,
    /// Gaussian splats.
    Splats,
    /// Fused surface, gravity.
    Mesh,
    /// Masks in every frame.
    Masks,
    /// Instances in 3D.
    Instances,
}

impl Stage {
    /// All of them, in order.
    pub const ALL: [Self; 7] =
        [Self::Frames, Self::Poses, Self::Depth, Self::Splats, Self::Mesh, Self::Masks, Self::Instances];

    /// The name that the command line and `scene.json` use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Frames => "frames",
            Self::Poses => "poses",
            Self::Depth => "depth",
            Self::Splats => "splats",
            Self::Mesh => "mesh",
            Self::Masks => "masks",
            Self::Instances => "instances",
        }
    }
}

/// What happened. Small; big data is in [`Live`].
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// A stage began.
    StageStarted(Stage),
    /// A stage got on: `done` of `total`.
    StageProgressed {
        /// Which.
        stage: Stage,
        /// Units done.
        done: usize,
        /// Units in all.
        total: usize,
    },
    /// A stage ended well.
    StageFinished {
        /// Which.
        stage: Stage,
        /// Wall seconds.
        seconds: f64,
        /// True where the result of an earlier run was kept.
        reused: bool,
    },
    /// A stage ended with an error, and the run with it.
    StageFailed {
        /// Which.
        stage: Stage,
        /// One sentence.
        error: String,
    },
    /// Something worth knowing that is no trouble.
    Noted(String),
    /// Trouble that the run survives.
    Warned(String),
    /// A slot of [`Live`] holds something new.
    Updated,
    /// The run is over, all stages done.
    Finished,
    /// The run was cancelled; finished stages are kept.
    Cancelled,
}
