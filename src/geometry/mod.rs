//! Stage 1: structure from motion, dense depth, planes, gravity, fusion to a mesh.

pub mod agreement;
pub mod dense;
pub mod depth_fit;
pub mod depth_model;
pub mod fusion;
pub mod gravity;
pub mod planes;
pub mod raster;
pub mod sfm;
pub mod tsdf;
