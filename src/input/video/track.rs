//! How far a camera has moved: corners followed through small grey pictures.
//!
//! Corners: J. Shi & C. Tomasi, "Good features to track", CVPR 1994. Following: B. Lucas & T. Kanade, IJCAI 1981, over a
//! pyramid (J.-Y. Bouguet, 2000), with a free difference of brightness. Pixel centres are at +0.5.

use super::pnm::Picture;
use rayon::prelude::*;

/// Cells of the grid, along and across, that give one corner each.
const GRID: [usize; 2] = [12, 8];
/// Levels of the pyramid, each half as large.
const LEVELS: usize = 4;
/// Half of the window that is compared.
const HALF: i32 = 4;
/// Least eigenvalue of a corner's gradient moments, mean over the window, squared grey levels per pixel.
const CORNER: f32 = 4.0;
/// Steps at each level.
const STEPS: usize = 10;
/// Pixels between a corner and where it comes back to when it is followed forth and back.
const RETURN: f32 = 0.7;
/// Fewer corners than this say nothing.
const FEW: usize = 10;
/// Movement, as part of the longer side, after which corners are sought anew. Less is the shaking of a hand.
const STRIDE: f64 = 0.01;
/// Movement that is assumed where it cannot be measured: the picture is another one.
const UNSEEN: f64 = 0.05;
/// Mean difference of grey levels below which two pictures without corners are the same.
const SAME: f32 = 2.0;
/// Pictures after which lost corners are no longer looked for.
const BRIDGE: usize = 8;

/// A grey picture, row by row.
#[derive(Clone)]
pub(super) struct Plane {
    width: usize,
    height: usize,
    data: Vec<f32>,
}

impl Plane {
    pub(super) fn of(picture: &Picture) -> Self {
        let data = picture.data.iter().map(|v| f32::from(*v)).collect();
        Self { width: picture.width as usize, height: picture.height as usize, data }
    }

    /// Half the size, each pixel the mean of four.
    pub(super) fn halved(&self) -> Self {
        let (width, height) = ((self.width / 2).max(1), (self.height / 2).max(1));
        let mut data = Vec::with_capacity(width * height);
        for y in 0..height {
            for x in 0..width {
                let (x1, y1) = ((2 * x + 1).min(self.width - 1), (2 * y + 1).min(self.height - 1));
                data.push(0.25 * (self.at(2 * x, 2 * y) + self.at(x1, 2 * y) + self.at(2 * x, y1) + self.at(x1, y1)));
            }
        }
        Self { width, height, data }
    }

    fn at(&self, x: usize, y: usize) -> f32 {
        self.data[y * self.width + x]
    }

    /// Between pixels, linearly; `None` outside.
    fn sample(&self, x: f32, y: f32) -> Option<f32> {
        let (x, y) = (x - 0.5, y - 0.5);
        if !(x >= 0.0 && y >= 0.0 && x < (self.width - 1) as f32 && y < (self.height - 1) as f32) {
            return None;
        }
        let (i, j) = (x as usize, y as usize);
        let (a, b) = (x - i as f32, y - j as f32);
        let top = self.at(i, j) * (1.0 - a) + self.at(i + 1, j) * a;
        let bottom = self.at(i, j + 1) * (1.0 - a) + self.at(i + 1, j + 1) * a;
        Some(top * (1.0 - b) + bottom * b)
    }

    /// Central differences at a pixel that is not on the border.
    fn gradient(&self, x: usize, y: usize) -> [f32; 2] {
        [0.5 * (self.at(x + 1, y) - self.at(x - 1, y)), 0.5 * (self.at(x, y + 1) - self.at(x, y - 1))]
    }

    /// Mean squared gradient.
    pub(super) fn gradient_energy(&self) -> f64 {
        if self.width < 3 || self.height < 3 {
            return 0.0;
        }
        let rows = (1..self.height - 1).map(|y| {
            (1..self.width - 1).map(|x| self.gradient(x, y)).map(|[a, b]| f64::from(a * a + b * b)).sum::<f64>()
        });
        rows.sum::<f64>() / ((self.width - 2) * (self.height - 2)) as f64
    }
}

