//! Which Gaussians a ray may meet, without asking each of them: blocks of neighbours with the box around them.

use crate::scene::Gaussians;
use nalgebra::{Point3, Vector3};
use std::sync::Arc;

/// Gaussians in a block: few enough to ask each, many enough that the boxes fit the cache.
const BLOCK: usize = 256;

/// Standard deviations that a Gaussian reaches, as far as a ray is concerned.
pub(super) const REACH: f32 = 3.0;

/// Blocks of a cloud.
pub(super) struct PickIndex {
    cloud: Arc<Gaussians>,
    /// Indices of the Gaussians, neighbours together.
    order: Vec<u32>,
    /// Least and largest corner of each block of [`BLOCK`] of them, reach included.
    boxes: Vec<[[f32; 3]; 2]>,
}

impl PickIndex {
    /// Takes some tenths of a second for a million of them.
    pub(super) fn new(cloud: Arc<Gaussians>) -> Self {
        let key = cells(&cloud.means);
        let mut order: Vec<u32> = (0..cloud.means.len() as u32).collect();
        order.sort_by_key(|i| key[*i as usize]);
        let around = |block: &[u32]| {
            let mut corners = [[f32::INFINITY; 3], [f32::NEG_INFINITY; 3]];
            for i in block.iter().map(|i| *i as usize) {
                let reach = REACH * cloud.log_scales[i].iter().fold(f32::MIN, |a, b| a.max(*b)).exp();
                for k in 0..3 {
                    corners[0][k] = corners[0][k].min(cloud.means[i][k] - reach);
                    corners[1][k] = corners[1][k].max(cloud.means[i][k] + reach);
                }
            }
            corners
        };
        let boxes = order.chunks(BLOCK).map(around).collect();
        Self { cloud, order, boxes }
    }

    /// Whether it is of this cloud.
    pub(super) fn is_of(&self, cloud: &Arc<Gaussians>) -> bool {
        Arc::ptr_eq(&self.cloud, cloud)
    }

    /// Indices of the Gaussians in the blocks that a ray meets; every one that it comes within reach of is among them.
    pub(super) fn near<'a>(&'a self, eye: &Point3<f32>, ahead: &Vector3<f32>) -> impl Iterator<Item = usize> + 'a {
        let (eye, inverse) = (*eye, ahead.map(|x| 1.0 / x));
        let blocks = self.order.chunks(BLOCK).zip(&self.boxes);
        let met = blocks.filter(move |(_, b)| meets(b, &eye, &inverse));
        met.flat_map(|(block, _)| block.iter().map(|i| *i as usize))
    }
}

/// Whether a ray meets a box: the slabs (Kay and Kajiya 1986); `inverse` is one over its direction.
fn meets([low, high]: &[[f32; 3]; 2], eye: &Point3<f32>, inverse: &Vector3<f32>) -> bool {
    let (mut near, mut far) = (0.0f32, f32::INFINITY);
    for k in 0..3 {
        // min and max pass over what is no number: an eye in the plane of a slab that the ray runs along.
        let (a, b) = ((low[k] - eye[k]) * inverse[k], (high[k] - eye[k]) * inverse[k]);
        near = near.max(a.min(b));
        far = far.min(a.max(b));
    }
    near <= far
}

/// For each point the number of its cell along a curve that keeps neighbours together (Morton 1966), 10 bits an axis.
fn cells(points: &[[f32; 3]]) -> Vec<u32> {
    let end = |k: usize, f: fn(f32, f32) -> f32, start: f32| points.iter().map(|p| p[k]).fold(start, f);
    let low: [f32; 3] = std::array::from_fn(|k| end(k, f32::min, f32::INFINITY));
    let high: [f32; 3] = std::array::from_fn(|k| end(k, f32::max, f32::NEG_INFINITY));
    let spread = |x: u32| (0..10).fold(0, |out, bit| out | ((x >> bit) & 1) << (3 * bit));
    let cell = |p: &[f32; 3]| {
        (0..3).fold(0, |out, k| {
            let share = (p[k] - low[k]) / (high[k] - low[k]).max(1e-30);
            out | spread((share * 1023.0) as u32 & 1023) << k
        })
    };
    points.iter().map(cell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_gaussian_within_reach_of_a_ray_is_near() {
        let mut rng = fastrand::Rng::with_seed(3);
        let mut uniform = |scale: f32| (rng.f32() - 0.5) * scale;
        let n = 3000;
        let means: Vec<[f32; 3]> = (0..n).map(|_| [uniform(8.0), uniform(8.0), uniform(2.0)]).collect();
        let log_scales: Vec<[f32; 3]> = (0..n).map(|_| [uniform(2.0) - 3.0, uniform(2.0) - 3.0, -9.0]).collect();
        let cloud = Arc::new(Gaussians {
            means: means.clone(),
            log_scales: log_scales.clone(),
            quats: vec![[1.0, 0.0, 0.0, 0.0]; n],
            opacity_logits: vec![0.0; n],
            sh_degree: 0,
            sh: vec![[0.0; 3]; n],
            antialiased: false,
        });
        let index = PickIndex::new(Arc::clone(&cloud));
        assert!(index.is_of(&cloud));
        let mut asked = 0;
        for turn in 0..40 {
            let eye = Point3::new(uniform(4.0), uniform(4.0), if turn == 0 { means[0][2] } else { uniform(3.0) });
            // Along an axis too: one over the direction is infinite there.
            let ahead =
                if turn < 3 { Vector3::ith(turn, 1.0) } else { Vector3::from_fn(|_, _| uniform(2.0)).normalize() };
            let near: std::collections::BTreeSet<usize> = index.near(&eye, &ahead).collect();
            asked += near.len();
            for i in 0..n {
                let to = Point3::from(means[i]) - eye;
                let reach = REACH * log_scales[i][0].max(log_scales[i][1]).exp();
                let t = to.dot(&ahead).max(0.0);
                if (to - ahead * t).norm() < reach * 0.999 {
                    assert!(near.contains(&i), "turn {turn}: {i}");
                }
            }
        }
        assert!(asked < 40 * n * 3 / 4, "most rays pass most blocks: {asked}");
    }

    #[test]
    fn an_empty_cloud_is_met_by_no_ray() {
        let index = PickIndex::new(Arc::new(Gaussians::default()));
        assert_eq!(index.near(&Point3::origin(), &Vector3::x()).count(), 0);
    }
}
