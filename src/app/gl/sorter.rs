//! Depth order and colours of splats, on their own thread: always for the latest camera asked for.

use crate::scene::{Gaussians, SH_C0, SparsePoint};
use arc_swap::ArcSwapOption;
use crossbeam_channel::Sender;
use nalgebra::{Isometry3, Quaternion, UnitQuaternion};
use rayon::prelude::*;
use std::sync::Arc;

/// What is drawn: splats, or points as tiny splats.
#[derive(Clone)]
pub(in crate::app) enum Cloud {
    /// Splats.
    Splats(Arc<Gaussians>),
    /// Sparse points.
    Points(Arc<crate::scene::Sparse>),
}

impl Cloud {
    /// Whether both are the very same data.
    pub(in crate::app) fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Splats(a), Self::Splats(b)) => Arc::ptr_eq(a, b),
            (Self::Points(a), Self::Points(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }

    /// Variance in square points that each gets: points are dots, splats only must not fall between pixels.
    pub(in crate::app) fn blur(&self) -> f32 {
        if matches!(self, Self::Splats(_)) { 0.3 } else { 1.1 }
    }
}

/// A cloud as the shader reads it.
pub(super) struct Packed {
    /// Of what.
    cloud: Cloud,
    /// Three texels per splat: mean, opacity; covariance xx xy xz yy; covariance yz zz 0 0.
    pub texels: Vec<[f32; 4]>,
    means: Vec<[f32; 3]>,
}

/// Splats in a row of the texture.
pub(super) const PER_ROW: usize = 1024;

/// A cloud in the order for one camera.
pub(in crate::app) struct Sorted {
    pub(super) packed: Arc<Packed>,
    /// World-to-camera that it is for.
    pub w2c: Isometry3<f64>,
    /// Indices, the farthest first.
    pub(super) order: Vec<u32>,
    /// RGB in that order.
    pub(super) colors: Vec<[u8; 4]>,
}

impl Sorted {
    /// Which cloud.
    pub(in crate::app) fn cloud(&self) -> &Cloud {
        &self.packed.cloud
    }
}

/// The thread. It ends when this is dropped.
pub(in crate::app) struct Sorter {
    jobs: Sender<(Cloud, Isometry3<f64>)>,
    latest: Arc<ArcSwapOption<Sorted>>,
}

impl Sorter {
    /// Starts the thread; `wake` is called after each result.
    pub(in crate::app) fn new(wake: impl Fn() + Send + 'static) -> Self {
        let (jobs, asked) = crossbeam_channel::unbounded::<(Cloud, Isometry3<f64>)>();
        let latest = Arc::new(ArcSwapOption::empty());
        let out = Arc::clone(&latest);
        std::thread::spawn(move || {
            let mut packed: Option<Arc<Packed>> = None;
            while let Ok(mut job) = asked.recv() {
                while let Ok(newer) = asked.try_recv() {
                    job = newer;
                }
                let (cloud, w2c) = job;
                let known = packed.take().filter(|p| p.cloud.same(&cloud));
                let p = known.unwrap_or_else(|| Arc::new(pack(&cloud)));
                out.store(Some(Arc::new(sort(&p, &w2c))));
                packed = Some(p);
                wake();
            }
        });
        Self { jobs, latest }
    }

    /// Asks for a cloud in the order for a camera.
    pub(in crate::app) fn ask(&self, cloud: &Cloud, w2c: &Isometry3<f64>) {
        // The thread lives as long as this sender.
        let _ = self.jobs.send((cloud.clone(), *w2c));
    }

    /// The latest result.
    pub(in crate::app) fn latest(&self) -> Option<Arc<Sorted>> {
        self.latest.load_full()
    }
}

