//! Depth of a mesh as a camera sees it.

use crate::scene::{Camera, DepthMap, TriMesh};
use nalgebra::Point3;

/// Part of the mesh's diagonal nearer than which triangles are clipped away.
const NEAR: f64 = 1e-5;

/// Depth along the optical axis of the nearest surface at every pixel centre; 0 where there is none. Both sides of a
/// triangle count. Serial: callers run views in parallel.
pub fn render_mesh_depth(mesh: &TriMesh, camera: &Camera) -> DepthMap {
    let k = &camera.intrinsics;
    let mut map = DepthMap::unknown(k.width, k.height);
    let w2c = camera.w2c();
    let seen: Vec<Point3<f64>> =
        mesh.positions.iter().map(|p| w2c * Point3::new(f64::from(p[0]), f64::from(p[1]), f64::from(p[2]))).collect();
    let far = seen.iter().map(|p| p.z).filter(|z| z.is_finite()).fold(0.0, f64::max);
    let near = (far * NEAR).max(1e-12);
    for t in &mesh.triangles {
        let Some([a, b, c]) = corners(&seen, t) else { continue };
        let (polygon, n) = clip([a, b, c], near);
        for i in 2..n {
            fill(
                [polygon[0], polygon[i - 1], polygon[i]]
                    .map(|p| [k.fx * p.x / p.z + k.cx, k.fy * p.y / p.z + k.cy, 1.0 / p.z]),
                &mut map,
            );
        }
    }
    map
}

/// Corners of a triangle; `None` where an index is out of range or a coordinate not finite.
fn corners(points: &[Point3<f64>], t: &[u32; 3]) -> Option<[Point3<f64>; 3]> {
    let [a, b, c] = t.map(|i| points.get(i as usize).copied().filter(|p| p.coords.iter().all(|x| x.is_finite())));
    Some([a?, b?, c?])
}

/// The part of a triangle beyond the near plane: up to four corners (Sutherland & Hodgman 1974).
fn clip(t: [Point3<f64>; 3], near: f64) -> ([Point3<f64>; 4], usize) {
    let (mut out, mut n) = ([Point3::origin(); 4], 0);
    for i in 0..3 {
        let (a, b) = (t[i], t[(i + 1) % 3]);
        if a.z >= near {
            out[n] = a;
            n += 1;
        }
        if (a.z >= near) != (b.z >= near) {
            out[n] = a + (b - a) * ((near - a.z) / (b.z - a.z));
            n += 1;
        }
    }
    (out, n)
}

/// Fills a triangle of `(u, v, 1 / z)`: inverse depth is linear on the image plane.
fn fill(t: [[f64; 3]; 3], map: &mut DepthMap) {
    let [a, b, c] = t;
    let area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
    if area.abs() < 1e-12 || !area.is_finite() {
        return;
    }
    let bound = |axis: usize, size: u32| {
        let (low, high) = (a[axis].min(b[axis]).min(c[axis]), a[axis].max(b[axis]).max(c[axis]));
        ((low - 0.5).ceil().max(0.0) as usize, ((high + 0.5).floor().min(f64::from(size))).max(0.0) as usize)
    };
    let ((x0, x1), (y0, y1)) = (bound(0, map.width), bound(1, map.height));
    let gradient = |axis: usize| {
        let (e, f) = (1 - axis, if axis == 0 { 1.0 } else { -1.0 });
        // Derivatives of the barycentric weights of b and c along the axis.
        let (wb, wc) = ((c[e] - a[e]) * f / area, -(b[e] - a[e]) * f / area);
        [wb, wc]
    };
    let (gu, gv) = (gradient(0), gradient(1));
    for y in y0..y1 {
        for x in x0..x1 {
            let (du, dv) = (x as f64 + 0.5 - a[0], y as f64 + 0.5 - a[1]);
            let (wb, wc) = (gu[0] * du + gv[0] * dv, gu[1] * du + gv[1] * dv);
            if wb < -1e-9 || wc < -1e-9 || wb + wc > 1.0 + 1e-9 {
                continue;
            }
            let depth = (1.0 / (a[2] + wb * (b[2] - a[2]) + wc * (c[2] - a[2]))) as f32;
            let old = &mut map.data[y * map.width as usize + x];
            if depth > 0.0 && depth.is_finite() && (*old == 0.0 || depth < *old) {
                *old = depth;
            }
        }
    }
}
