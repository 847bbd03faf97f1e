//! The picture of sorted splats drawn by the CPU, for machines without a GPU: the formulas of `splat.vert` and
//! `splat.frag`, in bands of rows, nearest splat first, so that what is hidden costs next to nothing.

use super::sorter::{Sorted, View};
use crate::app::look::Mode;
use rayon::prelude::*;
use std::time::Instant;

/// Seconds that a picture may take while the camera moves.
const QUICK: f32 = 0.06;
/// Least size of a picture while the camera moves, as a share of the panel's.
const LEAST_SCALE: f32 = 0.3;
/// Rows of a band.
const BAND: usize = 16;
/// Pixels that are worked on together.
const LANES: usize = 8;
/// Less opacity than this changes no byte.
const LEAST_ALPHA: f32 = 1.0 / 255.0;

/// A picture: colours times opacity over the background, and opacity.
pub(super) struct Image {
    /// Width and height, pixels.
    pub size: [u32; 2],
    /// Row-major, the upper left one first.
    pub pixels: Vec<[u8; 4]>,
    /// Its size as a share of the panel's.
    pub scale: f32,
}

/// How large pictures are drawn while the camera moves: learned from what they cost.
pub(super) struct Pace {
    scale: f32,
}

impl Default for Pace {
    fn default() -> Self {
        Self { scale: 0.5 }
    }
}

impl Pace {
    /// Draws a view: at full size unless the camera moves.
    pub(super) fn draw(&mut self, sorted: &Sorted, view: &View) -> Image {
        let start = Instant::now();
        let scale = if view.moving { self.scale } else { 1.0 };
        let image = draw(sorted, view, scale);
        if view.moving {
            self.learn(start.elapsed().as_secs_f32());
        }
        image
    }

    /// A cost grows a little slower than the number of pixels: half a step towards the right size.
    fn learn(&mut self, seconds: f32) {
        let factor = (QUICK / seconds.max(1e-4)).sqrt().clamp(0.5, 1.5);
        let wanted = self.scale * (1.0 + 0.5 * (factor - 1.0));
        self.scale = if wanted > 0.95 { 1.0 } else { wanted.max(LEAST_SCALE) };
    }
}

/// A splat in the picture.
struct Flat {
    /// Centre, pixels.
    x: f32,
    y: f32,
    /// Inverse of its covariance xx xy yy, per square pixel.
    conic: [f32; 3],
    /// Squared distance in standard deviations at which it ends.
    reach2: f32,
    /// Binary logarithm of its opacity.
    log_opacity: f32,
    color: [f32; 3],
}

/// The camera in pixels of the picture.
struct Lens {
    /// World-to-camera: rotation by rows, and translation.
    rows: [[f32; 3]; 3],
    shift: [f32; 3],
    f: [f32; 2],
    c: [f32; 2],
    size: [f32; 2],
    near: f32,
    blur: f32,
    antialiased: bool,
}

impl Lens {
    fn new(sorted: &Sorted, view: &View, size: [u32; 2], scale: f32) -> Self {
        let w2c = view.camera.w2c();
        let m = w2c.rotation.to_rotation_matrix();
        let i = &view.camera.intrinsics;
        let cloud = &sorted.packed.cloud;
        Self {
            rows: std::array::from_fn(|r| std::array::from_fn(|c| m[(r, c)] as f32)),
            shift: w2c.translation.vector.cast::<f32>().into(),
            f: [i.fx, i.fy].map(|v| v as f32 * scale),
            c: [i.cx, i.cy].map(|v| v as f32 * scale),
            size: size.map(|v| v as f32),
            near: view.near,
            blur: cloud.blur(),
            antialiased: cloud.antialiased(),
        }
    }