fn pack(cloud: &Cloud) -> Packed {
    let (mut texels, means): (Vec<[f32; 4]>, Vec<[f32; 3]>) = match cloud {
        Cloud::Splats(g) => {
            ((0..g.len()).into_par_iter().flat_map_iter(|i| splat_texels(g, i)).collect(), g.means.clone())
        }
        Cloud::Points(s) => {
            let mean = |p: &SparsePoint| [p.position.x as f32, p.position.y as f32, p.position.z as f32];
            let texels = s.points.iter().flat_map(|p| {
                let [x, y, z] = mean(p);
                [[x, y, z, 0.95], [0.0; 4], [0.0; 4]]
            });
            (texels.collect(), s.points.iter().map(mean).collect())
        }
    };
    texels.resize(means.len().div_ceil(PER_ROW).max(1) * PER_ROW * 3, [0.0; 4]);
    Packed { cloud: cloud.clone(), texels, means }
}

/// Mean, opacity and covariance R S S R^T (Kerbl et al. 2023, eq. 6) of a Gaussian. A broken one gets opacity 0.
fn splat_texels(g: &Gaussians, i: usize) -> [[f32; 4]; 3] {
    let [x, y, z] = g.means[i];
    let [w, qx, qy, qz] = g.quats[i];
    let r = UnitQuaternion::from_quaternion(Quaternion::new(w, qx, qy, qz)).to_rotation_matrix();
    let mut m = r.into_inner();
    for k in 0..3 {
        let s = g.log_scales[i][k].exp();
        m.column_mut(k).scale_mut(s);
    }
    let c = m * m.transpose();
    let opacity = 1.0 / (1.0 + (-g.opacity_logits[i]).exp());
    let texels = [[x, y, z, opacity], [c[(0, 0)], c[(0, 1)], c[(0, 2)], c[(1, 1)]], [c[(1, 2)], c[(2, 2)], 0.0, 0.0]];
    if texels.iter().flatten().all(|v| v.is_finite()) { texels } else { [[0.0; 4]; 3] }
}

fn sort(packed: &Arc<Packed>, w2c: &Isometry3<f64>) -> Sorted {
    let ahead = w2c.rotation.inverse() * nalgebra::Vector3::z();
    let ahead = [ahead.x as f32, ahead.y as f32, ahead.z as f32];
    let eye = w2c.inverse().translation.vector;
    let eye = [eye.x as f32, eye.y as f32, eye.z as f32];
    let mut keys: Vec<u64> = packed
        .means
        .par_iter()
        .enumerate()
        .filter_map(|(i, m)| {
            let depth: f32 = (0..3).map(|k| (m[k] - eye[k]) * ahead[k]).sum();
            // Positive floats sort as their bits; the farthest shall come first.
            (depth > 0.0).then(|| u64::from(!depth.to_bits()) << 32 | i as u64)
        })
        .collect();
    keys.par_sort_unstable();
    let order: Vec<u32> = keys.par_iter().map(|k| *k as u32).collect();
    let colors = order.par_iter().map(|i| color(&packed.cloud, *i as usize, &eye)).collect();
    Sorted { packed: Arc::clone(packed), w2c: *w2c, order, colors }
}

/// Colour of a splat as seen from `eye`, sRGB.
fn color(cloud: &Cloud, i: usize, eye: &[f32; 3]) -> [u8; 4] {
    match cloud {
        Cloud::Splats(g) => {
            let d = nalgebra::Vector3::from_fn(|k, _| g.means[i][k] - eye[k]);
            let rgb = sh_color(g.sh_of(i), d / d.norm().max(1e-12));
            let byte = |x: f32| (x * 255.0).round().clamp(0.0, 255.0) as u8;
            [byte(rgb[0]), byte(rgb[1]), byte(rgb[2]), 255]
        }
        Cloud::Points(s) => {
            let [r, g, b] = s.points[i].color;
            [r, g, b, 255]
        }
    }
}

