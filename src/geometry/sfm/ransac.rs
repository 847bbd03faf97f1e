//! LO-RANSAC with the MSAC score (Chum, Matas & Kittler 2003; Torr & Zisserman 2000).

/// What RANSAC needs of a problem.
pub(super) trait Estimator {
    /// What is estimated.
    type Model: Clone;
    /// Data in a minimal sample.
    const SAMPLE: usize;
    /// Number of data.
    fn len(&self) -> usize;
    /// Appends every model that fits the minimal `sample`.
    fn solve(&self, sample: &[usize], out: &mut Vec<Self::Model>);
    /// Squared residual of datum `i`; infinite where it cannot fit.
    fn residual2(&self, model: &Self::Model, i: usize) -> f64;
    /// The model refined on the data `inliers`.
    fn refine(&self, model: &Self::Model, inliers: &[usize]) -> Option<Self::Model>;
}

/// The best model and the data that fit it, ascending.
pub(super) struct Fit<M> {
    pub(super) model: M,
    pub(super) inliers: Vec<usize>,
}

/// Sum of squared residuals, each at most `limit2`; stops once above `stop`.
fn msac<E: Estimator>(e: &E, model: &E::Model, limit2: f64, stop: f64) -> f64 {
    let mut sum = 0.0;
    for i in 0..e.len() {
        let r2 = e.residual2(model, i);
        sum += if r2 < limit2 { r2 } else { limit2 };
        if sum > stop {
            break;
        }
    }
    sum
}

/// Data that fit `model` within the squared threshold.
pub(super) fn inliers_of<E: Estimator>(e: &E, model: &E::Model, limit2: f64) -> Vec<usize> {
    (0..e.len()).filter(|i| e.residual2(model, *i) < limit2).collect()
}

/// Trials that find an all-inlier sample of `size` with probability 0.99 at the inlier ratio `ratio`.
fn trials_needed(ratio: f64, size: usize) -> f64 {
    let good = ratio.powi(size as i32).clamp(0.0, 1.0 - 1e-9);
    if good < 1e-12 { f64::INFINITY } else { (1e-2f64).ln() / (1.0 - good).ln() }
}

/// Best model for the data, with residuals at most `limit` for inliers; `None` where no sample gives one.
pub(super) fn ransac<E: Estimator>(e: &E, limit: f64, max_trials: usize, seed: u64) -> Option<Fit<E::Model>> {
    let n = e.len();
    if n < E::SAMPLE {
        return None;
    }
    let limit2 = limit * limit;
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut best: Option<(E::Model, f64)> = None;
    let mut needed = max_trials as f64;
    let (mut sample, mut models) = (vec![0usize; E::SAMPLE], Vec::new());
    let mut trial = 0;
    while (trial as f64) < needed {
        trial += 1;
        for k in 0..E::SAMPLE {
            sample[k] = loop {
                let pick = rng.usize(0..n);
                if !sample[..k].contains(&pick) {
                    break pick;
                }
            };
        }
        models.clear();
        e.solve(&sample, &mut models);
        for model in &models {
            let bar = best.as_ref().map_or(f64::INFINITY, |b| b.1);
            let score = msac(e, model, limit2, bar);
            if score >= bar {
                continue;
            }
            let mut top = (model.clone(), score);
            for _ in 0..2 {
                let inliers = inliers_of(e, &top.0, limit2);
                let Some(refined) = e.refine(&top.0, &inliers) else { break };
                let score = msac(e, &refined, limit2, top.1);
                if score >= top.1 {
                    break;
                }
                top = (refined, score);
            }
            let ratio = inliers_of(e, &top.0, limit2).len() as f64 / n as f64;
            needed = trials_needed(ratio, E::SAMPLE).max(8.0).min(max_trials as f64);
            best = Some(top);
        }
    }
    let (mut model, mut score) = best?;
    for _ in 0..4 {
        let inliers = inliers_of(e, &model, limit2);
        let Some(refined) = e.refine(&model, &inliers) else { break };
        let next = msac(e, &refined, limit2, score);
        if next >= score {
            break;
        }
        (model, score) = (refined, next);
    }
    let inliers = inliers_of(e, &model, limit2);
    Some(Fit { model, inliers })
}
