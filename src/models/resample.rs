//! Resizing as the programs do it that models were trained with. Pixel centres are at +0.5 in all of them.

/// How to resize.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Between the two nearest pixels, whatever the scale: OpenCV's `INTER_LINEAR`, PyTorch's `bilinear` without
    /// antialiasing.
    Linear,
    /// The mean of the area that a pixel covers: OpenCV's `INTER_AREA`; for making smaller.
    Area,
    /// Cubic convolution with a = -0.75, whatever the scale: OpenCV's `INTER_CUBIC`.
    Cubic,
    /// Between the two nearest pixels, as wide as the output's pixels where it makes smaller: Pillow's `BILINEAR`, PyTorch's
    /// `bilinear` with antialiasing.
    Bilinear,
    /// Cubic convolution with a = -0.5, as wide as the output's pixels where it makes smaller: Pillow's `BICUBIC`.
    Bicubic,
}

/// Cubic convolution kernel (R. Keys, "Cubic convolution interpolation for digital image processing", 1981, eq. 15,
/// where a = -1/2).
fn keys(x: f64, a: f64) -> f64 {
    let x = x.abs();
    if x < 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        a * (((x - 5.0) * x + 8.0) * x - 4.0)
    } else {
        0.0
    }
}

/// What one output pixel is made of: the first input pixel, and weights from it on. They add up to 1.
struct Taps {
    first: usize,
    weights: Vec<f32>,
}

fn taps(from: usize, to: usize, filter: Filter) -> Vec<Taps> {
    let scale = from as f64 / to as f64;
    (0..to)
        .map(|i| match filter {
            Filter::Area if scale > 1.0 => area(i, scale, from),
            Filter::Linear | Filter::Area => nearby(i, scale, from, 1, |x| (1.0 - x.abs()).max(0.0)),
            Filter::Cubic => nearby(i, scale, from, 2, |x| keys(x, -0.75)),
            Filter::Bilinear => widened(i, scale, from, 1.0, |x| (1.0 - x.abs()).max(0.0)),
            Filter::Bicubic => widened(i, scale, from, 2.0, |x| keys(x, -0.5)),
        })
        .collect()
}

/// Share of each input pixel in the interval that output pixel `i` covers.
fn area(i: usize, scale: f64, from: usize) -> Taps {
    let (start, end) = (i as f64 * scale, ((i + 1) as f64 * scale).min(from as f64));
    let (first, last) = (start.floor() as usize, (end.ceil() as usize).min(from));
    let share = |x: usize| (end.min(x as f64 + 1.0) - start.max(x as f64)).max(0.0);
    scaled_to_one(first, (first..last).map(share).collect())
}

/// The `2 * reach` pixels around the position; beyond the border the outermost pixel is repeated.
fn nearby(i: usize, scale: f64, from: usize, reach: i64, kernel: impl Fn(f64) -> f64) -> Taps {
    let at = (i as f64 + 0.5) * scale - 0.5;
    let base = at.floor() as i64;
    let inside = |x: i64| x.clamp(0, from as i64 - 1) as usize;
    let (first, last) = (inside(base + 1 - reach), inside(base + reach));
    let mut weights = vec![0.0; last - first + 1];
    for x in base + 1 - reach..=base + reach {
        weights[inside(x) - first] += kernel(x as f64 - at);
    }
    Taps { first, weights: weights.into_iter().map(|w| w as f32).collect() }
}

/// All pixels that the kernel, stretched to the output's pixels, reaches; beyond the border there is nothing.
fn widened(i: usize, scale: f64, from: usize, reach: f64, kernel: impl Fn(f64) -> f64) -> Taps {
    let stretch = scale.max(1.0);
    let (centre, support) = ((i as f64 + 0.5) * scale, reach * stretch);
    let first = (centre - support + 0.5).max(0.0) as usize;
    let last = ((centre + support + 0.5) as usize).min(from);
    let weight = |x: usize| kernel((x as f64 + 0.5 - centre) / stretch);
    scaled_to_one(first, (first..last).map(weight).collect())
}

fn scaled_to_one(first: usize, weights: Vec<f64>) -> Taps {
    let sum: f64 = weights.iter().sum();
    Taps { first, weights: weights.into_iter().map(|w| (w / sum) as f32).collect() }
}

