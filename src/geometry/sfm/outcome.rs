//! From the state of a reconstruction to the scene's cameras and points.

use super::mapper::Mapper;
use super::{Reconstruction, SfmInput, TakenWith};
use crate::scene::{Camera, Intrinsics, PoseQuality, Sparse, SparsePoint};
use crate::scene::{Lens, pinhole_of};
use nalgebra::Point3;

/// Median depth of points after [`scaled`]: depth maps are stored in 16-bit thousandths of a unit.
const MEDIAN_DEPTH: f64 = 2.5;

/// How a photo's camera was found to be: its intrinsics at the photo's own size, and its lens where that bends.
fn taken_with(m: &Mapper, i: usize, working: &Intrinsics, own: &Intrinsics) -> (Intrinsics, Lens) {
    let view = &m.views[i];
    let found = Intrinsics { fx: view.focal[0], fy: view.focal[1], ..*working };
    let scaled = found.resized(own.width, own.height);
    // What was not adjusted comes back bit for bit.
    let intrinsics = if found == *working { *own } else { Intrinsics { cx: own.cx, cy: own.cy, ..scaled } };
    let lens = if view.radial == [0.0; 2] { Lens::Pinhole } else { Lens::brown(&view.radial, [0.0; 2]) };
    (intrinsics, lens)
}

/// Cameras, points and lenses in the photos' own pixel coordinates; where a lens bends, in those of the photo without its
/// distortion.
pub(super) fn collect(m: &Mapper, working: &[Intrinsics], input: &SfmInput) -> Reconstruction {
    let n = input.images.len();
    let taken: Vec<(Intrinsics, Lens)> = (0..n).map(|i| taken_with(m, i, &working[i], &input.intrinsics[i])).collect();
    let pinholes: Vec<Intrinsics> = taken.iter().map(|(k, lens)| pinhole_of(k, lens).unwrap_or(*k)).collect();
    let camera = |i: usize| Camera { intrinsics: pinholes[i], c2w: m.views[i].w2c.inverse() };
    let cameras: Vec<Option<Camera>> = (0..n).map(|i| m.registered[i].then(|| camera(i))).collect();
    let mut points = Vec::new();
    for track in &m.tracks {
        let Some(position) = track.point else { continue };
        let seen: Vec<Seen> = track
            .fitting()
            .map(|(i, f)| {
                let p = m.features[i].points[f];
                let (k, own, to) = (&working[i], &input.intrinsics[i], &pinholes[i]);
                let scale = [f64::from(own.width) / f64::from(k.width), f64::from(own.height) / f64::from(k.height)];
                let photo = [p[0] * scale[0], p[1] * scale[1]];
                let uv = if taken[i].1 == Lens::Pinhole {
                    photo
                } else {
                    let ray = m.views[i].normalised(p);
                    [to.fx * ray.x + to.cx, to.fy * ray.y + to.cy]
                };
                Seen { frame: i, uv, photo }
            })
            .collect();
        points.extend(point(position, &seen, &cameras, input));
    }
    let mut sparse = Sparse { cameras, points, quality: Vec::new() };
    sparse.quality = PoseQuality::of(&sparse);
    let lenses = taken.into_iter().map(|(intrinsics, lens)| TakenWith { intrinsics, lens }).collect();
    Reconstruction { sparse, taken_with: lenses }
}

/// Adds what the adjustment says of how sure each pose is.
pub(super) fn add_sigmas(quality: &mut [Option<PoseQuality>], sigmas: &[Option<[f64; 2]>]) {
    for (quality, sigma) in quality.iter_mut().zip(sigmas) {
        if let (Some(quality), Some([center, rotation])) = (quality, sigma) {
            quality.center_sigma = Some(*center);
            quality.rotation_sigma_deg = Some(rotation.to_degrees());
        }
    }
}

/// An observation: where it is without distortion, and where in the photo.
struct Seen {
    frame: usize,
    uv: [f64; 2],
    photo: [f64; 2],
}

fn point(position: Point3<f64>, seen: &[Seen], cameras: &[Option<Camera>], input: &SfmInput) -> Option<SparsePoint> {
    let (mut sum, mut color, count) = (0.0, [0.0f64; 3], seen.len() as f64);
    for Seen { frame, uv, photo } in seen {
        let (u, v, _) = cameras[*frame].as_ref()?.project(&position)?;
        sum += (u - uv[0]).hypot(v - uv[1]);
        let image = input.images[*frame];
        let pixel =
            image.get_pixel((photo[0] as u32).min(image.width() - 1), (photo[1] as u32).min(image.height() - 1));
        (0..3).for_each(|k| color[k] += f64::from(pixel[k]));
    }
    let ok = seen.len() >= 2 && position.coords.iter().all(|v| v.is_finite());
    ok.then(|| SparsePoint {
        position,
        color: color.map(|c| (c / count).round() as u8),
        track: seen.iter().map(|s| (s.frame, s.uv.map(|v| v as f32))).collect(),
        error: sum / count,
    })
}

/// The same reconstruction at the scale where the median depth of points is [`MEDIAN_DEPTH`].
pub(super) fn scaled(mut sparse: Sparse) -> Sparse {
    let Some(median) = sparse.median_depth() else { return sparse };
    let s = MEDIAN_DEPTH / median;
    sparse.cameras.iter_mut().flatten().for_each(|c| c.c2w.translation.vector *= s);
    sparse.points.iter_mut().for_each(|p| p.position.coords *= s);
    sparse.quality.iter_mut().flatten().for_each(|q| *q = q.scaled(s));
    sparse
}
