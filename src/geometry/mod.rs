//! Stage 1: structure from motion, dense depth, planes, gravity, fusion to a mesh.

pub mod gravity;
pub mod planes;