    /// Projects a splat (EWA splatting, Zwicker et al. 2002, eq. 31), and the first and the last row that it may touch;
    /// `None` for one that cannot be seen.
    fn flatten(&self, [mean, ca, cb]: &[[f32; 4]; 3], color: [u8; 4]) -> Option<(Flat, [i16; 2])> {
        let p: [f32; 3] = std::array::from_fn(|k| dot(&self.rows[k], &[mean[0], mean[1], mean[2]]) + self.shift[k]);
        if !(p[2] >= self.near && mean[3] > LEAST_ALPHA) {
            return None;
        }
        let limit: [f32; 2] = std::array::from_fn(|k| 0.65 * self.size[k] / self.f[k]);
        let axis = |k: usize| -> [f32; 3] {
            let t = (p[k] / p[2]).clamp(-limit[k], limit[k]);
            std::array::from_fn(|i| (self.rows[k][i] - self.rows[2][i] * t) * (self.f[k] / p[2]))
        };
        let (u, v) = (axis(0), axis(1));
        let times = |u: &[f32; 3]| {
            [dot(&[ca[0], ca[1], ca[2]], u), dot(&[ca[1], ca[3], cb[0]], u), dot(&[ca[2], cb[0], cb[1]], u)]
        };
        let (cu, cv) = (times(&u), times(&v));
        let (a, b, c) = (dot(&u, &cu), dot(&v, &cu), dot(&v, &cv));
        let opacity = mean[3] * if self.antialiased { thinned(a, b, c, self.blur) } else { 1.0 };
        let (a, c) = (a + self.blur, c + self.blur);
        let (det, reach2) = (a * c - b * b, 2.0 * (opacity / LEAST_ALPHA).ln());
        let (x, y) = (self.f[0] * p[0] / p[2] + self.c[0], self.f[1] * p[1] / p[2] + self.c[1]);
        let (rx, ry) = ((reach2 * a).sqrt(), (reach2 * c).sqrt());
        let seen = det > 0.0 && x + rx > 0.0 && x - rx < self.size[0] && y + ry > 0.0 && y - ry < self.size[1];
        // Not a number is never seen.
        if !(seen && reach2 > 0.0) {
            return None;
        }
        let rows = [(y - ry - 0.5).ceil().max(0.0) as i16, (y + ry - 0.5).floor().min(self.size[1] - 1.0) as i16];
        let conic = [c / det, -b / det, a / det];
        let color = [color[0], color[1], color[2]].map(f32::from);
        (rows[0] <= rows[1]).then_some((Flat { x, y, conic, reach2, log_opacity: opacity.log2(), color }, rows))
    }
}

/// What is left of the opacity of a splat that the blur widens (Mip-Splatting, Yu et al. 2024, eq. 8), for its image
/// covariance `[a b; b c]` before the blur.
fn thinned(a: f32, b: f32, c: f32, blur: f32) -> f32 {
    let wide = (a + blur) * (c + blur) - b * b;
    ((a * c - b * b) / wide).max(0.000_025).sqrt()
}

fn draw(sorted: &Sorted, view: &View, scale: f32) -> Image {
    let scale_px = view.scale * scale;
    let i = &view.camera.intrinsics;
    let size = [i.width, i.height].map(|v| ((v as f32 * scale_px).round() as u32).clamp(1, 16_384));
    let lens = Lens::new(sorted, view, size, scale_px);
    let texels = &sorted.packed.texels;
    // The nearest first: the order the other way round.
    let (flats, rows): (Vec<Flat>, Vec<[i16; 2]>) = sorted
        .order
        .par_iter()
        .zip(&sorted.colors)
        .rev()
        .filter_map(|(i, color)| lens.flatten(texels[*i as usize * 3..].first_chunk()?, *color))
        .unzip();
    // What is no colour is brought over the background when it is shown.
    let over = if sorted.look.mode == Mode::Color { view.background } else { [0.0; 3] };
    let background = over.map(|c| c * 255.0);
    let (w, h) = (size[0] as usize, size[1] as usize);
    let mut pixels = vec![[0; 4]; w * h];
    pixels.par_chunks_mut(BAND * w).enumerate().for_each(|(k, out)| {
        let mut band = Band::new(w, k * BAND, out.len() / w);
        band.blend(&flats, &rows);
        band.write(out, background);
    });
    Image { size, pixels, scale }
}

