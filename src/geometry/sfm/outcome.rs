//! From the state of a reconstruction to the scene's cameras and points.

use super::SfmInput;
use super::mapper::Mapper;
use crate::scene::{Camera, Intrinsics, Sparse, SparsePoint};
use nalgebra::Point3;

/// Median depth of points after [`scaled`]: depth maps are stored in 16-bit thousandths of a unit.
const MEDIAN_DEPTH: f64 = 2.5;

/// The camera of photo `i` at the photo's own size.
fn camera(m: &Mapper, i: usize, working: &Intrinsics, own: &Intrinsics) -> Camera {
    let view = &m.views[i];
    let found = Intrinsics { fx: view.focal[0], fy: view.focal[1], ..*working };
    let scaled = found.resized(own.width, own.height);
    // What was not adjusted comes back bit for bit.
    let intrinsics = if found == *working { *own } else { Intrinsics { cx: own.cx, cy: own.cy, ..scaled } };
    Camera { intrinsics, c2w: view.w2c.inverse() }
}

/// Cameras and points in the photos' own pixel coordinates.
pub(super) fn collect(m: &Mapper, working: &[Intrinsics], input: &SfmInput) -> Sparse {
    let n = input.images.len();
    let cameras: Vec<Option<Camera>> =
        (0..n).map(|i| m.registered[i].then(|| camera(m, i, &working[i], &input.intrinsics[i]))).collect();
    let enlarge: Vec<[f64; 2]> = working
        .iter()
        .zip(input.intrinsics)
        .map(|(w, o)| [f64::from(o.width) / f64::from(w.width), f64::from(o.height) / f64::from(w.height)])
        .collect();
    let mut points = Vec::new();
    for track in &m.tracks {
        let Some(position) = track.point else { continue };
        let seen: Vec<(usize, [f64; 2])> = track
            .fitting()
            .map(|(i, f)| {
                let p = m.features[i].points[f];
                (i, [p[0] * enlarge[i][0], p[1] * enlarge[i][1]])
            })
            .collect();
        if let Some(point) = point(position, &seen, &cameras, input) {
            points.push(point);
        }
    }
    Sparse { cameras, points, ..Sparse::default() }
}

fn point(
    position: Point3<f64>,
    seen: &[(usize, [f64; 2])],
    cameras: &[Option<Camera>],
    input: &SfmInput,
) -> Option<SparsePoint> {
    let (mut sum, mut color, count) = (0.0, [0.0f64; 3], seen.len() as f64);
    for (i, uv) in seen {
        let (u, v, _) = cameras[*i].as_ref()?.project(&position)?;
        sum += (u - uv[0]).hypot(v - uv[1]);
        let image = input.images[*i];
        let pixel = image.get_pixel((uv[0] as u32).min(image.width() - 1), (uv[1] as u32).min(image.height() - 1));
        (0..3).for_each(|k| color[k] += f64::from(pixel[k]));
    }
    let ok = seen.len() >= 2 && position.coords.iter().all(|v| v.is_finite());
    ok.then(|| SparsePoint {
        position,
        color: color.map(|c| (c / count).round() as u8),
        track: seen.iter().map(|(i, uv)| (*i, uv.map(|v| v as f32))).collect(),
        error: sum / count,
    })
}

/// The same reconstruction at the scale where the median depth of points is [`MEDIAN_DEPTH`].
pub(super) fn scaled(mut sparse: Sparse) -> Sparse {
    let Some(median) = sparse.median_depth() else { return sparse };
    let s = MEDIAN_DEPTH / median;
    sparse.cameras.iter_mut().flatten().for_each(|c| c.c2w.translation.vector *= s);
    sparse.points.iter_mut().for_each(|p| p.position.coords *= s);
    sparse
}
