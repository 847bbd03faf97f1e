//! nalgebra to the cgmath of three-d.

use nalgebra::Isometry3;
use three_d::Mat4;

/// World-to-camera as a column-major matrix in f32.
pub(super) fn matrix(w2c: &Isometry3<f64>) -> Mat4 {
    let m = w2c.to_homogeneous().cast::<f32>();
    let column = |k: usize| three_d::vec4(m[(0, k)], m[(1, k)], m[(2, k)], m[(3, k)]);
    Mat4::from_cols(column(0), column(1), column(2), column(3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nalgebra::{Point3, Vector3};

    #[test]
    fn moves_points_alike() {
        let pose = Isometry3::new(Vector3::new(1.0, 2.0, 3.0), Vector3::new(0.1, -0.4, 0.7));
        let a = pose * Point3::new(0.3, -0.2, 0.9);
        let b = matrix(&pose) * three_d::vec4(0.3, -0.2, 0.9, 1.0);
        for (x, y) in [(a.x, b.x), (a.y, b.y), (a.z, b.z)] {
            assert!((x as f32 - y).abs() < 1e-6);
        }
    }
}
