//! Rectangles around points of the plane.

/// A rectangle in the plane.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rect {
    /// Centre.
    pub center: [f64; 2],
    /// Full side lengths; the first along `(cos yaw, sin yaw)`.
    pub size: [f64; 2],
    /// Turn of the first side from +x, radians, in [-pi/4, pi/4).
    pub yaw: f64,
}

/// Convex hull, counter-clockwise (Andrew's monotone chain).
pub fn hull(points: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let mut p: Vec<[f64; 2]> = points.iter().copied().filter(|p| p[0].is_finite() && p[1].is_finite()).collect();
    p.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
    p.dedup();
    if p.len() < 3 {
        return p;
    }
    let cross = |o: [f64; 2], a: [f64; 2], b: [f64; 2]| (a[0] - o[0]) * (b[1] - o[1]) - (a[1] - o[1]) * (b[0] - o[0]);
    let mut out: Vec<[f64; 2]> = Vec::new();
    for pass in 0..2 {
        let start = out.len();
        let order: Box<dyn Iterator<Item = &[f64; 2]>> =
            if pass == 0 { Box::new(p.iter()) } else { Box::new(p.iter().rev()) };
        for q in order {
            while out.len() >= start + 2 && cross(out[out.len() - 2], out[out.len() - 1], *q) <= 0.0 {
                out.pop();
            }
            out.push(*q);
        }
        out.pop();
    }
    out
}

/// The rectangle at a given yaw that holds all points but the share `trim` at each end of each side.
pub fn at_yaw(points: &[[f64; 2]], yaw: f64, trim: f64) -> Option<Rect> {
    let (s, c) = yaw.sin_cos();
    let mut mid = [0.0; 2];
    let mut size = [0.0; 2];
    for (k, axis) in [[c, s], [-s, c]].into_iter().enumerate() {
        let mut t: Vec<f64> = points.iter().map(|p| p[0] * axis[0] + p[1] * axis[1]).collect();
        let n = t.len().checked_sub(1)?;
        let cut = (n as f64 * trim).floor() as usize;
        let lo = *t.select_nth_unstable_by(cut, f64::total_cmp).1;
        let hi = *t.select_nth_unstable_by(n - cut, f64::total_cmp).1;
        (mid[k], size[k]) = ((lo + hi) * 0.5, hi - lo);
    }
    let center = [mid[0] * c - mid[1] * s, mid[0] * s + mid[1] * c];
    center.iter().chain(&size).all(|x| x.is_finite()).then_some(Rect { center, size, yaw })
}

/// The rectangle of smallest area over the directions of the hull's sides (Freeman & Shapira 1975); for `trim` > 0 over
/// every degree, each rectangle leaving out the share `trim` of the points at each end of each side. Its yaw is brought
/// to [-pi/4, pi/4). `None` without points.
pub fn smallest(points: &[[f64; 2]], trim: f64) -> Option<Rect> {
    let h = hull(points);
    let mut yaws: Vec<f64> = if trim > 0.0 {
        (-45..45).map(|d| f64::from(d).to_radians()).collect()
    } else {
        (0..h.len())
            .map(|i| (h[i], h[(i + 1) % h.len()]))
            .map(|(a, b)| quarter((b[1] - a[1]).atan2(b[0] - a[0])))
            .collect()
    };
    yaws.push(0.0);
    let some: Vec<[f64; 2]> =
        if trim > 0.0 { points.iter().copied().step_by((points.len() / 1500).max(1)).collect() } else { h };
    let area = |yaw: f64| at_yaw(&some, yaw, trim).map_or(f64::INFINITY, |r| r.size[0] * r.size[1]);
    let best = yaws
        .into_iter()
        .map(|y| (area(y), y))
        .min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.abs().total_cmp(&b.1.abs())))?;
    at_yaw(points, best.1, trim)
}

/// A turn brought to [-pi/4, pi/4) by quarter turns.
pub fn quarter(yaw: f64) -> f64 {
    let q = std::f64::consts::FRAC_PI_2;
    (yaw + q * 0.5).rem_euclid(q) - q * 0.5
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_turned_rectangle_is_found(yaw in -0.78..0.78f64, w in 0.3..3.0f64, h in 0.3..3.0f64, cx in -5.0..5.0f64) {
            let (s, c) = yaw.sin_cos();
            let mut points = Vec::new();
            for i in 0..=20 { for j in 0..=20 {
                let (x, y) = ((f64::from(i) / 20.0 - 0.5) * w, (f64::from(j) / 20.0 - 0.5) * h);
                points.push([cx + x * c - y * s, 1.0 + x * s + y * c]);
            }}
            let r = smallest(&points, 0.0).unwrap();
            prop_assert!((r.size[0] * r.size[1] - w * h).abs() < 1e-6 * w * h);
            prop_assert!((r.center[0] - cx).abs() < 1e-6 && (r.center[1] - 1.0).abs() < 1e-6);
            prop_assert!(quarter(r.yaw - yaw).abs() < 1e-6 || (w - h).abs() < 1e-9, "{} {yaw}", r.yaw);
            // With trimming the yaw comes from a one-degree grid and the sides lose at most the trimmed rows.
            let t = smallest(&points, 0.01).unwrap();
            prop_assert!((t.size[0] * t.size[1] / (w * h) - 1.0).abs() < 0.25);
        }
    }

    #[test]
    fn degenerate_points() {
        assert!(smallest(&[], 0.0).is_none());
        let one = smallest(&[[2.0, 3.0]], 0.02).unwrap();
        assert_eq!((one.center, one.size), ([2.0, 3.0], [0.0, 0.0]));
        assert_eq!(hull(&[[0.0, 0.0], [1.0, 0.0], [0.5, 0.2], [0.0, 1.0], [1.0, 1.0]]).len(), 4);
    }
}