/// Some rows of the picture as it is drawn.
struct Band {
    top: usize,
    rows: usize,
    /// Groups of [`LANES`] pixels in a row.
    groups: usize,
    /// What the light of each group has still to go through, and red, green and blue so far.
    light: Vec<[f32; LANES]>,
    color: Vec<[[f32; LANES]; 3]>,
    /// Groups that some light still gets through.
    open: Vec<bool>,
    left: usize,
}

impl Band {
    fn new(width: usize, top: usize, rows: usize) -> Self {
        let groups = width.div_ceil(LANES);
        let n = groups * rows;
        let color = vec![[[0.0; LANES]; 3]; n];
        Self { top, rows, groups, light: vec![[1.0; LANES]; n], color, open: vec![true; n], left: n }
    }

    fn blend(&mut self, flats: &[Flat], rows: &[[i16; 2]]) {
        let (top, bottom) = (self.top as i16, (self.top + self.rows - 1) as i16);
        for (flat, [first, last]) in flats.iter().zip(rows) {
            if *first > bottom || *last < top {
                continue;
            }
            for y in *first.max(&top)..=*last.min(&bottom) {
                self.row(flat, y as usize);
            }
            if self.left == 0 {
                return;
            }
        }
    }

    /// Blends what of a splat is in a row of the picture.
    fn row(&mut self, flat: &Flat, y: usize) {
        let [ca, cb, cc] = flat.conic;
        let dy = y as f32 + 0.5 - flat.y;
        let disc = cb * cb * dy * dy - ca * (cc * dy * dy - flat.reach2);
        if !(disc > 0.0) {
            return;
        }
        let (middle, half) = (flat.x - cb * dy / ca, disc.sqrt() / ca);
        let right = (middle + half - 0.5).floor();
        let left = (middle - half - 0.5).ceil().max(0.0);
        if right < left {
            return;
        }
        let start = (y - self.top) * self.groups;
        let last = (right as usize / LANES).min(self.groups - 1);
        for group in left as usize / LANES..=last {
            if !self.open[start + group] {
                continue;
            }
            let (light, color) = (&mut self.light[start + group], &mut self.color[start + group]);
            let x0 = (group * LANES) as f32 + 0.5 - flat.x;
            if !blend_group(flat, x0, dy, light, color) {
                self.open[start + group] = false;
                self.left -= 1;
            }
        }
    }

    fn write(&self, out: &mut [[u8; 4]], background: [f32; 3]) {
        let width = out.len() / self.rows;
        for (y, line) in out.chunks_mut(width).enumerate() {
            for (x, pixel) in line.iter_mut().enumerate() {
                let (group, lane) = (y * self.groups + x / LANES, x % LANES);
                let light = self.light[group][lane];
                let mix = |c: usize| (self.color[group][c][lane] + background[c] * light + 0.5) as u8;
                *pixel = [mix(0), mix(1), mix(2), ((1.0 - light) * 255.0 + 0.5) as u8];
            }
        }
    }
}

/// Blends a splat into a group of pixels whose first is `x0` right of its centre; whether light still gets through.
#[inline]
fn blend_group(flat: &Flat, x0: f32, dy: f32, light: &mut [f32; LANES], color: &mut [[f32; LANES]; 3]) -> bool {
    let [ca, cb, cc] = flat.conic;
    let mut weight = [0.0; LANES];
    for k in 0..LANES {
        let dx = x0 + k as f32;
        let q = ca * dx * dx + 2.0 * cb * dx * dy + cc * dy * dy;
        let alpha = exp2(flat.log_opacity - 0.5 * std::f32::consts::LOG2_E * q).min(0.99);
        weight[k] = if alpha >= LEAST_ALPHA { alpha * light[k] } else { 0.0 };
    }
    let mut open = false;
    for k in 0..LANES {
        light[k] -= weight[k];
        open |= light[k] > 0.5 * LEAST_ALPHA;
    }
    for c in 0..3 {
        for k in 0..LANES {
            color[c][k] += weight[k] * flat.color[c];
        }
    }
    open
}

