//! Dominant planes of an oriented point cloud: RANSAC with normals (Schnabel et al. 2007, one-point hypotheses).

use nalgebra::{Matrix3, SymmetricEigen, Vector3};

/// A plane `normal . x = offset` and the points that lie on it.
#[derive(Clone, Debug)]
pub struct Plane {
    /// Unit normal, towards the side that the points' normals face.
    pub normal: Vector3<f64>,
    /// `normal . x` of every point of the plane, in units of the points.
    pub offset: f64,
    /// Indices of the points within the search's tolerance, ascending.
    pub inliers: Vec<u32>,
    /// Mean of the inliers.
    pub center: Vector3<f64>,
    /// In-plane unit axes, the longer extent first; `axes[0] x axes[1] = normal`.
    pub axes: [Vector3<f64>; 2],
    /// Full extent along each axis, from the 1st to the 99th percentile of the inliers.
    pub extent: [f64; 2],
}

impl Plane {
    /// Signed distance of a point, positive on the side of the normal.
    pub fn distance(&self, p: &[f32; 3]) -> f64 {
        self.normal.dot(&vector(p)) - self.offset
    }
}

/// What counts as a plane.
#[derive(Clone, Copy, Debug)]
pub struct PlaneSearch {
    /// Largest distance of an inlier from the plane, in units of the points.
    pub distance: f64,
    /// Largest angle between the normal of an inlier and that of the plane, degrees.
    pub angle_deg: f64,
    /// Fewest inliers of a plane.
    pub min_inliers: usize,
    /// Most planes to find.
    pub max_planes: usize,
}

/// Hypotheses per plane, and points that each is first scored on.
const TRIALS: usize = 200;
const SCORED: usize = 4096;

pub(crate) fn vector(p: &[f32; 3]) -> Vector3<f64> {
    Vector3::new(f64::from(p[0]), f64::from(p[1]), f64::from(p[2]))
}

/// Finds planes, the largest first; each takes its inliers out of the cloud before the next is sought. `points` and unit
/// `normals` go together. Points whose numbers are not finite are never inliers. Same seed, same planes.
pub fn find_planes(points: &[[f32; 3]], normals: &[[f32; 3]], search: &PlaneSearch, seed: u64) -> Vec<Plane> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let usable = |i: &u32| {
        let (p, n) = (&points[*i as usize], &normals[*i as usize]);
        p.iter().chain(n).all(|x| x.is_finite()) && n.iter().any(|x| *x != 0.0)
    };
    let mut free: Vec<u32> = (0..points.len().min(normals.len()) as u32).filter(usable).collect();
    let mut planes = Vec::new();
    while planes.len() < search.max_planes && free.len() >= search.min_inliers.max(3) {
        let Some(plane) = best_plane(points, normals, &free, search, &mut rng) else { break };
        let mut taken = plane.inliers.iter().peekable();
        free.retain(|i| {
            while taken.peek().is_some_and(|t| **t < *i) {
                taken.next();
            }
            taken.peek() != Some(&i)
        });
        planes.push(plane);
    }
    planes
}

fn best_plane(
    points: &[[f32; 3]],
    normals: &[[f32; 3]],
    free: &[u32],
    search: &PlaneSearch,
    rng: &mut fastrand::Rng,
) -> Option<Plane> {
    let cos = search.angle_deg.to_radians().cos();
    let sample: Vec<u32> =
        if free.len() <= SCORED { free.to_vec() } else { (0..SCORED).map(|_| free[rng.usize(..free.len())]).collect() };
    let on = |i: u32, n: &Vector3<f64>, d: f64| {
        (n.dot(&vector(&points[i as usize])) - d).abs() <= search.distance
            && n.dot(&vector(&normals[i as usize])) >= cos
    };
    let mut best = (0usize, Vector3::z(), 0.0);
    for _ in 0..TRIALS {
        let i = free[rng.usize(..free.len())] as usize;
        let n = vector(&normals[i]).normalize();
        let d = n.dot(&vector(&points[i]));
        let count = sample.iter().filter(|s| on(**s, &n, d)).count();
        if count > best.0 {
            best = (count, n, d);
        }
    }
    let (mut n, mut d) = (best.1, best.2);
    for _ in 0..3 {
        let inliers: Vec<u32> = free.iter().copied().filter(|i| on(*i, &n, d)).collect();
        if inliers.len() < search.min_inliers.max(3) {
            return None;
        }
        let (fitted, center) = fit(points, &inliers);
        n = if fitted.dot(&n) < 0.0 { -fitted } else { fitted };
        d = n.dot(&center);
    }
    let inliers: Vec<u32> = free.iter().copied().filter(|i| on(*i, &n, d)).collect();
    (inliers.len() >= search.min_inliers.max(3)).then(|| measured(points, inliers, n, d))
}

/// Least-squares normal and centre of some points.
fn fit(points: &[[f32; 3]], inliers: &[u32]) -> (Vector3<f64>, Vector3<f64>) {
    let (cov, center) = covariance(points, inliers);
    let eigen = SymmetricEigen::new(cov);
    (eigen.eigenvectors.column(eigen.eigenvalues.imin()).into_owned(), center)
}