/// A plane of `size` (width, height), row-major, at size `to`.
pub(super) fn resized(plane: &[f32], size: (usize, usize), to: (usize, usize), filter: Filter) -> Vec<f32> {
    let ((w, h), (to_w, to_h)) = (size, to);
    let across = taps(w, to_w, filter);
    let mut wide = Vec::with_capacity(to_w * h);
    for row in plane.chunks_exact(w.max(1)) {
        wide.extend(across.iter().map(|t| t.weights.iter().zip(&row[t.first..]).map(|(a, b)| a * b).sum::<f32>()));
    }
    let mut out = vec![0.0f32; to_w * to_h];
    for (row, t) in out.chunks_exact_mut(to_w.max(1)).zip(taps(h, to_h, filter)) {
        for (k, weight) in t.weights.iter().enumerate() {
            let source = &wide[(t.first + k) * to_w..(t.first + k + 1) * to_w];
            row.iter_mut().zip(source).for_each(|(o, s)| *o += weight * s);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plane() -> Vec<f32> {
        (0..35).map(|k| (k % 7, k / 7)).map(|(x, y)| ((x * 37 + y * 59 + x * y * 7) % 256) as f32).collect()
    }

    fn close(got: &[f32], want: &[f64]) {
        assert_eq!(got.len(), want.len());
        for (g, w) in got.iter().zip(want) {
            assert!((f64::from(*g) - w).abs() < 2e-3, "{got:?} is not {want:?}");
        }
    }

    /// Values of `cv2.resize` (OpenCV 5.0.0) on the same floats.
    #[test]
    fn area_cubic_and_linear_are_those_of_opencv() {
        let area = resized(&plane(), (7, 5), (3, 2), Filter::Area);
        close(&area, &[77.6286, 138.4286, 133.4, 158.0857, 125.6286, 115.1143]);
        let cubic = resized(&plane(), (7, 5), (10, 8), Filter::Cubic);
        let first = [-8.4318, 11.0291, 41.6644, 64.6286, 89.6102, 116.117, 143.4522, 183.8633, 222.3093, 239.3439];
        let fourth = [93.2412, 116.3279, 173.9147, 225.1182, 114.4285, 62.2657, 110.1159, 73.4265, 101.07, 154.0874];
        close(&cubic[..10], &first);
        close(&cubic[30..40], &fourth);
        let smaller = resized(&plane(), (7, 5), (4, 5), Filter::Cubic);
        close(&smaller[4..8], &[71.9551, 154.3047, 246.0703, 37.1699]);
        let linear = resized(&plane(), (7, 5), (10, 8), Filter::Linear);
        let row = [99.5625, 126.4094, 160.5781, 194.7469, 114.5156, 87.0844, 117.2531, 95.4219, 109.5906, 136.4375];
        close(&linear[30..40], &row);
    }

    /// Values of `PIL.Image.resize` (Pillow 13.0.0) on the same floats.
    #[test]
    fn bilinear_and_bicubic_are_those_of_pillow() {
        let smaller = resized(&plane(), (7, 5), (3, 2), Filter::Bilinear);
        close(&smaller, &[94.2208, 132.8182, 129.026, 151.9091, 124.4332, 120.3766]);
        let larger = resized(&plane(), (7, 5), (10, 8), Filter::Bilinear);
        let row = [99.5625, 126.4094, 160.5781, 194.7469, 114.5156, 87.0844, 117.2531, 95.4219, 109.5906, 136.4375];
        close(&larger[30..40], &row);
        let smaller = resized(&plane(), (7, 5), (3, 2), Filter::Bicubic);
        close(&smaller, &[87.6485, 135.7481, 130.8813, 156.7155, 124.4068, 117.9301]);
        let larger = resized(&plane(), (7, 5), (10, 8), Filter::Bicubic);
        let row = [96.6059, 121.1994, 169.2283, 217.7422, 108.1793, 64.7151, 108.6774, 81.3997, 108.7757, 150.8517];
        close(&larger[30..40], &row);
    }

    #[test]
    fn the_same_size_is_the_same_picture() {
        for filter in [Filter::Linear, Filter::Area, Filter::Cubic, Filter::Bilinear, Filter::Bicubic] {
            close(
                &resized(&plane(), (7, 5), (7, 5), filter),
                &plane().iter().map(|v| f64::from(*v)).collect::<Vec<_>>(),
            );
        }
    }
}
