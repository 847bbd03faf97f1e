//! Minimum cuts on a grid of cells with eight neighbours each, by augmenting paths from two search trees that are kept
//! from one path to the next (Boykov & Kolmogorov 2004, "An experimental comparison of min-cut/max-flow algorithms").

/// Steps to the eight neighbours; the second four are the opposites of the first.
pub(super) const STEPS: [(isize, isize); 8] = [(1, 0), (0, 1), (1, 1), (-1, 1), (-1, 0), (0, -1), (-1, -1), (1, -1)];

const fn opposite(direction: usize) -> usize {
    (direction + 4) % 8
}

/// What a node hangs on in its tree: a direction (below eight), or one of these.
const TERMINAL: u8 = 8;
const ORPHAN: u8 = 9;
const NOTHING: u8 = 10;

/// Which tree a node is in.
#[derive(Clone, Copy, PartialEq)]
enum Tree {
    Free,
    Source,
    Sink,
}

/// A graph over the cells of a grid, with a border of unused nodes so that every cell has eight neighbours.
pub(super) struct Flow {
    width: usize,
    height: usize,
    offsets: [isize; 8],
    /// Capacity left towards each neighbour.
    capacity: Vec<[i32; 8]>,
    /// Capacity left from the source (positive) or to the sink (negative).
    terminal: Vec<i32>,
    tree: Vec<Tree>,
    parent: Vec<u8>,
    /// When the distance to the terminal was last known to be right.
    stamp: Vec<u32>,
    distance: Vec<u32>,
    is_active: Vec<bool>,
    active: std::collections::VecDeque<u32>,
    orphans: Vec<u32>,
    time: u32,
}

impl Flow {
    /// A graph without edges.
    pub(super) fn new(width: usize, height: usize) -> Self {
        let across = width as isize + 2;
        let n = (width + 2) * (height + 2);
        Self {
            width,
            height,
            offsets: STEPS.map(|(dx, dy)| dy * across + dx),
            capacity: vec![[0; 8]; n],
            terminal: vec![0; n],
            tree: vec![Tree::Free; n],
            parent: vec![NOTHING; n],
            stamp: vec![0; n],
            distance: vec![0; n],
            is_active: vec![false; n],
            active: Default::default(),
            orphans: Vec::new(),
            time: 0,
        }
    }

    fn node(&self, cell: usize) -> usize {
        (cell / self.width + 1) * (self.width + 2) + cell % self.width + 1
    }

    fn neighbour(&self, node: usize, direction: usize) -> usize {
        node.wrapping_add_signed(self.offsets[direction])
    }

    /// Joins a cell with its neighbour in one of the first four directions, both ways. The neighbour must be on the grid.
    pub(super) fn join(&mut self, cell: usize, direction: usize, capacity: i32) {
        let node = self.node(cell);
        let other = self.neighbour(node, direction);
        self.capacity[node][direction] = capacity;
        self.capacity[other][opposite(direction)] = capacity;
    }

    /// Draws a cell to the source (positive) or to the sink (negative).
    pub(super) fn draw(&mut self, cell: usize, strength: i32) {
        let node = self.node(cell);
        self.terminal[node] = strength;
    }

    /// By cell, whether it is on the side of the source when the cheapest cut is made. Cells that nothing draws are not.
    pub(super) fn cut(mut self) -> Vec<bool> {
        for node in 0..self.terminal.len() {
            if self.terminal[node] != 0 {
                self.tree[node] = if self.terminal[node] > 0 { Tree::Source } else { Tree::Sink };
                self.parent[node] = TERMINAL;
                self.distance[node] = 1;
                self.activate(node);
            }
        }
        while let Some(node) = self.active.pop_front() {
            let node = node as usize;
            self.is_active[node] = false;
            while let Some((from, direction)) = self.grow(node) {
                self.time += 1;
                self.augment(from, direction);
                self.adopt();
                if self.tree[node] == Tree::Free {
                    break;
                }
            }
        }
        (0..self.width * self.height).map(|c| self.tree[self.node(c)] == Tree::Source).collect()
    }

