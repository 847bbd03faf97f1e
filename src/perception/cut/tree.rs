//! Pieces of a photo merged two by two, those with the weakest edge between them first: a thing is a piece that is long
//! in merging with what is around it (as in ultrametric contour maps, Arbelaez 2006).

use super::cells::Cells;
use super::flow::STEPS;
use super::partition::{self, NONE};
use super::plane::Plane;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// Scale of the pieces to begin with.
const SCALE: f32 = 1.0;
/// Cells of the smaller of two pieces that are half a piece: slivers merge with anything.
const SLIVER: f32 = 6.0;
/// How much an edge to floor, wall or ceiling is stronger, 0..1.
const ROOM: f32 = 0.35;
/// Levels are compared as whole numbers, this many to one.
const FINE: f32 = 1e6;

/// A node's place in the tree.
#[derive(Clone, Copy, Debug)]
struct Node {
    parent: Option<u32>,
    /// Strength of the edge that was given up to make it; 0 for the first pieces.
    level: f32,
    size: f32,
    room: f32,
}

/// All merges, from pieces to the whole window.
pub(super) struct Tree {
    leaves: Vec<u16>,
    nodes: Vec<Node>,
}

/// A piece that could be a thing.
#[derive(Clone, Debug)]
pub(super) struct Region {
    pub(super) inside: Vec<bool>,
    pub(super) cells: usize,
    /// Strength of the strongest edge within, and of the weakest around, 0..1.
    pub(super) within: f32,
    pub(super) around: f32,
}

impl Tree {
    /// Merges the pieces of a window.
    pub(super) fn of(cells: &Cells, planes: &[Plane]) -> Self {
        let on = partition::planes(cells, planes).labels;
        let is_room = |i: usize| planes.get(usize::from(on[i])).is_some_and(|p| p.is_room);
        let pieces = partition::pieces(cells, SCALE);
        let blank = Node { parent: None, level: 0.0, size: 0.0, room: 0.0 };
        let mut nodes = vec![blank; pieces.count];
        let mut edges: Vec<BTreeMap<u32, (f32, f32)>> = vec![BTreeMap::new(); pieces.count];
        for (i, label) in pieces.labels.iter().enumerate().filter(|l| *l.1 != NONE) {
            let node = &mut nodes[usize::from(*label)];
            node.size += 1.0;
            node.room += f32::from(u8::from(is_room(i)));
            for d in 0..2 {
                if !cells.parted[i][d].is_finite() {
                    continue;
                }
                let j = i.wrapping_add_signed(STEPS[d].1 * cells.width as isize + STEPS[d].0);
                let (a, b) = (*label, pieces.labels[j]);
                if a != b && b != NONE {
                    for (a, b) in [(a, b), (b, a)] {
                        let e = edges[usize::from(a)].entry(u32::from(b)).or_default();
                        *e = (e.0 + cells.strength[i][d], e.1 + 1.0);
                    }
                }
            }
        }
        let mut out = Self { leaves: pieces.labels, nodes };
        out.merge(edges);
        out
    }

    /// Strength of the edge between two pieces.
    fn level(&self, a: u32, b: u32, edge: (f32, f32)) -> f32 {
        let (a, b) = (&self.nodes[a as usize], &self.nodes[b as usize]);
        let small = a.size.min(b.size);
        let differ = (a.room / a.size - b.room / b.size).abs();
        (edge.0 / edge.1 * (1.0 - ROOM) + ROOM * differ) * small / (small + SLIVER)
    }

    fn merge(&mut self, mut edges: Vec<BTreeMap<u32, (f32, f32)>>) {
        let mut queue = BinaryHeap::new();
        let key = |level: f32| Reverse((level * FINE) as u32);
        for (a, around) in edges.iter().enumerate() {
            let more = around.iter().filter(|(b, _)| **b > a as u32);
            queue.extend(more.map(|(b, e)| (key(self.level(a as u32, *b, *e)), a as u32, *b)));
        }
        while let Some((Reverse(level), a, b)) = queue.pop() {
            if [a, b].iter().any(|k| self.nodes[*k as usize].parent.is_some()) {
                continue;
            }
            let new = self.nodes.len() as u32;
            let [x, y] = [a, b].map(|k| self.nodes[k as usize]);
            let level = (level as f32 / FINE).max(x.level).max(y.level);
            self.nodes.push(Node { parent: None, level, size: x.size + y.size, room: x.room + y.room });
            let mut around: BTreeMap<u32, (f32, f32)> = BTreeMap::new();
            for k in [a, b] {
                self.nodes[k as usize].parent = Some(new);
                for (c, e) in std::mem::take(&mut edges[k as usize]) {
                    if c != a && c != b {
                        let sum = around.entry(c).or_default();
                        *sum = (sum.0 + e.0, sum.1 + e.1);
                    }
                }
            }
            for (c, e) in &around {
                let other = &mut edges[*c as usize];
                other.remove(&a);
                other.remove(&b);
                other.insert(new, *e);
                queue.push((key(self.level(*c, new, *e)), *c, new));
            }
            edges.push(around);
        }
    }

    /// The pieces that a cell is in, smallest first.
    pub(super) fn around(&self, cell: usize) -> Vec<Region> {
        let mut out = Vec::new();
        let mut at = Some(u32::from(self.leaves[cell])).filter(|l| *l < u32::from(NONE));
        while let Some(node) = at.and_then(|a| self.nodes.get(a as usize)) {
            let id = at.unwrap_or_default();
            let around = node.parent.and_then(|p| self.nodes.get(p as usize)).map_or(1.0, |p| p.level);
            // A piece that merges at once is no piece of its own.
            if around > node.level {
                let under = self.under(id);
                let inside = self.leaves.iter().map(|l| under.get(usize::from(*l)).copied().unwrap_or(false)).collect();
                out.push(Region { inside, cells: node.size as usize, within: node.level, around });
            }
            at = node.parent;
        }
        out
    }

    /// By leaf, whether it is under a node: parents come after their children.
    fn under(&self, top: u32) -> Vec<bool> {
        let mut is_under = vec![false; self.nodes.len()];
        is_under[top as usize] = true;
        for k in (0..top as usize).rev() {
            is_under[k] = self.nodes[k].parent.is_some_and(|p| is_under[p as usize]);
        }
        is_under
    }
}
