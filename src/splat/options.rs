//! Everything that steers training, as data.

use serde::{Deserialize, Serialize};

/// A stretch of training at one resolution.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Level {
    /// Where it ends, as a share of the steps.
    pub until: f32,
    /// Images are this many times smaller.
    pub divide: u32,
}

/// Learning rates of Adam.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// Of positions, at the first step, as a share of the scene's typical viewing distance.
    pub position: f32,
    /// The same at the last step; between them it decays exponentially.
    pub position_end: f32,
    /// Of log scales.
    pub scale: f32,
    /// Of quaternions.
    pub rotation: f32,
    /// Of opacity logits.
    pub opacity: f32,
    /// Of the SH coefficients of degree 0.
    pub color: f32,
    /// Of the other SH coefficients.
    pub color_rest: f32,
    /// All but the position's fall to this share of themselves over the last third of training.
    pub end: f32,
}

/// Terms that make a surface (Holi-Spatial 2.2, from PGSR: Chen et al. 2024).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SurfaceOptions {
    /// They begin at this share of the steps.
    pub from: f32,
    /// Weight of the agreement of depth and normals in a view.
    pub normal_weight: f32,
    /// Weight of the agreement of two views in depth, per pixel of error.
    pub geo_weight: f32,
    /// Weight of the agreement of two views in grey, as 1 - NCC^2.
    pub ncc_weight: f32,
    /// Two views are compared at every so many steps, with so many times the weights.
    pub pair_every: usize,
    /// Pixels of a view that are compared with another at a step, at most.
    pub samples: usize,
    /// A view is compared with at most this many others.
    pub neighbours: usize,
    /// They look within so many degrees of its direction.
    pub max_degrees: f32,
    /// They are nearer and farther than this, in typical viewing distances.
    pub baseline: [f32; 2],
}

/// How cameras are moved while training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PoseOptions {
    /// Whether they are.
    pub refine: bool,
    /// It begins at this share of the steps.
    pub from: f32,
    /// Learning rate of centres in typical viewing distances; falls to 0 to the end of training, as does the other.
    pub translation: f32,
    /// Learning rate of rotations, radians.
    pub rotation: f32,
}

/// How Gaussians are trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainOptions {
    /// Steps, one view each.
    pub steps: usize,
    /// Seed of the order of the views.
    pub seed: u64,
    /// Never more Gaussians than this by growing.
    pub max_gaussians: usize,
    /// Share of `max_gaussians` that training begins with; from it the most rises to all of them, by the same factor at
    /// each growth, until `densify_until`. Coarse images need few, and what is split goes where the photos ask for it.
    pub seeds: f32,
    /// SH degree of the result, 0 to 3; reached one by one over the first half of training.
    pub sh_degree: usize,
    /// Coarse to fine; the last one reaches to the end.
    pub levels: Vec<Level>,
    /// Learning rates.
    pub rates: Rates,
    /// Share of 1 - SSIM in the image loss; the rest is L1.
    pub ssim_weight: f32,
    /// Weight of the depth loss at the first step, per typical viewing distance of error.
    pub depth_weight: f32,
    /// The same at the last step.
    pub depth_weight_end: f32,
    /// Weight of the shortest scale of visible Gaussians (flatness), per typical viewing distance.
    pub flat_weight: f32,
    /// Steps between prunings and growths.
    pub densify_every: usize,
    /// Growth ends at this share of the steps.
    pub densify_until: f32,
    /// At most this share of Gaussians is split at one time.
    pub grow: f32,
    /// Gaussians whose mean gradient in the image (by half image widths) is greater may be split.
    pub grow_gradient: f32,
    /// Gaussians below this opacity are removed.
    pub prune_opacity: f32,
    /// Draw with the 2D filter of Mip-Splatting.
    pub antialiased: bool,
    /// Weight of the difference of opacity, for photos that have one.
    pub alpha_weight: f32,
    /// Each photo's exposure is found from this share of the steps on; 1 for never.
    pub exposure_from: f32,
    /// Learning rate of exposures.
    pub exposure_rate: f32,
    /// Surface terms.
    pub surface: SurfaceOptions,
    /// Movement of cameras.
    pub poses: PoseOptions,
    /// PSNR is checked whenever this share of the steps is done.
    pub check_every: f32,
    /// Training stops when held-out PSNR did not rise in so many checks at full resolution; 0 for never.
    pub patience: usize,
    /// A smaller rise is none, dB.
    pub min_rise_db: f32,
}

impl TrainOptions {
    /// Defaults for `views` photos of `pixels` pixels each and a dense seed, meant for a few minutes on two cores. The
    /// rates are several times those of 3DGS, and the surface weights those of PGSR (0.015, 0.03, 0.15), whose 30,000
    /// steps leave them time.
    pub fn for_scene(views: usize, pixels: usize) -> Self {
        let steps = (views * 25).clamp(800, 3000);
        // About one Gaussian per 60 photographed pixels, as far as memory and time allow.
        let max_gaussians = (views * pixels / 60).clamp(40_000, 160_000);
        Self {
            steps,
            seed: 0,
            max_gaussians,
            seeds: 0.25,
            sh_degree: 2,
            levels: vec![
                Level { until: 0.3, divide: 4 },
                Level { until: 0.7, divide: 2 },
                Level { until: 1.0, divide: 1 },
            ],
            rates: Rates {
                position: 6e-4,
                position_end: 2e-5,
                scale: 2.5e-2,
                rotation: 8e-3,
                opacity: 0.1,
                color: 2.5e-2,
                color_rest: 6e-3,
                end: 0.2,
            },
            ssim_weight: 0.2,
            depth_weight: 2.0,
            depth_weight_end: 0.2,
            flat_weight: 1.0,
            densify_every: 50,
            densify_until: 0.65,
            grow: 0.15,
            grow_gradient: 3e-5,
            prune_opacity: 0.02,
            antialiased: false,
            alpha_weight: 0.1,
            exposure_from: 1.0,
            exposure_rate: 2e-3,
            surface: SurfaceOptions {
                from: 0.5,
                normal_weight: 0.04,
                geo_weight: 0.08,
                ncc_weight: 0.4,
                pair_every: 2,
                samples: 5000,
                neighbours: 8,
                max_degrees: 30.0,
                baseline: [0.005, 0.75],
            },
            poses: PoseOptions { refine: false, from: 0.3, translation: 1e-4, rotation: 1e-4 },
            check_every: 0.05,
            patience: 3,
            min_rise_db: 0.02,
        }
    }

    /// The most Gaussians to grow to when `done` of training is behind, 0..1; 0 once growth has ended.
    pub(super) fn most_at(&self, done: f32) -> usize {
        if !(done < self.densify_until) {
            return 0;
        }
        let left = 1.0 - done / self.densify_until;
        (self.max_gaussians as f32 * self.seeds.clamp(1e-3, 1.0).powf(left)).ceil() as usize
    }
}