    fn activate(&mut self, node: usize) {
        if !self.is_active[node] {
            self.is_active[node] = true;
            self.active.push_back(node as u32);
        }
    }

    /// Capacity left between a node and its neighbour, in the direction in which flow runs through the node's tree.
    fn residual(&self, node: usize, direction: usize, tree: Tree) -> i32 {
        match tree {
            Tree::Source => self.capacity[node][direction],
            _ => self.capacity[self.neighbour(node, direction)][opposite(direction)],
        }
    }

    /// Takes free neighbours into the tree of a node. Where the other tree is met: the node on the source's side and the
    /// direction to the one on the sink's.
    fn grow(&mut self, node: usize) -> Option<(usize, usize)> {
        let tree = self.tree[node];
        if tree == Tree::Free {
            return None;
        }
        for d in 0..8 {
            if self.residual(node, d, tree) == 0 {
                continue;
            }
            let other = self.neighbour(node, d);
            if self.tree[other] == Tree::Free {
                self.tree[other] = tree;
                self.parent[other] = opposite(d) as u8;
                self.stamp[other] = self.stamp[node];
                self.distance[other] = self.distance[node] + 1;
                self.activate(other);
            } else if self.tree[other] != tree {
                return Some(if tree == Tree::Source { (node, d) } else { (other, opposite(d)) });
            } else if self.stamp[other] <= self.stamp[node] && self.distance[other] > self.distance[node] + 1 {
                // A shorter way to the terminal, for what comes after.
                self.parent[other] = opposite(d) as u8;
                self.stamp[other] = self.stamp[node];
                self.distance[other] = self.distance[node] + 1;
            }
        }
        None
    }

    /// Sends what fits along the path over one edge between the trees.
    fn augment(&mut self, from: usize, direction: usize) {
        let to = self.neighbour(from, direction);
        let mut least = self.capacity[from][direction];
        for (start, tree) in [(from, Tree::Source), (to, Tree::Sink)] {
            let mut node = start;
            while self.parent[node] < TERMINAL {
                let (parent, back) = self.up(node);
                least = least.min(if tree == Tree::Source {
                    self.capacity[parent][back]
                } else {
                    self.capacity[node][opposite(back)]
                });
                node = parent;
            }
            least = least.min(self.terminal[node].abs());
        }
        self.push(from, direction, least);
        for (start, tree) in [(from, Tree::Source), (to, Tree::Sink)] {
            let mut node = start;
            while self.parent[node] < TERMINAL {
                let (parent, back) = self.up(node);
                let is_full = match tree {
                    Tree::Source => self.push(parent, back, least),
                    _ => self.push(node, opposite(back), least),
                };
                if is_full {
                    self.orphan(node);
                }
                node = parent;
            }
            self.terminal[node] -= if tree == Tree::Source { least } else { -least };
            if self.terminal[node] == 0 {
                self.orphan(node);
            }
        }
    }

    /// The parent of a node, and the direction from there to the node.
    fn up(&self, node: usize) -> (usize, usize) {
        let d = self.parent[node] as usize;
        (self.neighbour(node, d), opposite(d))
    }

    /// Whether nothing more fits afterwards.
    fn push(&mut self, node: usize, direction: usize, amount: i32) -> bool {
        let other = self.neighbour(node, direction);
        self.capacity[node][direction] -= amount;
        self.capacity[other][opposite(direction)] += amount;
        self.capacity[node][direction] == 0
    }

    fn orphan(&mut self, node: usize) {
        self.parent[node] = ORPHAN;
        self.orphans.push(node as u32);
    }

