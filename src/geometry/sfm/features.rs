//! SIFT features: extrema of the difference of Gaussians, orientations, RootSIFT descriptors. D. Lowe, IJCV 2004;
//! R. Arandjelović & A. Zisserman, "Three things everyone should know to improve object retrieval", CVPR 2012.

use super::descriptor::{Gradients, describe, orientations};
use super::scale_space::{INTERVALS, Octave, Plane, for_each_octave, level_sigma};
use image::RgbImage;
use nalgebra::{Matrix3, Vector3};

/// Photos whose longer side is at most this are doubled before the search.
const DOUBLE_BELOW: usize = 1100;
/// Least |DoG| of an extremum; Lowe's 0.03 is for grey in 0..1 and one DoG per octave, this is per interval.
const CONTRAST: f32 = 0.02 / INTERVALS as f32;
/// Part of that contrast which is enough in photos that have fewer extrema than [`ENOUGH`]: dark ones, plain ones.
const FAINT: f32 = 0.5;
/// Extrema that every photo should have.
const ENOUGH: usize = 1500;
/// Largest ratio of principal curvatures.
const EDGE_RATIO: f32 = 10.0;
/// Pixels at the border of each octave where no extremum is sought.
const BORDER: usize = 5;
/// Extrema that are kept of a photo, strongest first.
const MAX_EXTREMA: usize = 2800;

/// Length of a descriptor; each is a RootSIFT scaled to squared length 512² and rounded.
pub(super) const DESCRIPTOR: usize = 128;
/// Length that descriptors are scaled to.
pub(super) const DESCRIPTOR_NORM: f32 = 512.0;

/// The features of one photo, largest scale first.
#[derive(Clone, Debug, Default)]
pub(super) struct Features {
    /// Pixel coordinates, centres at +0.5.
    pub(super) points: Vec<[f64; 2]>,
    /// Size of each, pixels: the blur at which it was found; empty where that is not known.
    pub(super) scales: Vec<f32>,
    /// RootSIFT descriptors.
    pub(super) descriptors: Vec<[i16; DESCRIPTOR]>,
}

impl Features {
    /// Keeps the features at points that `wanted` says yes to.
    pub(super) fn retain(&mut self, wanted: impl Fn(&[f64; 2]) -> bool) {
        let keep: Vec<bool> = self.points.iter().map(wanted).collect();
        let (mut p, mut s, mut d) = (keep.iter(), keep.iter(), keep.iter());
        self.points.retain(|_| p.next().is_some_and(|k| *k));
        self.scales.retain(|_| s.next().is_some_and(|k| *k));
        self.descriptors.retain(|_| d.next().is_some_and(|k| *k));
    }
}

/// An extremum of the difference of Gaussians, in its octave's pixels.
struct Extremum {
    octave: usize,
    x: f32,
    y: f32,
    level: f32,
    response: f32,
}

/// A described feature before sorting.
struct Described {
    point: [f64; 2],
    scale: f32,
    descriptor: [i16; DESCRIPTOR],
}

/// Detects and describes the features of a photo.
pub(super) fn detect(image: &RgbImage) -> Features {
    let grey = Plane::grey(image);
    if grey.width < 16 || grey.height < 16 {
        return Features::default();
    }
    let double = grey.width.max(grey.height) <= DOUBLE_BELOW;
    let mut octaves = Vec::new();
    let mut extrema = Vec::new();
    for_each_octave(grey, double, |octave| {
        find_extrema(octave, octaves.len(), &mut extrema);
        octaves.push(KeptOctave::new(octave));
    });
    extrema.sort_by(|a, b| b.response.total_cmp(&a.response).then(a.y.total_cmp(&b.y)).then(a.x.total_cmp(&b.x)));
    let strong = extrema.partition_point(|e| e.response > CONTRAST);
    extrema.truncate(strong.clamp(ENOUGH, MAX_EXTREMA));
    let mut found = Vec::with_capacity(extrema.len() * 5 / 4);
    for e in &extrema {
        octaves[e.octave].describe(e, &mut found);
    }
    found.sort_by(|a, b| {
        b.scale.total_cmp(&a.scale).then(a.point[1].total_cmp(&b.point[1])).then(a.point[0].total_cmp(&b.point[0]))
    });
    Features {
        points: found.iter().map(|f| f.point).collect(),
        scales: found.iter().map(|f| f.scale).collect(),
        descriptors: found.iter().map(|f| f.descriptor).collect(),
    }
}