/// 2^x for x of -100 to 100 (less counts as -100), right to 1 in 10,000: rounding by a large number splits off the whole part, and a
/// polynomial (the series of exp, degree 4) does the rest.
#[inline]
fn exp2(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23: the unit in its last place is 1
    let shifted = x.max(-100.0) + ROUND;
    let t = (x.max(-100.0) - (shifted - ROUND)) * std::f32::consts::LN_2;
    let series = 1.0 + t * (1.0 + t * (0.5 + t * (1.0 / 6.0 + t * (1.0 / 24.0))));
    f32::from_bits(series.to_bits().wrapping_add(shifted.to_bits() << 23))
}

fn dot(a: &[f32; 3], b: &[f32; 3]) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

#[cfg(test)]
mod tests {
    use super::super::cloud::Cloud;
    use super::super::sorter::tests::sorted;
    use super::*;
    use crate::app::look::Look;
    use crate::scene::{Camera, Gaussians, Intrinsics, SH_C0};
    use crate::splat;
    use nalgebra::{Isometry3, Vector3};
    use std::sync::Arc;

    fn view(cloud: Gaussians, w: u32, h: u32) -> View {
        let (f, [cx, cy]) = (f64::from(h), [w, h].map(|x| f64::from(x) * 0.5));
        let intrinsics = Intrinsics { width: w, height: h, fx: f, fy: f, cx, cy };
        View {
            cloud: Cloud::Splats(Arc::new(cloud)),
            look: Look::default(),
            camera: Camera { intrinsics, c2w: Isometry3::identity() },
            near: 0.01,
            background: [0.0; 3],
            scale: 1.0,
            moving: false,
        }
    }

    /// One round splat at depth 2 of size `sigma`, white, half opaque.
    fn one(sigma: f32) -> Gaussians {
        Gaussians {
            means: vec![[0.0, 0.0, 2.0]],
            log_scales: vec![[sigma.ln(); 3]],
            quats: vec![[1.0, 0.0, 0.0, 0.0]],
            opacity_logits: vec![0.0],
            sh_degree: 0,
            sh: vec![[0.5 / SH_C0; 3]],
            antialiased: false,
        }
    }

    #[test]
    fn a_round_splat_is_a_bell() {
        let v = view(one(0.1), 61, 41);
        let image = draw(&sorted(&v), &v, 1.0);
        // 41 pixels high at a focal length of 41: 20.5 pixels a unit at depth 2.
        let variance = (20.5f32 * 0.1).powi(2) + 0.3;
        for (x, y) in [(30, 20), (31, 20), (30, 17), (33, 23), (60, 40)] {
            let (dx, dy) = (x as f32 - 30.0, y as f32 - 20.0);
            let alpha = 0.5 * (-0.5 * (dx * dx + dy * dy) / variance).exp();
            let wanted = if alpha < 1.0 / 255.0 { 0.0 } else { alpha * 255.0 };
            let [r, .., a] = image.pixels[y * 61 + x];
            assert!((f32::from(r) - wanted).abs() < 0.7 && r == a, "{r} {wanted}");
        }
    }