/// The strongest corner of each cell of a grid.
fn corners(plane: &Plane) -> Vec<[f32; 2]> {
    let (w, h, border) = (plane.width, plane.height, HALF as usize + 1);
    if w < 4 * border || h < 4 * border {
        return Vec::new();
    }
    let mut moments = vec![[0f32; 3]; w * h];
    for y in 1..h - 1 {
        for x in 1..w - 1 {
            let [a, b] = plane.gradient(x, y);
            moments[y * w + x] = [a * a, a * b, b * b];
        }
    }
    let cells: Vec<(usize, usize)> = (0..GRID[1]).flat_map(|j| (0..GRID[0]).map(move |i| (i, j))).collect();
    let best = |(i, j): (usize, usize)| {
        let span =
            |k: usize, n: usize, side: usize| (border.max(k * side / n), (side - border).min((k + 1) * side / n));
        let ((x0, x1), (y0, y1)) = (span(i, GRID[0], w), span(j, GRID[1], h));
        let mut best = (CORNER, None);
        for y in y0..y1 {
            for x in x0..x1 {
                let mut sum = [0f32; 3];
                for row in y - 2..=y + 2 {
                    for m in &moments[row * w + x - 2..=row * w + x + 2] {
                        (0..3).for_each(|k| sum[k] += m[k]);
                    }
                }
                let [a, b, c] = sum.map(|s| s / 25.0);
                let least = 0.5 * (a + c - ((a - c).powi(2) + 4.0 * b * b).sqrt());
                if least > best.0 {
                    best = (least, Some([x as f32 + 0.5, y as f32 + 0.5]));
                }
            }
        }
        best.1
    };
    cells.into_iter().filter_map(best).collect()
}

/// Coarser and coarser, from `plane` on.
fn pyramid(plane: Plane) -> Vec<Plane> {
    let mut levels = vec![plane];
    while levels.len() < LEVELS {
        let next = levels[levels.len() - 1].halved();
        if next.width.min(next.height) < 4 * HALF as usize {
            break;
        }
        levels.push(next);
    }
    levels
}

/// One level of following: where the window around `p` of `from` is in `to`, beginning at `q`.
fn refine(from: &Plane, to: &Plane, p: [f32; 2], mut q: [f32; 2]) -> Option<[f32; 2]> {
    const SIDE: usize = (2 * HALF + 1) as usize;
    let mut window = [(0f32, [0f32; 2], [0f32; 2]); SIDE * SIDE];
    let (mut mean, mut slope) = (0.0, [0f32; 2]);
    let n = window.len() as f32;
    for (k, cell) in window.iter_mut().enumerate() {
        let (dx, dy) = ((k % SIDE) as f32 - HALF as f32, (k / SIDE) as f32 - HALF as f32);
        let (x, y) = (p[0] + dx, p[1] + dy);
        let at = |x: f32, y: f32| from.sample(x, y);
        let g = [0.5 * (at(x + 1.0, y)? - at(x - 1.0, y)?), 0.5 * (at(x, y + 1.0)? - at(x, y - 1.0)?)];
        *cell = (at(x, y)?, g, [dx, dy]);
        mean += cell.0 / n;
        (0..2).for_each(|i| slope[i] += g[i] / n);
    }
    let mut m = [0f32; 3];
    for (value, g, _) in &mut window {
        // The difference of brightness is free: values and gradients count about their means.
        *value -= mean;
        (0..2).for_each(|i| g[i] -= slope[i]);
        m = [m[0] + g[0] * g[0], m[1] + g[0] * g[1], m[2] + g[1] * g[1]];
    }
    let det = m[0] * m[2] - m[1] * m[1];
    if !(det > 1e-3 * n * n) {
        return None;
    }
    for _ in 0..STEPS {
        let mut seen = [0f32; SIDE * SIDE];
        for (s, (_, _, d)) in seen.iter_mut().zip(&window) {
            *s = to.sample(q[0] + d[0], q[1] + d[1])?;
        }
        let mean = seen.iter().sum::<f32>() / n;
        let mut b = [0f32; 2];
        for (s, (value, g, _)) in seen.iter().zip(&window) {
            let off = value - (s - mean);
            (0..2).for_each(|i| b[i] += off * g[i]);
        }
        let step = [(m[2] * b[0] - m[1] * b[1]) / det, (m[0] * b[1] - m[1] * b[0]) / det];
        q = [q[0] + step[0], q[1] + step[1]];
        if step[0].hypot(step[1]) < 0.03 {
            break;
        }
    }
    Some(q)
}

