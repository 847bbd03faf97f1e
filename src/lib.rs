//! Holoscope: photos of a place in, a labelled and reviewed 3D scene out.
//!
//! The rooms, in the order data flows through them; each may use those above it and none below:
//! [`scene`], [`models`], [`input`], [`geometry`], [`splat`], [`perception`], [`instances`], [`eval`], [`review`],
//! [`export`], [`pipeline`], [`app`].
//!
//! Conventions, everywhere: cameras are OpenCV (x right, y down, z forward), poses are camera-to-world,
//! pixel centres are at +0.5, world up is +z once gravity is known, lengths are in scene units.

pub mod app;
pub mod eval;
pub mod export;
pub mod geometry;
pub mod input;
pub mod instances;
pub mod models;
pub mod perception;
pub mod pipeline;
pub mod review;
pub mod scene;
pub mod splat;
