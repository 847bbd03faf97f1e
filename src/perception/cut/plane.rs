//! The large planes of a photo, and which of them are the room: nothing lies behind a floor, a wall or a ceiling.

use nalgebra::Vector3;

/// Candidates for the next plane.
const CANDIDATES: usize = 40;
/// Most planes of a photo.
const MOST: usize = 12;
/// Distance from a plane as a share of the depth, and cosine to its normal, within which a point lies on it.
const ON: f32 = 0.012;
const ALONG: f32 = 0.93;
/// Share of the points that a plane must hold.
const LEAST: f32 = 0.015;
/// Share of the points that the room's planes hold at least, and most that may lie behind one (through a door).
const ROOM: f32 = 0.05;
const BEHIND: f32 = 0.01;
/// How far behind a plane, as a share of the depth, a point is not of it.
const FAR: f32 = 0.03;

/// `normal . p = offset` in the camera frame; the normal is towards the camera.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plane {
    normal: Vector3<f32>,
    offset: f32,
    /// Pixels of the photo that show it.
    pub(super) pixels: f32,
    /// Whether it is floor, wall or ceiling.
    pub(super) is_room: bool,
}

impl Plane {
    /// Whether a point with its normal (zero = unknown) lies on it.
    pub(super) fn holds(&self, point: &Vector3<f32>, normal: &Vector3<f32>) -> bool {
        let close = (self.normal.dot(point) - self.offset).abs() < ON * point.z;
        close && (*normal == Vector3::zeros() || normal.dot(&self.normal) > ALONG)
    }
}

/// The planes of a photo, greatest first, from some of its points with their normals; each point stands for `pixels`.
pub(super) fn planes(points: &[(Vector3<f32>, Vector3<f32>)], pixels: f32) -> Vec<Plane> {
    let mut left: Vec<_> = points.iter().filter(|p| p.1 != Vector3::zeros()).copied().collect();
    let all = points.len() as f32;
    let mut out: Vec<Plane> = Vec::new();
    while out.len() < MOST && left.len() > CANDIDATES {
        let candidate = |k: usize| {
            let (p, n) = left[k * left.len() / CANDIDATES];
            let plane = Plane { normal: n, offset: n.dot(&p), pixels: 0.0, is_room: false };
            (left.iter().filter(|(p, n)| plane.holds(p, n)).count(), plane)
        };
        let best = (0..CANDIDATES).map(candidate).reduce(|a, b| if b.0 > a.0 { b } else { a });
        let Some((n, plane)) = best.filter(|b| b.0 as f32 > LEAST * all) else { break };
        let plane = refined(&left, plane);
        left.retain(|(p, n)| !plane.holds(p, n));
        let behind = points.iter().filter(|(p, _)| plane.normal.dot(p) - plane.offset < -FAR * p.z).count();
        let is_room = n as f32 > ROOM * all && (behind as f32) < BEHIND * all;
        out.push(Plane { pixels: n as f32 * pixels, is_room, ..plane });
    }
    out
}

/// The mean of what lies on a plane.
fn refined(points: &[(Vector3<f32>, Vector3<f32>)], plane: Plane) -> Plane {
    let (mut normal, mut middle, mut n) = (Vector3::zeros(), Vector3::zeros(), 0.0f32);
    for (p, m) in points.iter().filter(|(p, m)| plane.holds(p, m)) {
        normal += m;
        middle += p;
        n += 1.0;
    }
    let normal = normal.try_normalize(1e-6).unwrap_or(plane.normal);
    Plane { normal, offset: if n > 0.0 { normal.dot(&middle) / n } else { plane.offset }, ..plane }
}