/// Where a point of one picture is in the next; coarse levels may fail, the finest may not.
fn follow(from: &[Plane], to: &[Plane], p: [f32; 2]) -> Option<[f32; 2]> {
    let mut shift = [0f32; 2];
    for level in (0..from.len()).rev() {
        let scale = 0.5f32.powi(level as i32);
        let at = p.map(|v| v * scale);
        let start = [at[0] + shift[0] * scale, at[1] + shift[1] * scale];
        match refine(&from[level], &to[level], at, start) {
            Some(q) => shift = [(q[0] - at[0]) / scale, (q[1] - at[1]) / scale],
            None if level == 0 => return None,
            None => {}
        }
    }
    Some([p[0] + shift[0], p[1] + shift[1]])
}

/// Corners on their way: where they were at the stop, and where they are.
type Tracks = Vec<([f32; 2], [f32; 2])>;

/// A place on the way where corners were sought, and how far they were followed since.
#[derive(Clone, Default)]
struct Stop {
    /// The picture up to which the corners were followed.
    last: Vec<Plane>,
    tracks: Tracks,
    /// Corners at the stop.
    begun: usize,
    /// Way up to the stop.
    way: f64,
}

impl Stop {
    fn new(picture: Vec<Plane>, way: f64) -> Self {
        let tracks: Tracks = corners(&picture[0]).into_iter().map(|p| (p, p)).collect();
        Self { last: picture, begun: tracks.len(), tracks, way }
    }

    /// The corners followed on to `now`, and the way up to there; `None` where too many are lost.
    fn follow(&self, now: &[Plane]) -> Option<(Tracks, f64)> {
        let (from, to) = (self.last.first()?, now.first()?);
        if (from.width, from.height) != (to.width, to.height) {
            return None;
        }
        let followed = |(start, at): &([f32; 2], [f32; 2])| {
            let q = follow(&self.last, now, *at)?;
            let back = follow(now, &self.last, q)?;
            ((back[0] - at[0]).hypot(back[1] - at[1]) < RETURN).then_some((*start, q))
        };
        let tracks: Tracks = self.tracks.par_iter().with_min_len(16).filter_map(followed).collect();
        if tracks.len() < FEW || tracks.len() * 3 < self.begun {
            return None;
        }
        let mut moved: Vec<f32> = tracks.iter().map(|(a, b)| (b[0] - a[0]).hypot(b[1] - a[1])).collect();
        moved.sort_by(f32::total_cmp);
        let way = self.way + f64::from(moved[moved.len() / 2]) / to.width.max(to.height) as f64;
        Some((tracks, way))
    }

    /// Goes on with followed corners, or with new ones after a stride or where many are lost.
    fn go_on(&self, now: Vec<Plane>, tracks: Tracks, way: f64) -> Self {
        if way - self.way > STRIDE || tracks.len() * 5 < self.begun * 3 {
            Self::new(now, way)
        } else {
            Self { last: now, tracks, ..*self }
        }
    }

    /// Whether nothing but a surface without corners is seen, now as before.
    fn is_same_blank(&self, now: &[Plane]) -> bool {
        let coarsest = self.last.last().zip(now.last()).filter(|(a, b)| a.data.len() == b.data.len());
        self.begun < FEW && coarsest.is_some_and(|(a, b)| difference(a, b) < SAME)
    }
}

/// The way that a camera has gone, as the sum of what it moved by from stop to stop. A stop is made whenever the median
/// corner has moved by [`STRIDE`], so that a camera that only shakes gets nowhere.
#[derive(Default)]
pub(super) struct Walk {
    /// Way up to each picture, as part of the longer side.
    pub(super) ways: Vec<f64>,
    at: Stop,
    /// Where corners were lost, and the last picture before: a blurred picture may come between.
    lost: Option<(Stop, usize)>,
}

