//! Photos as models take them: planes of floats, channels first.

use super::resample::{Filter, resized};
use image::RgbImage;

/// Mean of ImageNet's photos, red, green, blue, for values in 0..1.
pub const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
/// Standard deviation of the same.
pub const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];

/// A picture: one plane or three (red, green, blue), each row-major, values 0..1 unless normalised.
#[derive(Clone, Debug, PartialEq)]
pub struct Planes {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// The planes, one after the other.
    pub data: Vec<f32>,
}

impl Planes {
    /// Red, green and blue of a photo, divided by 255.
    pub fn rgb(image: &RgbImage) -> Self {
        let (width, height) = (image.width() as usize, image.height() as usize);
        let mut data = Vec::with_capacity(3 * width * height);
        for channel in 0..3 {
            data.extend(image.pixels().map(|p| f32::from(p[channel]) / 255.0));
        }
        Self { width, height, data }
    }

    /// Grey by the weights of ITU-R BT.601 (0.299, 0.587, 0.114), divided by 255.
    pub fn grey(image: &RgbImage) -> Self {
        let weigh =
            |p: &image::Rgb<u8>| (0.299 * f32::from(p[0]) + 0.587 * f32::from(p[1]) + 0.114 * f32::from(p[2])) / 255.0;
        Self {
            width: image.width() as usize,
            height: image.height() as usize,
            data: image.pixels().map(weigh).collect(),
        }
    }

    fn pixels(&self) -> usize {
        (self.width * self.height).max(1)
    }

    /// Number of planes.
    pub fn channels(&self) -> usize {
        self.data.len() / self.pixels()
    }

    /// At another size.
    pub fn resized(&self, width: usize, height: usize, filter: Filter) -> Self {
        if (width, height) == (self.width, self.height) {
            return self.clone();
        }
        let planes = self.data.chunks_exact(self.pixels());
        let data = planes.flat_map(|p| resized(p, (self.width, self.height), (width, height), filter)).collect();
        Self { width, height, data }
    }

    /// Rounded to the 256 values of a byte, as where a reference resizes bytes.
    pub fn in_bytes(mut self) -> Self {
        self.data.iter_mut().for_each(|v| *v = (*v * 255.0).round().clamp(0.0, 255.0) / 255.0);
        self
    }

    /// Each plane less its mean, divided by its deviation.
    pub fn normalised(mut self, mean: [f32; 3], std: [f32; 3]) -> Self {
        let pixels = self.pixels();
        for (k, plane) in self.data.chunks_exact_mut(pixels).enumerate().take(3) {
            plane.iter_mut().for_each(|v| *v = (*v - mean[k]) / std[k]);
        }
        self
    }

    /// On a canvas of another size, the picture's corner at `(x, y)`, `fill` around it. The canvas must hold it.
    pub fn padded(&self, (width, height): (usize, usize), (x, y): (usize, usize), fill: f32) -> Self {
        let mut data = vec![fill; self.channels() * width * height];
        for (k, row) in self.data.chunks_exact(self.width.max(1)).enumerate() {
            let (channel, line) = (k / self.height, k % self.height);
            let at = (channel * height + y + line) * width + x;
            data[at..at + self.width].copy_from_slice(row);
        }
        Self { width, height, data }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    #[test]
    fn channels_come_first_and_are_normalised_each_by_its_own() {
        let image = RgbImage::from_fn(2, 1, |x, _| Rgb([255, 51, if x == 0 { 0 } else { 102 }]));
        let planes = Planes::rgb(&image);
        assert_eq!(planes.data, [1.0, 1.0, 0.2, 0.2, 0.0, 0.4]);
        let n = planes.normalised(IMAGENET_MEAN, IMAGENET_STD);
        let want = [(1.0 - 0.485) / 0.229, (0.2 - 0.456) / 0.224, (0.0 - 0.406) / 0.225, (0.4 - 0.406) / 0.225];
        for (got, want) in [n.data[0], n.data[2], n.data[4], n.data[5]].iter().zip(want) {
            assert!((got - want).abs() < 1e-6);
        }
        let grey = Planes::grey(&RgbImage::from_pixel(1, 1, Rgb([100, 200, 50])));
        assert!((grey.data[0] - (29.9 + 117.4 + 5.7) / 255.0).abs() < 1e-6);
    }

    #[test]
    fn a_picture_is_put_on_a_canvas() {
        let planes = Planes { width: 2, height: 1, data: vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0] };
        let padded = planes.padded((3, 2), (1, 1), 9.0);
        assert_eq!(padded.data, [9., 9., 9., 9., 1., 2., 9., 9., 9., 9., 3., 4., 9., 9., 9., 9., 5., 6.]);
    }
}
