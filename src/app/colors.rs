//! One colour for each instance, the same in every view, that people of all kinds of colour vision can tell from those
//! of its neighbours in number.

/// sRGB. Chosen by a search (simulated annealing over the 2,320 colours of a grid that stand out from both backgrounds)
/// for the largest differences within three places, as colour vision is simulated in the tests.
const INSTANCES: [[u8; 3]; 12] = [
    [255, 17, 0],
    [170, 17, 34],
    [85, 204, 170],
    [102, 85, 255],
    [255, 170, 102],
    [170, 51, 136],
    [238, 68, 119],
    [153, 68, 204],
    [153, 204, 17],
    [187, 153, 238],
    [238, 136, 119],
    [102, 0, 238],
];

/// The colour of an instance, sRGB.
pub(super) fn instance(id: u32) -> [u8; 3] {
    INSTANCES[id as usize % INSTANCES.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use nalgebra::{Matrix3, Vector3};

    fn linear(c: [u8; 3]) -> Vector3<f64> {
        let one = |x: u8| {
            let x = f64::from(x) / 255.0;
            if x <= 0.040_45 { x / 12.92 } else { ((x + 0.055) / 1.055).powf(2.4) }
        };
        Vector3::from(c.map(one))
    }

    /// sRGB to CIE XYZ, IEC 61966-2-1.
    fn xyz(c: Vector3<f64>) -> Vector3<f64> {
        let m = Matrix3::new(
            0.412_456_4,
            0.357_576_1,
            0.180_437_5,
            0.212_672_9,
            0.715_152_2,
            0.072_175,
            0.019_333_9,
            0.119_192,
            0.950_304_1,
        );
        m * c
    }

    /// CIE 1976 L*a*b*, white D65.
    fn lab(c: Vector3<f64>) -> Vector3<f64> {
        let f = |t: f64| if t > 216.0 / 24389.0 { t.cbrt() } else { (24389.0 / 27.0 * t + 16.0) / 116.0 };
        let t = xyz(c.map(|x| x.clamp(0.0, 1.0))).component_div(&Vector3::new(0.950_47, 1.0, 1.088_83)).map(f);
        Vector3::new(116.0 * t.y - 16.0, 500.0 * (t.x - t.y), 200.0 * (t.y - t.z))
    }

    /// Full vision, then protanopia, deuteranopia and tritanopia: Machado, Oliveira and Fernandes, "A
    /// Physiologically-based Model for Simulation of Color Vision Deficiency", 2009, severity 1, for linear RGB.
    fn visions() -> [Matrix3<f64>; 4] {
        [
            Matrix3::identity(),
            Matrix3::new(
                0.152_286, 1.052_583, -0.204_868, 0.114_503, 0.786_281, 0.099_216, -0.003_882, -0.048_116, 1.051_998,
            ),
            Matrix3::new(
                0.367_322, 0.860_646, -0.227_968, 0.280_085, 0.672_501, 0.047_413, -0.011_820, 0.042_940, 0.968_881,
            ),
            Matrix3::new(
                1.255_528, -0.076_749, -0.178_779, -0.078_411, 0.930_809, 0.147_602, 0.004_733, 0.691_367, 0.303_900,
            ),
        ]
    }

    /// The smallest difference (CIE 1976) of two colours in any of the visions.
    fn least_difference(a: [u8; 3], b: [u8; 3]) -> f64 {
        let difference = |m: &Matrix3<f64>| (lab(m * linear(a)) - lab(m * linear(b))).norm();
        visions().iter().map(difference).fold(f64::MAX, f64::min)
    }

    #[test]
    fn the_measure_knows_red_from_green_and_that_some_do_not() {
        // Lab of sRGB red is (53.24, 80.09, 67.20), of green (87.73, -86.18, 83.18): 170.6 apart.
        let [red, green] = [[255, 0, 0], [0, 255, 0]];
        assert!(((lab(linear(red)) - lab(linear(green))).norm() - 170.6).abs() < 0.5);
        assert!(least_difference([180, 120, 40], [130, 140, 40]) < 12.0, "ochre and olive, for the red-blind");
    }

    #[test]
    fn neighbours_in_number_differ_for_everyone() {
        for id in 0..100 {
            for step in 1..=3 {
                let (a, b) = (instance(id), instance(id + step));
                assert!(least_difference(a, b) > 27.0, "{id} and {}: {}", id + step, least_difference(a, b));
            }
        }
        for (i, a) in INSTANCES.iter().enumerate() {
            for b in &INSTANCES[..i] {
                assert!(least_difference(*a, *b) > 14.0, "{a:?} and {b:?}");
            }
        }
    }

    #[test]
    fn all_stand_out_from_both_backgrounds() {
        // Contrast of WCAG 2.
        let light = |c: [u8; 3]| xyz(linear(c)).y + 0.05;
        let contrast = |a: f64, b: f64| a.max(b) / a.min(b);
        for c in INSTANCES {
            let on = [24, 225].map(|grey| contrast(light(c), light([grey; 3])));
            assert!(on[0] >= 2.2 && on[1] >= 1.4, "{c:?}: {on:?}");
        }
    }
}
