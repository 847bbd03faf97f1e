//! Drawing splats with OpenGL, by three-d. The only place that knows it.

mod convert;
mod renderer;
mod sorter;

pub(super) use renderer::{Picture, Screen, paint, release};
pub(super) use sorter::{Cloud, Sorter};
