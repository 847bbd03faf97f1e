//! Depth maps.

/// Depth along the optical axis, row-major, in scene units; 0 = unknown.
#[derive(Clone, Debug, PartialEq)]
pub struct DepthMap {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// `width * height` depths, row-major; 0 = unknown, never NaN or negative.
    pub data: Vec<f32>,
}

impl DepthMap {
    /// A map with nothing known.
    pub fn unknown(width: u32, height: u32) -> Self {
        Self { width, height, data: vec![0.0; width as usize * height as usize] }
    }

    /// Depth at a pixel; 0 outside the map.
    pub fn at(&self, x: i64, y: i64) -> f32 {
        if x < 0 || y < 0 || x >= i64::from(self.width) || y >= i64::from(self.height) {
            return 0.0;
        }
        self.data[y as usize * self.width as usize + x as usize]
    }

    /// Share of pixels whose depth is known, 0..1.
    pub fn coverage(&self) -> f32 {
        self.data.iter().filter(|d| **d > 0.0).count() as f32 / self.data.len().max(1) as f32
    }
}