impl Walk {
    /// Takes the next picture.
    pub(super) fn step(&mut self, plane: Plane) {
        let (now, t) = (pyramid(plane), self.ways.len());
        if t == 0 {
            self.at = Stop::new(now, 0.0);
            self.ways.push(0.0);
            return;
        }
        self.lost = self.lost.take().filter(|(_, good)| t - good <= BRIDGE);
        let bridged = self.lost.as_ref().and_then(|(stop, good)| Some((stop.follow(&now)?, stop.clone(), *good)));
        if let Some(((tracks, way), stop, good)) = bridged {
            self.lost = None;
            let (from, steps) = (self.ways[good], (t - good) as f64);
            (good + 1..t).for_each(|k| self.ways[k] = from + (way - from) * (k - good) as f64 / steps);
            self.ways.push(way);
            self.at = stop.go_on(now, tracks, way);
        } else if let Some((tracks, way)) = self.at.follow(&now) {
            self.ways.push(way);
            self.at = self.at.go_on(now, tracks, way);
        } else {
            let blank = self.at.is_same_blank(&now);
            let way = self.ways[t - 1] + if blank { 0.0 } else { UNSEEN };
            self.ways.push(way);
            let before = std::mem::replace(&mut self.at, Stop::new(now, way));
            if self.lost.is_none() && before.begun >= FEW {
                self.lost = Some((before, t - 1));
            }
        }
    }
}

/// Mean difference of two pictures of one size.
fn difference(a: &Plane, b: &Plane) -> f32 {
    a.data.iter().zip(&b.data).map(|(a, b)| (a - b).abs()).sum::<f32>() / a.data.len().max(1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture of smooth blobs, seen through a window at (`x`, `y`).
    fn scene(x: f64, y: f64) -> Plane {
        let (width, height) = (240usize, 160usize);
        let wave = |u: f64, v: f64| (u * 0.31).sin() * (v * 0.23 + u * 0.05).cos() + (u * 0.11 - v * 0.17).sin();
        let at = |k: usize| (128.0 + 50.0 * wave((k % width) as f64 + x, (k / width) as f64 + y)) as f32;
        Plane { width, height, data: (0..width * height).map(at).collect() }
    }

    #[test]
    fn corners_are_followed_to_a_tenth_of_a_pixel() {
        let (from, points) = (pyramid(scene(0.0, 0.0)), corners(&scene(0.0, 0.0)));
        assert!(points.len() > 60, "{}", points.len());
        for (dx, dy) in [(0.4, -0.7), (5.3, 2.2), (-9.0, 3.0)] {
            let mut brighter = scene(dx, dy);
            brighter.data.iter_mut().for_each(|v| *v += 15.0);
            let to = pyramid(brighter);
            let off: Vec<f64> = points
                .iter()
                .filter_map(|p| follow(&from, &to, *p).map(|q| (q, p)))
                .map(|(q, p)| (f64::from(q[0] - p[0]) + dx).hypot(f64::from(q[1] - p[1]) + dy))
                .collect();
            let good = off.iter().filter(|e| **e < 0.1).count();
            assert!(good * 10 > points.len() * 7, "{good} of {} for ({dx}, {dy})", points.len());
        }
    }

    #[test]
    fn the_way_is_the_sum_of_the_moves_and_shaking_is_none() {
        let mut walk = Walk::default();
        (0..41).for_each(|t| walk.step(scene(f64::from(t) * 1.5, 0.0)));
        let ways = walk.ways;
        assert!((ways[40] - 60.0 / 240.0).abs() < 0.01, "{}", ways[40]);
        assert!(ways.windows(2).all(|w| w[1] > w[0]));
        let mut walk = Walk::default();
        (0..40).for_each(|t| walk.step(scene(f64::from(t % 3) * 0.9, 0.0)));
        let shaken = walk.ways.iter().copied().fold(0.0, f64::max);
        assert!(shaken < 0.01, "{shaken}");
    }

    #[test]
    fn what_cannot_be_followed_is_another_view_unless_it_is_the_same() {
        let flat = |v: f32| Plane { width: 240, height: 160, data: vec![v; 240 * 160] };
        let mut walk = Walk::default();
        [flat(200.0), flat(200.5), flat(90.0), scene(0.0, 0.0)].into_iter().for_each(|p| walk.step(p));
        assert_eq!(walk.ways, [0.0, 0.0, UNSEEN, 2.0 * UNSEEN]);
        // Pictures without corners between two that show the same cost nothing.
        let mut walk = Walk::default();
        [scene(0.0, 0.0), flat(90.0), flat(91.0), scene(6.0, 0.0)].into_iter().for_each(|p| walk.step(p));
        let expected = [0.0, 2.0 / 240.0, 4.0 / 240.0, 6.0 / 240.0];
        assert!(walk.ways.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-3), "{:?}", walk.ways);
    }
}