/// What describing needs of an octave: gradients at the levels where extrema lie.
struct KeptOctave {
    gradients: Vec<Gradients>,
    scale: f32,
    offset: f32,
}

impl KeptOctave {
    fn new(octave: &Octave) -> Self {
        let gradients = octave.levels[1..=INTERVALS].iter().map(Gradients::of).collect();
        Self { gradients, scale: octave.scale(), offset: octave.to_photo(0.0) }
    }

    fn describe(&self, e: &Extremum, out: &mut Vec<Described>) {
        let nearest = (e.level.round() as usize).clamp(1, INTERVALS);
        let gradients = &self.gradients[nearest - 1];
        let sigma = level_sigma(e.level);
        let point = [e.x, e.y].map(|v| f64::from(v * self.scale + self.offset));
        for angle in orientations(gradients, e.x, e.y, sigma) {
            let descriptor = describe(gradients, e.x, e.y, sigma, angle);
            out.push(Described { point, scale: sigma * self.scale, descriptor });
        }
    }
}

/// Differences of neighbouring levels.
fn differences(octave: &Octave) -> Vec<Plane> {
    octave
        .levels
        .windows(2)
        .map(|pair| {
            let data = pair[0].data.iter().zip(&pair[1].data).map(|(a, b)| b - a).collect();
            Plane { width: pair[0].width, height: pair[0].height, data }
        })
        .collect()
}

fn find_extrema(octave: &Octave, index: usize, out: &mut Vec<Extremum>) {
    let dog = differences(octave);
    let (w, h) = (dog[0].width, dog[0].height);
    for level in 1..=INTERVALS {
        for y in BORDER..h - BORDER {
            let row = dog[level].row(y);
            for x in BORDER..w - BORDER {
                let v = row[x];
                if v.abs() > 0.8 * FAINT * CONTRAST
                    && is_extremum(&dog, level, x, y, v)
                    && let Some(e) = refine(&dog, level, x, y)
                {
                    out.push(Extremum { octave: index, ..e });
                }
            }
        }
    }
}

/// Whether `v` is the largest (positive) or smallest (negative) of its 26 neighbours.
fn is_extremum(dog: &[Plane], level: usize, x: usize, y: usize, v: f32) -> bool {
    let sign = v.signum();
    let v = v.abs();
    for plane in [&dog[level], &dog[level - 1], &dog[level + 1]] {
        for yy in y - 1..=y + 1 {
            let n = &plane.row(yy)[x - 1..=x + 1];
            if sign * n[0] > v || sign * n[1] > v || sign * n[2] > v {
                return false;
            }
        }
    }
    true
}

/// Gradient and Hessian of the difference of Gaussians by central differences, in (x, y, level).
fn derivatives(dog: &[Plane], l: usize, x: usize, y: usize) -> (Vector3<f32>, Matrix3<f32>) {
    let (below, here, above) = (&dog[l - 1], &dog[l], &dog[l + 1]);
    let v = here.at(x, y);
    let g = Vector3::new(
        0.5 * (here.at(x + 1, y) - here.at(x - 1, y)),
        0.5 * (here.at(x, y + 1) - here.at(x, y - 1)),
        0.5 * (above.at(x, y) - below.at(x, y)),
    );
    let xx = here.at(x + 1, y) + here.at(x - 1, y) - 2.0 * v;
    let yy = here.at(x, y + 1) + here.at(x, y - 1) - 2.0 * v;
    let ss = above.at(x, y) + below.at(x, y) - 2.0 * v;
    let corner = |p: &Plane, dx: usize, dy: usize| p.at(x + dx - 1, y + dy - 1);
    let xy = 0.25 * (corner(here, 2, 2) + corner(here, 0, 0) - corner(here, 0, 2) - corner(here, 2, 0));
    let xs = 0.25 * (corner(above, 2, 1) + corner(below, 0, 1) - corner(above, 0, 1) - corner(below, 2, 1));
    let ys = 0.25 * (corner(above, 1, 2) + corner(below, 1, 0) - corner(above, 1, 0) - corner(below, 1, 2));
    (g, Matrix3::new(xx, xy, xs, xy, yy, ys, xs, ys, ss))
}

