//! Noise off large planes: walls, floors, table tops and fronts that multi-view depth leaves wavy.

use super::planes::{Plane, PlaneSearch, find_planes, vector};
use crate::scene::TriMesh;
use rayon::prelude::*;

/// Planes are sought with this tolerance, metres: wide enough for the waves of a dull wall.
const WAVES_M: f64 = 0.08;
/// Largest angle between a wavy surface and its plane, degrees.
const ANGLE_DEG: f64 = 40.0;
/// Points that planes are sought in.
const SOUGHT: usize = 60_000;
/// Least share of those points on a plane.
const LEAST_SHARE: f64 = 0.01;
/// Most planes.
const PLANES: usize = 24;
/// Vertices within this many standard deviations of the noise of a plane lie on it; from there to twice as far they
/// are moved less and less, so that no step appears.
const SIGMAS: f64 = 2.0;
/// Standard deviation of a normal distribution by its median absolute deviation.
const MAD_TO_SIGMA: f64 = 1.4826;

/// Moves the vertices near large planes onto them, as far as the noise about each plane explains their distance: a clean
/// surface is left as it is, a picture on a clean wall keeps its thickness. `metre` is the length of a metre in scene
/// units. Returns the number of planes.
pub fn flatten(mesh: &mut TriMesh, metre: f64, seed: u64) -> usize {
    let every = mesh.positions.len().div_ceil(SOUGHT).max(1);
    let pick = |v: &[[f32; 3]]| v.iter().step_by(every).copied().collect::<Vec<_>>();
    let (points, normals) = (pick(&mesh.positions), pick(&mesh.normals));
    let search = PlaneSearch {
        distance: WAVES_M * metre,
        angle_deg: ANGLE_DEG,
        min_inliers: ((points.len() as f64 * LEAST_SHARE) as usize).max(50),
        max_planes: PLANES,
    };
    let planes: Vec<(Plane, f64)> = find_planes(&points, &normals, &search, seed)
        .into_iter()
        .map(|p| {
            let noise = noise(&p, &points);
            (p, noise)
        })
        .collect();
    let cos = ANGLE_DEG.to_radians().cos();
    mesh.positions.par_iter_mut().zip(&mesh.normals).for_each(|(p, n)| {
        let normal = vector(n);
        let near = planes
            .iter()
            .filter(|(plane, _)| plane.normal.dot(&normal) >= cos && within(plane, p, WAVES_M * metre))
            .map(|(plane, noise)| (plane, plane.distance(p), *noise))
            .min_by(|a, b| a.1.abs().total_cmp(&b.1.abs()));
        let Some((plane, distance, noise)) = near else { return };
        let reach = SIGMAS * noise;
        let share = (2.0 - distance.abs() / reach.max(1e-12)).clamp(0.0, 1.0);
        let moved = vector(p) - plane.normal * (distance * share);
        *p = [moved.x as f32, moved.y as f32, moved.z as f32];
    });
    planes.len()
}

/// Standard deviation of the distance of a plane's own points, robustly.
fn noise(plane: &Plane, points: &[[f32; 3]]) -> f64 {
    let mut off: Vec<f64> = plane.inliers.iter().map(|i| plane.distance(&points[*i as usize]).abs()).collect();
    off.sort_by(f64::total_cmp);
    off.get(off.len() / 2).map_or(0.0, |m| m * MAD_TO_SIGMA)
}

/// Whether a point lies over the part of the plane that its points cover, with a margin.
fn within(plane: &Plane, p: &[f32; 3], margin: f64) -> bool {
    let q = vector(p) - plane.center;
    plane.axes.iter().zip(&plane.extent).all(|(axis, full)| axis.dot(&q).abs() <= 0.5 * full + margin)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A wall x = 0 with waves of the given height, and on it a board of 3 cm.
    fn wall(waves: f32) -> TriMesh {
        let mut mesh = TriMesh::default();
        for i in 0..200 {
            for j in 0..200 {
                let (y, z) = (i as f32 * 0.01, j as f32 * 0.01);
                let board = (0.8..1.0).contains(&y) && (0.8..1.0).contains(&z);
                let x = waves * (9.0 * y).sin() * (7.0 * z).cos() + if board { 0.03 } else { 0.0 };
                mesh.positions.push([x, y, z]);
                mesh.normals.push([1.0, 0.0, 0.0]);
            }
        }
        mesh
    }

    fn mean_off(mesh: &TriMesh) -> f32 {
        mesh.positions.iter().map(|p| p[0].abs()).sum::<f32>() / mesh.positions.len() as f32
    }

    #[test]
    fn waves_go_and_a_board_on_a_clean_wall_stays() {
        let mut wavy = wall(0.03);
        let before = mean_off(&wavy);
        assert!(flatten(&mut wavy, 1.0, 0) >= 1);
        assert!(mean_off(&wavy) < 0.35 * before, "{} {before}", mean_off(&wavy));
        let mut clean = wall(0.001);
        flatten(&mut clean, 1.0, 0);
        let board = clean.positions[90 * 200 + 90][0];
        assert!((board - 0.03).abs() < 0.002, "{board}");
    }

    #[test]
    fn nothing_to_flatten_is_no_harm() {
        assert_eq!(flatten(&mut TriMesh::default(), 1.0, 0), 0);
    }
}
