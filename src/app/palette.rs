//! Colour maps for numbers: light grows with the number, so that they can be read without colours too.

/// Inferno of matplotlib (Smith and van der Walt 2015, public domain), every 32nd colour of 256 and the last.
const INFERNO: [[u8; 3]; 9] = [
    [0, 0, 4],
    [31, 12, 72],
    [85, 15, 109],
    [136, 34, 106],
    [186, 54, 85],
    [227, 89, 51],
    [249, 140, 10],
    [249, 201, 50],
    [252, 255, 164],
];

/// Viridis of the same, likewise.
const VIRIDIS: [[u8; 3]; 9] = [
    [68, 1, 84],
    [71, 44, 122],
    [59, 81, 139],
    [44, 113, 142],
    [33, 144, 141],
    [39, 173, 129],
    [92, 200, 99],
    [170, 220, 50],
    [253, 231, 37],
];

/// Colour of an error, 0 (none, black) to 1, sRGB.
pub(super) fn inferno(x: f32) -> [u8; 3] {
    between(&INFERNO, x)
}

/// Colour of a depth, 0 (near, dark) to 1, sRGB.
pub(super) fn viridis(x: f32) -> [u8; 3] {
    between(&VIRIDIS, x)
}

/// Linear between the colours of a table; what is outside 0..1 gets the end's, what is no number the first.
fn between(table: &[[u8; 3]; 9], x: f32) -> [u8; 3] {
    let at = x.clamp(0.0, 1.0) * 8.0;
    let k = (at as usize).min(7);
    let t = if at.is_finite() { at - k as f32 } else { 0.0 };
    let mix = |c: usize| f32::from(table[k][c]) + (f32::from(table[k + 1][c]) - f32::from(table[k][c])) * t;
    [0, 1, 2].map(|c| mix(c).round() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CIE 1976 lightness of an sRGB colour.
    fn lightness(c: [u8; 3]) -> f32 {
        let linear = c.map(|x| (f32::from(x) / 255.0 + 0.055) / 1.055).map(|x| x.max(0.0).powf(2.4));
        let y = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
        if y > 0.008_856 { 116.0 * y.cbrt() - 16.0 } else { 903.3 * y }
    }

    #[test]
    fn light_grows_with_the_number() {
        for map in [inferno, viridis] {
            let light: Vec<f32> = (0..=64).map(|k| lightness(map(k as f32 / 64.0))).collect();
            assert!(light.windows(2).all(|w| w[1] > w[0]), "{light:?}");
            // Equal steps of the number are about equal steps of lightness.
            let steps: Vec<f32> = light[8..].windows(9).map(|w| w[8] - w[0]).collect();
            let (low, high) = steps.iter().fold((f32::MAX, 0.0f32), |(a, b), s| (a.min(*s), b.max(*s)));
            assert!(high < 2.5 * low, "{low} to {high}");
        }
    }

    #[test]
    fn ends_and_what_is_no_number() {
        assert_eq!((inferno(0.0), inferno(1.0)), ([0, 0, 4], [252, 255, 164]));
        assert_eq!((viridis(-3.0), viridis(f32::INFINITY)), (VIRIDIS[0], VIRIDIS[8]));
        assert_eq!(inferno(f32::NAN), INFERNO[0]);
    }
}
