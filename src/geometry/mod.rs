//! Stage 1: structure from motion, dense depth, planes, gravity, fusion to a mesh.

pub mod dense;
pub mod fusion;
pub mod raster;
pub mod tsdf;
