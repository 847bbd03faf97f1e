//! What a scene is: cameras, frames, depth maps, Gaussians, masks, boxes, instances, and the scene folder on disk.

mod camera;
mod depth;
pub mod folder;
mod frame;
mod gaussians;
mod instance;
mod job;
mod lens;
mod mask;
mod mesh;
mod obb;
mod quality;
mod similarity;
mod training;

pub use camera::{Camera, Intrinsics};
pub use depth::DepthMap;
pub use frame::{Capture, Frame, Sparse, SparsePoint};
pub use gaussians::{Gaussians, SH_C0, sh_coefficients};
pub use instance::{Instance, InstanceState, InstanceView, Instances};
pub use job::{Cancelled, Job, Quiet};
pub use lens::{Lens, LensError, colmap_camera, colmap_model, depth_through, mask_through, pinhole_of, undistorted};
pub use mask::{FrameMasks, Mask2d, MaskError, Rle};
pub use mesh::TriMesh;
pub use obb::OrientedBox;
pub use quality::{PoseQuality, QualitySummary, Weakness};
pub use similarity::Similarity;
pub use training::{TrainPoint, Training, ViewScore};