/// 0.5 + the real spherical harmonics of the direction times their coefficients, in the order and with the signs of
/// 3DGS (Kerbl et al. 2023; the basis of Ramamoorthi and Hanrahan 2001 with the Condon-Shortley phase).
fn sh_color(sh: &[[f32; 3]], d: nalgebra::Vector3<f32>) -> [f32; 3] {
    let (x, y, z) = (d.x, d.y, d.z);
    let (xx, yy, zz) = (x * x, y * y, z * z);
    let basis = [
        SH_C0,
        -0.488_602_5 * y,
        0.488_602_5 * z,
        -0.488_602_5 * x,
        1.092_548_4 * x * y,
        -1.092_548_4 * y * z,
        0.315_391_57 * (2.0 * zz - xx - yy),
        -1.092_548_4 * x * z,
        0.546_274_2 * (xx - yy),
        -0.590_043_6 * y * (3.0 * xx - yy),
        2.890_611_4 * x * y * z,
        -0.457_045_8 * y * (4.0 * zz - xx - yy),
        0.373_176_33 * z * (2.0 * zz - 3.0 * xx - 3.0 * yy),
        -0.457_045_8 * x * (4.0 * zz - xx - yy),
        1.445_305_7 * z * (xx - yy),
        -0.590_043_6 * x * (xx - 3.0 * yy),
    ];
    let mut rgb = [0.5; 3];
    for (b, c) in basis.iter().zip(sh) {
        for k in 0..3 {
            rgb[k] += b * c[k];
        }
    }
    rgb
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cloud() -> Arc<Gaussians> {
        Arc::new(Gaussians {
            means: vec![[0.0, 0.0, 1.0], [0.0, 0.0, 3.0], [0.0, 0.0, -1.0], [1.0, 0.0, 2.0], [f32::NAN; 3]],
            log_scales: vec![[0.0, 1.0, 2.0]; 5],
            quats: vec![[2.0, 0.0, 0.0, 0.0]; 5],
            opacity_logits: vec![0.0; 5],
            sh_degree: 0,
            sh: vec![[0.0, 0.5 / SH_C0, -0.5 / SH_C0]; 5],
            antialiased: false,
        })
    }

    #[test]
    fn the_farthest_comes_first_and_what_is_behind_not_at_all() {
        let packed = Arc::new(pack(&Cloud::Splats(cloud())));
        let sorted = sort(&packed, &Isometry3::identity());
        assert_eq!(sorted.order, [1, 3, 0]);
        assert_eq!(sorted.colors[0], [128, 255, 0, 255]);
        let turned = Isometry3::rotation(nalgebra::Vector3::y() * std::f64::consts::PI);
        assert_eq!(sort(&packed, &turned).order, [2]);
    }

    #[test]
    fn covariance_follows_the_rotation() {
        let mut g = (*cloud()).clone();
        let t = splat_texels(&g, 0);
        let e = std::f32::consts::E;
        assert!((t[1][0] - 1.0).abs() < 1e-5 && (t[1][3] - e * e).abs() < 1e-4 && (t[2][1] - e.powi(4)).abs() < 1e-3);
        assert!((t[0][3] - 0.5).abs() < 1e-6);
        // A quarter turn about x swaps y and z.
        g.quats[0] = [1.0, 1.0, 0.0, 0.0];
        let t = splat_texels(&g, 0);
        assert!((t[1][3] - e.powi(4)).abs() < 1e-3 && (t[2][1] - e * e).abs() < 1e-4);
        assert_eq!(splat_texels(&g, 4), [[0.0; 4]; 3], "no NaN reaches the GPU");
    }

    #[test]
    fn the_thread_answers_for_the_latest() {
        let (sender, woken) = crossbeam_channel::unbounded();
        let sorter = Sorter::new(move || {
            let _ = sender.send(());
        });
        let c = Cloud::Splats(cloud());
        let last = Isometry3::translation(0.0, 0.0, 5.0);
        for pose in [Isometry3::identity(), last] {
            sorter.ask(&c, &pose);
        }
        while sorter.latest().is_none_or(|s| s.w2c != last) {
            woken.recv_timeout(std::time::Duration::from_secs(20)).unwrap();
        }
    }

    #[test]
    fn first_degree_points_where_it_should() {
        let mut sh = [[0.0f32; 3]; 4];
        sh[2] = [1.0; 3];
        let up = sh_color(&sh, nalgebra::Vector3::z());
        assert!((up[0] - 0.988_602_5).abs() < 1e-6);
        sh = [[0.0; 3]; 4];
        sh[3] = [1.0; 3];
        assert!((sh_color(&sh, nalgebra::Vector3::x())[0] - (0.5 - 0.488_602_5)).abs() < 1e-6);
    }
}