    /// Finds a new parent for every node that lost its own, or sets it free.
    fn adopt(&mut self) {
        let mut at = 0;
        while let Some(node) = self.orphans.get(at).map(|n| *n as usize) {
            at += 1;
            let tree = self.tree[node];
            let mut best: Option<(u32, usize)> = None;
            for d in 0..8 {
                let other = self.neighbour(node, d);
                if self.tree[other] == tree
                    && self.residual(other, opposite(d), tree) > 0
                    && let Some(distance) = self.distance_of(other)
                    && best.is_none_or(|b| distance < b.0)
                {
                    best = Some((distance, d));
                }
            }
            match best {
                Some((distance, d)) => {
                    self.parent[node] = d as u8;
                    self.stamp[node] = self.time;
                    self.distance[node] = distance + 1;
                }
                None => self.release(node, tree),
            }
        }
        self.orphans.clear();
    }

    fn release(&mut self, node: usize, tree: Tree) {
        for d in 0..8 {
            let other = self.neighbour(node, d);
            if self.tree[other] != tree {
                continue;
            }
            if self.residual(other, opposite(d), tree) > 0 {
                self.activate(other);
            }
            if self.parent[other] as usize == opposite(d) {
                self.orphan(other);
            }
        }
        self.tree[node] = Tree::Free;
        self.parent[node] = NOTHING;
    }

    /// Edges from a node to its terminal; `None` where it hangs on an orphan. What was found is remembered on the way.
    fn distance_of(&mut self, start: usize) -> Option<u32> {
        let (mut node, mut edges) = (start, 0);
        loop {
            if self.stamp[node] == self.time {
                edges += self.distance[node];
                break;
            }
            edges += 1;
            match self.parent[node] {
                TERMINAL => {
                    self.stamp[node] = self.time;
                    self.distance[node] = 1;
                    break;
                }
                ORPHAN | NOTHING => return None,
                _ => node = self.up(node).0,
            }
        }
        let mut node = start;
        let mut left = edges;
        while self.stamp[node] != self.time {
            self.stamp[node] = self.time;
            self.distance[node] = left;
            left -= 1;
            node = self.up(node).0;
        }
        Some(edges)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cost of a labelling: edges between sides, and cells that are drawn to the other side.
    fn cost(w: usize, edges: &[(usize, usize, i32)], draws: &[i32], side: &[bool]) -> i32 {
        let across = |(c, d, cap): &(usize, usize, i32)| {
            let other = c.wrapping_add_signed(STEPS[*d].1 * w as isize + STEPS[*d].0);
            if side[*c] != side[other] { *cap } else { 0 }
        };
        let against = |(s, on): (&i32, &bool)| if (*s > 0) != *on { s.abs() } else { 0 };
        edges.iter().map(across).sum::<i32>() + draws.iter().zip(side).map(against).sum::<i32>()
    }

    #[test]
    fn no_labelling_of_a_small_grid_is_cheaper() {
        let mut rng = fastrand::Rng::with_seed(3);
        for _ in 0..300 {
            let (w, h) = (rng.usize(1..5), rng.usize(1..4));
            let mut edges = Vec::new();
            for c in 0..w * h {
                for (d, (dx, dy)) in STEPS.iter().take(4).enumerate() {
                    let (x, y) = ((c % w) as isize + dx, (c / w) as isize + dy);
                    if x >= 0 && x < w as isize && y < h as isize {
                        edges.push((c, d, rng.i32(0..30)));
                    }
                }
            }
            let draws: Vec<i32> = (0..w * h).map(|_| rng.i32(-40..40)).collect();
            let mut flow = Flow::new(w, h);
            edges.iter().for_each(|(c, d, cap)| flow.join(*c, *d, *cap));
            draws.iter().enumerate().for_each(|(c, s)| flow.draw(c, *s));
            let found = cost(w, &edges, &draws, &flow.cut());
            let all = (0..1u32 << (w * h)).map(|bits| {
                let side: Vec<bool> = (0..w * h).map(|c| bits >> c & 1 == 1).collect();
                cost(w, &edges, &draws, &side)
            });
            assert_eq!(Some(found), all.min());
        }
    }
}
