//! Regions of like colour, by the graph-based segmentation of Felzenszwalb & Huttenlocher 2004.

use image::RgbImage;

/// Scale of observation, on colour differences of 0..441: larger gives larger regions.
const SCALE: f32 = 250.0;
/// Smaller regions are merged into a neighbour, pixels.
const MIN_SIZE: u32 = 24;

/// A partition of an image's pixels.
pub(super) struct Segments {
    /// Region of each pixel, row-major, numbered from 0 in order of first appearance.
    pub label: Vec<u32>,
    /// Mean colour of each region.
    pub color: Vec<[f32; 3]>,
    /// Pairs of regions that touch, both ways round, ascending.
    pub touching: Vec<(u32, u32)>,
}

/// Disjoint sets of pixels; the lower index is the root.
struct Sets {
    parent: Vec<u32>,
    size: Vec<u32>,
    /// Largest difference inside the set.
    inside: Vec<f32>,
}

impl Sets {
    fn root(&mut self, mut i: u32) -> u32 {
        while self.parent[i as usize] != i {
            self.parent[i as usize] = self.parent[self.parent[i as usize] as usize];
            i = self.parent[i as usize];
        }
        i
    }

    fn join(&mut self, a: u32, b: u32, difference: f32) {
        let (low, high) = (a.min(b) as usize, a.max(b) as usize);
        self.parent[high] = low as u32;
        self.size[low] += self.size[high];
        self.inside[low] = self.inside[low].max(self.inside[high]).max(difference);
    }
}

/// Segments an image.
pub(super) fn segments(image: &RgbImage) -> Segments {
    let (w, h) = (image.width() as usize, image.height() as usize);
    let rgb: Vec<[f32; 3]> = image.pixels().map(|p| p.0.map(f32::from)).collect();
    let mut edges: Vec<(f32, u32, u32)> = Vec::with_capacity(4 * w * h);
    for y in 0..h {
        for x in 0..w {
            let i = y * w + x;
            let mut add = |j: usize| {
                let d: f32 = (0..3).map(|c| (rgb[i][c] - rgb[j][c]).powi(2)).sum();
                edges.push((d.sqrt(), i as u32, j as u32));
            };
            if x + 1 < w {
                add(i + 1);
            }
            if y + 1 < h {
                add(i + w);
                if x + 1 < w {
                    add(i + w + 1);
                }
                if x > 0 {
                    add(i + w - 1);
                }
            }
        }
    }
    edges.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let n = w * h;
    let mut sets = Sets { parent: (0..n as u32).collect(), size: vec![1; n], inside: vec![0.0; n] };
    for &(d, a, b) in &edges {
        let (a, b) = (sets.root(a), sets.root(b));
        let limit = |s: &Sets, i: u32| s.inside[i as usize] + SCALE / s.size[i as usize] as f32;
        if a != b && d <= limit(&sets, a).min(limit(&sets, b)) {
            sets.join(a, b, d);
        }
    }
    for &(d, a, b) in &edges {
        let (a, b) = (sets.root(a), sets.root(b));
        if a != b && sets.size[a as usize].min(sets.size[b as usize]) < MIN_SIZE {
            sets.join(a, b, d);
        }
    }
    number(&rgb, &mut sets, &edges)
}

/// Numbers the regions and gathers what is known of each.
fn number(rgb: &[[f32; 3]], sets: &mut Sets, edges: &[(f32, u32, u32)]) -> Segments {
    let n = rgb.len();
    let (mut of_root, mut label) = (vec![u32::MAX; n], Vec::with_capacity(n));
    let mut sums: Vec<([f32; 3], f32)> = Vec::new();
    for i in 0..n {
        let root = sets.root(i as u32) as usize;
        if of_root[root] == u32::MAX {
            of_root[root] = sums.len() as u32;
            sums.push(([0.0; 3], 0.0));
        }
        let s = &mut sums[of_root[root] as usize];
        for c in 0..3 {
            s.0[c] += rgb[i][c];
        }
        s.1 += 1.0;
        label.push(of_root[root]);
    }
    let mut touching: Vec<(u32, u32)> = edges
        .iter()
        .map(|(_, a, b)| (label[*a as usize], label[*b as usize]))
        .filter(|(a, b)| a != b)
        .flat_map(|(a, b)| [(a, b), (b, a)])
        .collect();
    touching.sort_unstable();
    touching.dedup();
    Segments { label, color: sums.iter().map(|(c, n)| c.map(|v| v / n)).collect(), touching }
}
