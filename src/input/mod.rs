//! Photos and posed folders in: frames, intrinsics, and what came with them.
