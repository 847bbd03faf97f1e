//! Mutual nearest neighbours of unit descriptors.

/// Scales each descriptor of length `dim` to length 1; one that is zero or not finite becomes zero.
pub(super) fn normalise(descriptors: &mut [f32], dim: usize) {
    for d in descriptors.chunks_exact_mut(dim.max(1)) {
        let length = d.iter().map(|v| v * v).sum::<f32>().sqrt();
        let scale = if length.is_finite() && length > 1e-12 { 1.0 / length } else { 0.0 };
        d.iter_mut().for_each(|v| *v = if scale > 0.0 { *v * scale } else { 0.0 });
    }
}

/// Pairs that are each other's nearest, and whose cosine is above `least`; ascending in the first. Of equals the first
/// counts.
pub(super) fn mutual(a: &[f32], b: &[f32], dim: usize, least: f32) -> Vec<(u32, u32)> {
    if dim == 0 || a.len() < dim || b.len() < dim {
        return Vec::new();
    }
    let mut best_of_b = vec![(f32::NEG_INFINITY, 0u32); b.len() / dim];
    let mut best_of_a = Vec::with_capacity(a.len() / dim);
    for (i, query) in a.chunks_exact(dim).enumerate() {
        let mut best = (f32::NEG_INFINITY, 0u32);
        for (j, train) in b.chunks_exact(dim).enumerate() {
            let dot = dot(query, train);
            if dot > best.0 {
                best = (dot, j as u32);
            }
            if dot > best_of_b[j].0 {
                best_of_b[j] = (dot, i as u32);
            }
        }
        best_of_a.push(best);
    }
    let pairs = best_of_a.iter().enumerate().map(|(i, (dot, j))| (*dot, i as u32, *j));
    pairs.filter(|(dot, i, j)| *dot > least && best_of_b[*j as usize].1 == *i).map(|(_, i, j)| (i, j)).collect()
}

/// Eight sums side by side, so that the compiler uses vector instructions and the order is always the same.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 8];
    let (x, y) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = x.remainder().iter().zip(y.remainder()).map(|(p, q)| p * q).sum();
    for (p, q) in x.zip(y) {
        for k in 0..8 {
            sums[k] += p[k] * q[k];
        }
    }
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_mutual_and_alike_descriptors_match() {
        let mut a = vec![3.0, 0.0, 0.0, 2.0, 0.6, 0.8, f32::NAN, 1.0];
        let mut b = vec![0.0, 1.0, 1.0, 0.1, -1.0, 0.0];
        normalise(&mut a, 2);
        normalise(&mut b, 2);
        assert_eq!(&a[..4], [1.0, 0.0, 0.0, 1.0]);
        assert_eq!(&a[6..], [0.0, 0.0]);
        // The third of a is nearest to the first of b (0.8), whose nearest is the second of a.
        assert_eq!(mutual(&a, &b, 2, 0.82), [(0, 1), (1, 0)]);
        assert_eq!(mutual(&a, &b, 2, 0.999), [(1, 0)]);
        assert_eq!(mutual(&[], &b, 2, 0.0), []);
    }

    #[test]
    fn the_dot_product_takes_every_number() {
        let v: Vec<f32> = (1..=19).map(|k| k as f32).collect();
        assert_eq!(dot(&v, &v), (19 * 20 * 39 / 6) as f32);
    }
}
