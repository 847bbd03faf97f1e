//! What leaves the program: COCO, reviewed instances, splat and mesh.
