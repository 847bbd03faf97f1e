//! Ways to say which cells are alike: pieces of surface, colours, planes. What is inside a rectangle for the most part of
//! a piece is likely inside for the rest.

use super::cells::Cells;
use super::flow::STEPS;
use super::ground::apart;
use super::plane::Plane;
use nalgebra::Vector3;

/// The label of a cell that a partition says nothing of.
pub(super) const NONE: u16 = u16::MAX;
/// Colours that a window is sorted into.
const COLORS: usize = 20;
/// Rounds of finding their means.
const ROUNDS: usize = 4;
/// A label a cell.
pub(super) struct Partition {
    pub(super) labels: Vec<u16>,
    pub(super) count: usize,
    /// By label, cells of it that are outside of the window.
    pub(super) beyond: Vec<f32>,
}

/// Pieces that grow together while the parting between them is not much more than within them (Felzenszwalb &
/// Huttenlocher 2004); the greater `scale`, the greater the pieces.
pub(super) fn pieces(cells: &Cells, scale: f32) -> Partition {
    let mut edges: Vec<(f32, u32, u32)> = Vec::with_capacity(cells.len() * 2);
    for (i, parted) in cells.parted.iter().enumerate() {
        for d in 0..2 {
            if parted[d].is_finite() {
                let j = i.wrapping_add_signed(STEPS[d].1 * cells.width as isize + STEPS[d].0);
                edges.push((parted[d], i as u32, j as u32));
            }
        }
    }
    edges.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
    let mut parent: Vec<u32> = (0..cells.len() as u32).collect();
    let mut size = vec![1u32; cells.len()];
    let mut within = vec![0.0f32; cells.len()];
    let root = |parent: &mut Vec<u32>, mut i: u32| {
        while parent[i as usize] != i {
            parent[i as usize] = parent[parent[i as usize] as usize];
            i = parent[i as usize];
        }
        i as usize
    };
    for (parting, i, j) in edges {
        let (a, b) = (root(&mut parent, i), root(&mut parent, j));
        if a == b {
            continue;
        }
        let limit = |k: usize| within[k] + scale / size[k] as f32;
        if parting <= limit(a).min(limit(b)) {
            let (keep, give) = if size[a] >= size[b] { (a, b) } else { (b, a) };
            parent[give] = keep as u32;
            size[keep] += size[give];
            within[keep] = parting;
        }
    }
    let mut names = vec![NONE; cells.len()];
    let mut count = 0usize;
    let labels = (0..cells.len() as u32)
        .map(|i| {
            let r = root(&mut parent, i);
            if names[r] == NONE && count < usize::from(NONE) {
                names[r] = count as u16;
                count += 1;
            }
            names[r]
        })
        .collect();
    Partition { labels, count, beyond: vec![0.0; count] }
}

/// Cells by colour: k-means from seeds that are far from each other.
pub(super) fn colors(cells: &Cells) -> Partition {
    let some: Vec<[f32; 3]> = cells.lab.iter().step_by((cells.len() / 1500).max(1)).copied().collect();
    let mut means = vec![some.first().copied().unwrap_or_default()];
    let mut nearest: Vec<f32> = vec![f32::INFINITY; some.len()];
    while means.len() < COLORS {
        let last = means[means.len() - 1];
        nearest.iter_mut().zip(&some).for_each(|(d, c)| *d = d.min(apart(c, &last)));
        let far = (0..some.len()).max_by(|a, b| nearest[*a].total_cmp(&nearest[*b]).then(b.cmp(a)));
        match far.filter(|f| nearest[*f] > 1.0) {
            Some(f) => means.push(some[f]),
            None => break,
        }
    }
    let closest = |means: &[[f32; 3]], c: &[f32; 3]| {
        let by = |k: &usize, l: &usize| apart(&means[*k], c).total_cmp(&apart(&means[*l], c));
        (0..means.len()).min_by(by).unwrap_or(0)
    };
    for _ in 0..ROUNDS {
        let mut sums = vec![([0.0f32; 3], 0.0f32); means.len()];
        for c in &some {
            let s = &mut sums[closest(&means, c)];
            (0..3).for_each(|k| s.0[k] += c[k]);
            s.1 += 1.0;
        }
        for (m, s) in means.iter_mut().zip(sums).filter(|(_, s)| s.1 > 0.0) {
            *m = s.0.map(|x| x / s.1);
        }
    }
    let labels = cells.lab.iter().map(|c| closest(&means, c) as u16).collect();
    Partition { labels, count: means.len(), beyond: vec![0.0; means.len()] }
}

/// Cells by the large planes that they lie on, whether they hang together or not: the floor between the legs of a chair
/// is the floor around it.
pub(super) fn planes(cells: &Cells, planes: &[Plane]) -> Partition {
    let mut count = vec![0.0f32; planes.len()];
    let mut on = |p: &Option<(Vector3<f32>, Vector3<f32>)>| {
        let k = p.and_then(|(p, n)| planes.iter().position(|plane| plane.holds(&p, &n)))?;
        count[k] += 1.0;
        Some(k as u16)
    };
    let labels = cells.points.iter().map(|p| on(p).unwrap_or(NONE)).collect();
    let per_cell = 1.0 / (cells.step * cells.step) as f32;
    let beyond = planes.iter().zip(count).map(|(p, n)| (p.pixels * per_cell - n).max(0.0)).collect();
    Partition { labels, count: planes.len(), beyond }
}

/// Cells by plane and colour at once. What is known of a plane outside of the window is shared out as its colours are
/// outside of the rectangle (`inside` = within it).
pub(super) fn both(planes: &Partition, colors: &Partition, inside: &[bool]) -> Partition {
    let name = |k: u16, c: u16| k * colors.count as u16 + c;
    let pairs = planes.labels.iter().zip(&colors.labels);
    let labels: Vec<u16> = pairs.map(|(k, c)| if *k == NONE { NONE } else { name(*k, *c) }).collect();
    let count = planes.count * colors.count;
    let (mut outside, mut all) = (vec![0.0f32; count], vec![0.0f32; planes.count]);
    for ((label, k), _) in labels.iter().zip(&planes.labels).zip(inside).filter(|l| *l.0.0 != NONE && !l.1) {
        outside[usize::from(*label)] += 1.0;
        all[usize::from(*k)] += 1.0;
    }
    let beyond = (0..count).map(|l| {
        let k = l / colors.count;
        planes.beyond[k] * outside[l] / all[k].max(1.0)
    });
    Partition { labels, count, beyond: beyond.collect() }
}