/// Sub-pixel position by a quadratic fit, and the tests of contrast and edges (Lowe, section 4).
fn refine(dog: &[Plane], level: usize, x: usize, y: usize) -> Option<Extremum> {
    let (mut x, mut y, mut l) = (x, y, level);
    let (w, h) = (dog[0].width, dog[0].height);
    for _ in 0..5 {
        let (g, hessian) = derivatives(dog, l, x, y);
        let step = -(hessian.try_inverse()? * g);
        if !step.iter().all(|s| s.is_finite() && s.abs() < 1e3) {
            return None;
        }
        if step.abs().max() > 0.6 {
            let moved = |v: usize, s: f32, lo: usize, hi: usize| {
                let to = v as i64 + if s > 0.6 { 1 } else { -i64::from(s < -0.6) };
                (to >= lo as i64 && to <= hi as i64).then_some(to as usize)
            };
            x = moved(x, step.x, BORDER, w - BORDER - 1)?;
            y = moved(y, step.y, BORDER, h - BORDER - 1)?;
            l = moved(l, step.z, 1, INTERVALS)?;
            continue;
        }
        let response = (dog[l].at(x, y) + 0.5 * g.dot(&step)).abs();
        let (trace, det) = (hessian.m11 + hessian.m22, hessian.m11 * hessian.m22 - hessian.m12 * hessian.m12);
        let sharp = det > 0.0 && trace * trace * EDGE_RATIO < (EDGE_RATIO + 1.0).powi(2) * det;
        return (response > FAINT * CONTRAST && sharp).then(|| Extremum {
            octave: 0,
            x: x as f32 + step.x,
            y: y as f32 + step.y,
            level: l as f32 + step.z,
            response,
        });
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    /// Dark discs on a light ground, drawn with 4 x 4 samples a pixel.
    fn discs(centres: &[(f64, f64, f64)], w: u32, h: u32) -> RgbImage {
        RgbImage::from_fn(w, h, |px, py| {
            let mut sum = 0.0;
            for k in 0..16 {
                let (x, y) =
                    (f64::from(px) + (f64::from(k % 4) + 0.5) / 4.0, f64::from(py) + (f64::from(k / 4) + 0.5) / 4.0);
                let dark = centres.iter().any(|(cx, cy, r)| (x - cx).powi(2) + (y - cy).powi(2) < r * r);
                sum += if dark { 40.0 } else { 220.0 };
            }
            Rgb([(sum / 16.0) as u8; 3])
        })
    }

    #[test]
    fn discs_are_found_at_their_centres_in_pixel_coordinates() {
        for (w, h) in [(160, 120), (1200, 140)] {
            let centres = [(40.25, 50.5, 5.0), (100.0, 60.75, 7.0), (70.6, 90.3, 4.0)];
            let features = detect(&discs(&centres, w, h));
            for (cx, cy, _) in centres {
                let near = features.points.iter().map(|p| (p[0] - cx).hypot(p[1] - cy)).fold(f64::INFINITY, f64::min);
                assert!(near < 0.12, "a disc at ({cx}, {cy}) is missed by {near} px");
            }
        }
    }

    #[test]
    fn a_white_photo_has_no_features() {
        assert!(detect(&RgbImage::from_pixel(200, 100, Rgb([255; 3]))).points.is_empty());
        assert!(detect(&RgbImage::from_pixel(3, 2, Rgb([9; 3]))).points.is_empty());
    }
}
