//! How the 3D view shows splats: what of them, and as what.

use serde::{Deserialize, Serialize};

/// What a pixel of the 3D view says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Mode {
    /// Colours as in the photos.
    #[default]
    Color,
    /// How far the splats are along the optical axis.
    Depth,
    /// Where surfaces face, in the world.
    Normals,
    /// How much light the splats absorb.
    Opacity,
}

impl Mode {
    /// In the order in which the key goes through them.
    pub(super) const ALL: [Self; 4] = [Self::Color, Self::Depth, Self::Normals, Self::Opacity];

    /// Its name in the toolbar.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Color => "Colour",
            Self::Depth => "Depth",
            Self::Normals => "Normals",
            Self::Opacity => "Opacity",
        }
    }

    /// The one after it; after the last the first.
    pub(super) fn next(self) -> Self {
        Self::ALL[(self as usize + 1) % Self::ALL.len()]
    }
}

/// An axis-aligned box of the world, scene units: splats with their centre outside are not drawn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Crop {
    /// Lower corner.
    pub min: [f32; 3],
    /// Upper corner.
    pub max: [f32; 3],
}

impl Crop {
    /// Whether a point is inside; one that is not a number never is.
    fn holds(&self, p: &[f32; 3]) -> bool {
        (0..3).all(|k| p[k] >= self.min[k] && p[k] <= self.max[k])
    }
}

/// How the 3D view shows splats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Look {
    /// As what.
    pub mode: Mode,
    /// The part of the world that is shown; all of it otherwise.
    pub crop: Option<Crop>,
    /// Splats of less opacity than this are hidden: floaters.
    pub least_opacity: f32,
}

impl Look {
    /// Whether a splat with this centre and opacity is drawn.
    pub(super) fn shows(&self, center: &[f32; 3], opacity: f32) -> bool {
        opacity >= self.least_opacity && self.crop.is_none_or(|c| c.holds(center))
    }

    /// Whether anything is hidden.
    pub(super) fn hides(&self) -> bool {
        self.crop.is_some() || self.least_opacity > 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_goes_round_all_modes() {
        let mut seen = vec![Mode::default()];
        while seen.len() < 4 {
            seen.push(seen[seen.len() - 1].next());
        }
        assert_eq!(seen, Mode::ALL);
        assert_eq!(seen[3].next(), Mode::Color);
    }

    #[test]
    fn hides_what_is_outside_faint_or_no_number() {
        let look =
            Look { crop: Some(Crop { min: [-1.0; 3], max: [1.0, 2.0, 3.0] }), least_opacity: 0.2, ..Look::default() };
        assert!(look.shows(&[1.0, 2.0, 3.0], 0.2) && look.hides());
        assert!(!look.shows(&[1.01, 0.0, 0.0], 0.9) && !look.shows(&[0.0, -1.01, 0.0], 0.9));
        assert!(!look.shows(&[0.0; 3], 0.19));
        assert!(!look.shows(&[f32::NAN, 0.0, 0.0], 0.9) && !look.shows(&[0.0; 3], f32::NAN));
        assert!(Look::default().shows(&[1e9; 3], 0.0) && !Look::default().hides());
    }
}