fn covariance(points: &[[f32; 3]], inliers: &[u32]) -> (Matrix3<f64>, Vector3<f64>) {
    let n = inliers.len().max(1) as f64;
    let center = inliers.iter().map(|i| vector(&points[*i as usize])).sum::<Vector3<f64>>() / n;
    let cov = inliers.iter().fold(Matrix3::zeros(), |m, i| {
        let q = vector(&points[*i as usize]) - center;
        m + q * q.transpose()
    });
    (cov / n, center)
}

fn measured(points: &[[f32; 3]], inliers: Vec<u32>, normal: Vector3<f64>, offset: f64) -> Plane {
    let (cov, center) = covariance(points, &inliers);
    let eigen = SymmetricEigen::new(cov);
    let longest = eigen.eigenvectors.column(eigen.eigenvalues.imax()).into_owned();
    let first = (longest - normal * normal.dot(&longest)).try_normalize(1e-9).unwrap_or_else(|| any_across(&normal));
    let mut axes = [first, normal.cross(&first)];
    let mut extent = axes.map(|a| {
        let mut t: Vec<f64> = inliers.iter().map(|i| a.dot(&vector(&points[*i as usize]))).collect();
        t.sort_by(f64::total_cmp);
        t[(t.len() - 1) * 99 / 100] - t[(t.len() - 1) / 100]
    });
    if extent[1] > extent[0] {
        axes = [axes[1], -axes[0]];
        extent.swap(0, 1);
    }
    Plane { normal, offset, inliers, center, axes, extent }
}

/// Some unit vector across `n`.
fn any_across(n: &Vector3<f64>) -> Vector3<f64> {
    n.cross(&Vector3::ith(n.abs().imin(), 1.0)).normalize()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Points of a rectangle with noise along its normal.
    pub(crate) fn patch(
        cloud: &mut (Vec<[f32; 3]>, Vec<[f32; 3]>),
        corner: [f64; 3],
        u: [f64; 3],
        v: [f64; 3],
        n: usize,
        noise: f64,
        rng: &mut fastrand::Rng,
    ) {
        let (c, u, v) = (Vector3::from(corner), Vector3::from(u), Vector3::from(v));
        let normal = u.cross(&v).normalize();
        for _ in 0..n {
            let p = c + u * rng.f64() + v * rng.f64() + normal * (rng.f64() - 0.5) * 2.0 * noise;
            let tilt = Vector3::new(rng.f64() - 0.5, rng.f64() - 0.5, rng.f64() - 0.5) * 0.1;
            cloud.0.push(p.map(|x| x as f32).into());
            cloud.1.push((normal + tilt).normalize().map(|x| x as f32).into());
        }
    }

    #[test]
    fn finds_the_planes_of_a_room() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut cloud = (Vec::new(), Vec::new());
        patch(&mut cloud, [0.0, 0.0, 0.0], [4.0, 0.0, 0.0], [0.0, 3.0, 0.0], 6000, 0.01, &mut rng);
        patch(&mut cloud, [0.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 2.0], 4000, 0.01, &mut rng);
        patch(&mut cloud, [1.0, 1.0, 0.7], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], 1500, 0.01, &mut rng);
        let search = PlaneSearch { distance: 0.02, angle_deg: 20.0, min_inliers: 500, max_planes: 8 };
        let planes = find_planes(&cloud.0, &cloud.1, &search, 7);
        assert_eq!(planes.len(), 3);
        let want = [(Vector3::z(), 0.0, [4.0, 3.0]), (Vector3::x(), 0.0, [3.0, 2.0]), (Vector3::z(), 0.7, [1.0, 1.0])];
        for (p, (n, d, e)) in planes.iter().zip(want) {
            assert!(p.normal.angle(&n).to_degrees() < 0.5, "{:?}", p.normal);
            assert!((p.offset - d).abs() < 0.005, "{}", p.offset);
            assert!((p.extent[0] - e[0]).abs() < 0.5 && (p.extent[1] - e[1]).abs() < 0.5, "{:?}", p.extent);
            assert!((p.axes[0].cross(&p.axes[1]) - p.normal).norm() < 1e-9);
        }
        let again = find_planes(&cloud.0, &cloud.1, &search, 7);
        assert!(planes.iter().zip(&again).all(|(a, b)| a.normal == b.normal && a.inliers == b.inliers));
    }

    #[test]
    fn survives_what_is_not_a_cloud() {
        let search = PlaneSearch { distance: 0.02, angle_deg: 20.0, min_inliers: 10, max_planes: 8 };
        assert!(find_planes(&[], &[], &search, 0).is_empty());
        assert!(find_planes(&[[f32::NAN; 3]; 50], &[[0.0; 3]; 50], &search, 0).is_empty());
        let same = find_planes(&[[1.0; 3]; 50], &[[0.0, 0.0, 1.0]; 50], &search, 0);
        assert!(same.iter().all(|p| p.normal.iter().all(|x| x.is_finite())));
    }
}
