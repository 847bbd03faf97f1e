//! Drawing splats: with OpenGL, by three-d, or by the CPU where OpenGL is software. The only place that knows it.

mod cloud;
mod convert;
mod renderer;
mod soft;
mod sorter;

pub(super) use cloud::Cloud;
pub(super) use renderer::{Picture, Screen, paint, release};
pub(super) use sorter::{Sorter, View};