    #[test]
    fn a_splat_under_a_pixel_keeps_its_light_where_it_is_antialiased() {
        // A tenth of a pixel wide: variance 0.01 grows to 0.31, so that opacity falls by 0.01 / 0.31.
        let sigma = 0.1 / 20.5;
        let mut v = view(Gaussians { antialiased: true, opacity_logits: vec![9.0], ..one(sigma) }, 61, 41);
        let image = draw(&sorted(&v), &v, 1.0);
        let wanted = 255.0 * 0.01 / 0.31;
        assert!((f32::from(image.pixels[20 * 61 + 30][0]) - wanted).abs() < 0.8);
        assert!((thinned(0.01, 0.0, 0.01, 0.3) - 0.01 / 0.31).abs() < 1e-6);
        assert_eq!(thinned(0.0, 0.0, 0.0, 0.3), 0.005);
        v.cloud = Cloud::Splats(Arc::new(Gaussians { opacity_logits: vec![9.0], ..one(sigma) }));
        assert!(draw(&sorted(&v), &v, 1.0).pixels[20 * 61 + 30][0] > 250);
    }

    /// Splats of all shapes, turned all ways, some of them outside of the picture or behind the camera.
    fn many() -> Gaussians {
        let mut rng = fastrand::Rng::with_seed(3);
        let mut r = |low: f32, high: f32| low + (high - low) * rng.f32();
        let n = 1500;
        Gaussians {
            means: (0..n).map(|_| [r(-2.5, 2.5), r(-1.5, 1.5), r(-0.5, 4.0)]).collect(),
            log_scales: (0..n).map(|_| [r(-5.0, -1.5), r(-5.0, -1.5), r(-6.0, -3.0)]).collect(),
            quats: (0..n).map(|_| [r(-1.0, 1.0), r(-1.0, 1.0), r(-1.0, 1.0), r(-1.0, 1.0)]).collect(),
            opacity_logits: (0..n).map(|_| r(-3.0, 4.0)).collect(),
            sh_degree: 1,
            sh: (0..4 * n).map(|_| [r(-0.7, 0.7), r(-0.7, 0.7), r(-0.7, 0.7)]).collect(),
            antialiased: false,
        }
    }

    #[test]
    fn draws_what_the_trainer_draws() {
        let mut v = view(many(), 150, 100);
        v.camera.c2w = Isometry3::new(Vector3::new(0.1, -0.2, -0.6), Vector3::new(0.1, 0.2, 0.3));
        let Cloud::Splats(g) = &v.cloud else { return };
        let wanted = splat::render(g, &v.camera);
        let image = draw(&sorted(&v), &v, 1.0);
        let off = |(p, w): (&[u8; 4], &[f32; 3])| (0..3).map(|c| (f32::from(p[c]) - 255.0 * w[c]).abs()).sum::<f32>();
        let mean = image.pixels.iter().zip(&wanted.rgb).map(off).sum::<f32>() / (3 * 150 * 100) as f32;
        assert!(mean < 0.6, "{mean} of 255");
        let alpha = image.pixels.iter().zip(&wanted.alpha).map(|(p, a)| (f32::from(p[3]) - 255.0 * a).abs());
        assert!(alpha.sum::<f32>() / (150.0 * 100.0) < 0.6);
    }

    #[test]
    fn exp2_is_close() {
        for k in -1000..=100 {
            let x = 0.01 * k as f32;
            assert!((exp2(x) / x.exp2() - 1.0).abs() < 1e-4, "{x}");
        }
        assert!(exp2(-1e9) < 1e-20 && exp2(f32::NEG_INFINITY) < 1e-20);
    }

    #[test]
    fn moving_pictures_become_as_large_as_there_is_time_for() {
        let mut pace = Pace::default();
        for _ in 0..40 {
            pace.learn(0.4 * pace.scale * pace.scale);
        }
        assert!((pace.scale - (QUICK / 0.4).sqrt()).abs() < 0.03, "{}", pace.scale);
        for _ in 0..40 {
            pace.learn(0.01);
        }
        assert_eq!(pace.scale, 1.0);
        for _ in 0..40 {
            pace.learn(9.0);
        }
        assert_eq!(pace.scale, LEAST_SCALE);
    }
}
