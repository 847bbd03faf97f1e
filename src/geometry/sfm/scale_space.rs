//! Gaussian scale space of a grey image: D. Lowe, "Distinctive image features from scale-invariant keypoints", IJCV 2004,
//! section 3.

use image::RgbImage;

/// Scales per octave at which extrema are sought.
pub(super) const INTERVALS: usize = 3;
/// Blur of the first image of each octave, in its own pixels.
pub(super) const BASE_SIGMA: f32 = 1.6;
/// Blur that a photo is taken to have.
const CAMERA_SIGMA: f32 = 0.5;
/// Octaves stop at this side length.
const MIN_SIDE: usize = 24;

/// One float per pixel, row by row.
#[derive(Clone)]
pub(super) struct Plane {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) data: Vec<f32>,
}

impl Plane {
    pub(super) fn zeros(width: usize, height: usize) -> Self {
        Self { width, height, data: vec![0.0; width * height] }
    }

    pub(super) fn row(&self, y: usize) -> &[f32] {
        &self.data[y * self.width..(y + 1) * self.width]
    }

    pub(super) fn at(&self, x: usize, y: usize) -> f32 {
        self.data[y * self.width + x]
    }

    /// Luma (Rec. 601) in 0..1.
    pub(super) fn grey(image: &RgbImage) -> Self {
        let data = image
            .as_raw()
            .chunks_exact(3)
            .map(|p| (0.299 * f32::from(p[0]) + 0.587 * f32::from(p[1]) + 0.114 * f32::from(p[2])) / 255.0)
            .collect();
        Self { width: image.width() as usize, height: image.height() as usize, data }
    }

    /// Twice the size, linear; pixel `u` of the result is centred at `(u + 0.5) / 2` of this one.
    fn doubled(&self) -> Self {
        let mut rows = Self::zeros(self.width * 2, self.height);
        for y in 0..self.height {
            let src = self.row(y);
            let dst = &mut rows.data[y * self.width * 2..(y + 1) * self.width * 2];
            for (x, pair) in dst.chunks_exact_mut(2).enumerate() {
                let (left, right) = (src[x.saturating_sub(1)], src[(x + 1).min(self.width - 1)]);
                pair[0] = 0.75 * src[x] + 0.25 * left;
                pair[1] = 0.75 * src[x] + 0.25 * right;
            }
        }
        let width = rows.width;
        let mut out = Self::zeros(width, self.height * 2);
        for (y, dst) in out.data.chunks_exact_mut(width).enumerate() {
            let near = rows.row(y / 2);
            let other = if y % 2 == 0 { (y / 2).saturating_sub(1) } else { (y / 2 + 1).min(self.height - 1) };
            for ((d, n), o) in dst.iter_mut().zip(near).zip(rows.row(other)) {
                *d = 0.75 * n + 0.25 * o;
            }
        }
        out
    }

    /// Half the size, means of four; pixel `u` of the result is centred at `2 u + 1` of this one.
    pub(super) fn shrunk(&self) -> Self {
        let (width, height) = (self.width / 2, self.height / 2);
        let mut data = Vec::with_capacity(width * height);
        for y in 0..height {
            let rows = self.row(2 * y).chunks_exact(2).zip(self.row(2 * y + 1).chunks_exact(2));
            data.extend(rows.map(|(a, b)| 0.25 * (a[0] + a[1] + b[0] + b[1])));
        }
        Self { width, height, data }
    }

    /// Every second pixel of every second row.
    fn halved(&self) -> Self {
        let (width, height) = (self.width / 2, self.height / 2);
        let mut data = Vec::with_capacity(width * height);
        for y in 0..height {
            data.extend(self.row(2 * y).iter().step_by(2).take(width));
        }
        Self { width, height, data }
    }

    /// Convolved with a Gaussian; edges are extended.
    pub(super) fn blurred(&self, sigma: f32) -> Self {
        let radius = (3.5 * sigma).ceil().max(1.0) as usize;
        let weights: Vec<f32> = (0..=radius).map(|i| (-0.5 * (i as f32 / sigma).powi(2)).exp()).collect();
        let total = weights[0] + 2.0 * weights[1..].iter().sum::<f32>();
        let weights: Vec<f32> = weights.iter().map(|w| w / total).collect();
        let mut across = Self::zeros(self.width, self.height);
        let mut padded = vec![0.0f32; self.width + 2 * radius];
        for (y, dst) in across.data.chunks_exact_mut(self.width).enumerate() {
            let src = self.row(y);
            padded[..radius].fill(src[0]);
            padded[radius..radius + self.width].copy_from_slice(src);
            padded[radius + self.width..].fill(src[self.width - 1]);
            add_scaled(dst, &padded[radius..], weights[0]);
            for (k, w) in weights.iter().enumerate().skip(1) {
                add_pair(dst, &padded[radius - k..], &padded[radius + k..], *w);
            }
        }
        let mut out = Self::zeros(self.width, self.height);
        for (y, dst) in out.data.chunks_exact_mut(self.width).enumerate() {
            add_scaled(dst, across.row(y), weights[0]);
            for (k, w) in weights.iter().enumerate().skip(1) {
                add_pair(dst, across.row(y.saturating_sub(k)), across.row((y + k).min(self.height - 1)), *w);
            }
        }
        out
    }
}

fn add_scaled(dst: &mut [f32], a: &[f32], w: f32) {
    for (d, v) in dst.iter_mut().zip(a) {
        *d += w * v;
    }
}

fn add_pair(dst: &mut [f32], a: &[f32], b: &[f32], w: f32) {
    for ((d, v), u) in dst.iter_mut().zip(a).zip(b) {
        *d += w * (v + u);
    }
}

/// Blur of image `level` of an octave, in the octave's pixels.
pub(super) fn level_sigma(level: f32) -> f32 {
    BASE_SIGMA * (level / INTERVALS as f32).exp2()
}

/// One octave: `INTERVALS + 3` images of one size, and how its pixel indices map to the photo's coordinates.
pub(super) struct Octave {
    pub(super) levels: Vec<Plane>,
    /// Pixels of the base image per pixel of this octave.
    step: f32,
    /// Pixels of the base image per pixel of the photo.
    base: f32,
}

impl Octave {
    /// Photo coordinate (pixel centres at +0.5) of the sub-pixel index `index`.
    pub(super) fn to_photo(&self, index: f32) -> f32 {
        (index * self.step + 0.5) / self.base
    }

    /// Pixels of the photo per pixel of this octave.
    pub(super) fn scale(&self) -> f32 {
        self.step / self.base
    }

    fn new(first: Plane, step: f32, base: f32) -> Self {
        let mut levels = vec![first];
        for level in 1..INTERVALS + 3 {
            let (from, to) = (level_sigma(level as f32 - 1.0), level_sigma(level as f32));
            let next = levels[level - 1].blurred((to * to - from * from).sqrt());
            levels.push(next);
        }
        Self { levels, step, base }
    }
}

/// Hands each octave of the photo's scale space to `visit`, finest first. The photo is doubled first where `double`.
pub(super) fn for_each_octave(photo: Plane, double: bool, mut visit: impl FnMut(&Octave)) {
    let (base, image) = if double { (2.0, photo.doubled()) } else { (1.0, photo) };
    let has = CAMERA_SIGMA * base;
    let mut first = image.blurred((BASE_SIGMA * BASE_SIGMA - has * has).sqrt());
    let mut step = 1.0;
    while first.width.min(first.height) >= MIN_SIDE {
        let octave = Octave::new(first, step, base);
        visit(&octave);
        first = octave.levels[INTERVALS].halved();
        step *= 2.0;
    }
}
