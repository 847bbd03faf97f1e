//! The zero level of the distance as a mesh: one vertex per cell that it crosses, one quad per crossed edge.

use super::volume::{Block, CELLS, SIDE, Volume};
use crate::scene::TriMesh;
use nalgebra::Vector3;
use rayon::prelude::*;

/// Clusters of fewer triangles are dropped.
const MIN_CLUSTER: usize = 50;
/// Clusters of fewer triangles than the largest has, divided by this, are dropped: what floats before a wall.
const LARGEST_OVER: usize = 200;
/// A cell without a vertex.
const NONE: u32 = u32::MAX;

/// Vertices of one block, and for each of its cells which one is its own.
struct Part {
    positions: Vec<[f32; 3]>,
    normals: Vec<[f32; 3]>,
    colors: Vec<[u8; 3]>,
    of_cell: Vec<u32>,
}

/// A voxel's distance, weight and colour.
type Voxel = (f32, f32, [u8; 3]);

/// The blocks at `key` and at its neighbours along +x, +y, +z (bits 0, 1, 2), or along the minus directions.
fn around(volume: &Volume, key: [i32; 3], sign: i32) -> [Option<usize>; 8] {
    std::array::from_fn(|n| {
        let bit = |b: usize| sign * (n as i32 >> b & 1);
        volume.find([key[0] + bit(2), key[1] + bit(1), key[2] + bit(0)])
    })
}

/// Index within a block.
fn local(x: usize, y: usize, z: usize) -> usize {
    (z * SIDE + y) * SIDE + x
}

/// Voxel at local coordinates 0..=8 of the block whose neighbours are `near`; `None` where it was never seen.
fn voxel(blocks: &[Block], near: &[Option<usize>; 8], at: [usize; 3]) -> Option<Voxel> {
    let bits = (0..3).map(|a| (at[a] / SIDE) << a).sum::<usize>();
    let block = &blocks[near[bits]?];
    let i = local(at[0] % SIDE, at[1] % SIDE, at[2] % SIDE);
    (block.weight[i] > 0.0).then(|| (block.distance[i], block.weight[i], block.color[i]))
}

/// Extracts the whole surface; the order of vertices and triangles is that of blocks and of cells in them.
pub(super) fn extract(volume: &Volume) -> TriMesh {
    let parts: Vec<Part> = (0..volume.keys.len()).into_par_iter().map(|b| vertices(volume, b)).collect();
    let mut first = Vec::with_capacity(parts.len());
    let mut mesh = TriMesh::default();
    for part in &parts {
        first.push(mesh.positions.len() as u32);
        mesh.positions.extend_from_slice(&part.positions);
        mesh.normals.extend_from_slice(&part.normals);
        mesh.colors.extend_from_slice(&part.colors);
    }
    let triangles: Vec<Vec<[u32; 3]>> =
        (0..volume.keys.len()).into_par_iter().map(|b| faces(volume, b, &parts, &first, &mesh.positions)).collect();
    mesh.triangles = triangles.concat();
    mesh
}

/// One vertex for every cell of a block that the surface crosses: the mean of its edge crossings.
fn vertices(volume: &Volume, b: usize) -> Part {
    let mut part = Part { positions: vec![], normals: vec![], colors: vec![], of_cell: vec![NONE; CELLS] };
    let key = volume.keys[b];
    let near = around(volume, key, 1);
    for cell in 0..CELLS {
        let at = [cell % SIDE, cell / SIDE % SIDE, cell / (SIDE * SIDE)];
        let corner = |n: usize| voxel(&volume.blocks, &near, [at[0] + (n & 1), at[1] + (n >> 1 & 1), at[2] + (n >> 2)]);
        let mut corners = [(0.0, 0.0, [0; 3]); 8];
        if !(0..8).all(|n| corner(n).map(|c| corners[n] = c).is_some()) {
            continue;
        }
        let Some((offset, normal)) = crossing(&corners) else { continue };
        part.of_cell[cell] = part.positions.len() as u32;
        part.positions.push(std::array::from_fn(|a| {
            // Voxel centres lie at +0.5; keys are (z, y, x).
            (key[2 - a] as f32 * SIDE as f32 + at[a] as f32 + 0.5 + offset[a]) * volume.voxel
        }));
        part.normals.push(normal);
        part.colors.push(color(&corners));
    }
    part
}

/// Mean edge crossing in the unit cell and the unit gradient of the distance; `None` where all corners lie on a side.
fn crossing(corners: &[Voxel; 8]) -> Option<([f32; 3], [f32; 3])> {
    let (mut sum, mut count) = ([0.0f32; 3], 0.0f32);
    let mut gradient = [0.0f32; 3];
    for n in 0..8usize {
        for axis in 0..3 {
            let m = n | 1 << axis;
            if m == n {
                continue;
            }
            let (a, b) = (corners[n].0, corners[m].0);
            gradient[axis] += b - a;
            if (a < 0.0) != (b < 0.0) {
                for q in 0..3 {
                    sum[q] += (n >> q & 1) as f32 + if q == axis { a / (a - b) } else { 0.0 };
                }
                count += 1.0;
            }
        }
    }
    if count == 0.0 {
        return None;
    }
    let length = gradient.iter().map(|g| g * g).sum::<f32>().sqrt();
    let normal = if length > 1e-12 { gradient.map(|g| g / length) } else { [0.0, 0.0, 1.0] };
    Some((sum.map(|s| s / count), normal))
}

/// Mean colour of the corners, those near the surface first.
fn color(corners: &[Voxel; 8]) -> [u8; 3] {
    let weight = |c: &Voxel| c.1 * (1.05 - c.0.abs()).max(0.01);
    let total: f32 = corners.iter().map(weight).sum();
    std::array::from_fn(|q| {
        (corners.iter().map(|c| weight(c) * f32::from(c.2[q])).sum::<f32>() / total.max(1e-20) + 0.5) as u8
    })
}

/// Two triangles for every crossed edge that starts in the block and has a vertex in all four cells around it.
fn faces(volume: &Volume, b: usize, parts: &[Part], first: &[u32], positions: &[[f32; 3]]) -> Vec<[u32; 3]> {
    let key = volume.keys[b];
    let (ahead, behind) = (around(volume, key, 1), around(volume, key, -1));
    let vertex = |at: [i32; 3]| {
        let bits = (0..3).map(|a| usize::from(at[a] < 0) << a).sum::<usize>();
        let block = behind[bits]?;
        let [x, y, z] = at.map(|v| v.rem_euclid(SIDE as i32) as usize);
        let v = parts[block].of_cell[local(x, y, z)];
        (v != NONE).then(|| first[block] + v)
    };
    let mut out = Vec::new();
    for cell in 0..CELLS {
        let at = [cell % SIDE, cell / SIDE % SIDE, cell / (SIDE * SIDE)];
        let Some(here) = voxel(&volume.blocks, &ahead, at) else { continue };
        for axis in 0..3 {
            let mut end = at;
            end[axis] += 1;
            let Some(there) = voxel(&volume.blocks, &ahead, end) else { continue };
            if (here.0 < 0.0) == (there.0 < 0.0) {
                continue;
            }
            let (p, q) = ((axis + 1) % 3, (axis + 2) % 3);
            let cell_at = |dp: i32, dq: i32| {
                let mut c = at.map(|v| v as i32);
                c[p] -= dp;
                c[q] -= dq;
                vertex(c)
            };
            let ring = [cell_at(0, 0), cell_at(1, 0), cell_at(1, 1), cell_at(0, 1)];
            let [Some(a), Some(b), Some(c), Some(d)] = ring else { continue };
            // This ring turns counter-clockwise about +axis, which is right where free space lies that way.
            let quad = if here.0 < 0.0 { [a, b, c, d] } else { [d, c, b, a] };
            out.extend(split(quad, positions));
        }
    }
    out
}

/// A quad cut along its shorter diagonal.
fn split(q: [u32; 4], positions: &[[f32; 3]]) -> [[u32; 3]; 2] {
    let distance = |a: u32, b: u32| -> f32 {
        let (a, b) = (positions[a as usize], positions[b as usize]);
        (0..3).map(|i| (a[i] - b[i]) * (a[i] - b[i])).sum()
    };
    if distance(q[0], q[2]) <= distance(q[1], q[3]) {
        [[q[0], q[1], q[2]], [q[0], q[2], q[3]]]
    } else {
        [[q[0], q[1], q[3]], [q[1], q[2], q[3]]]
    }
}

/// The mesh without its small clusters, triangles without area, and vertices that no triangle uses.
pub(super) fn without_small_clusters(mesh: &TriMesh) -> TriMesh {
    let mut parent: Vec<u32> = (0..mesh.positions.len() as u32).collect();
    fn root(parent: &mut [u32], mut i: u32) -> u32 {
        while parent[i as usize] != i {
            parent[i as usize] = parent[parent[i as usize] as usize];
            i = parent[i as usize];
        }
        i
    }
    for t in &mesh.triangles {
        let a = root(&mut parent, t[0]);
        for v in &t[1..] {
            let b = root(&mut parent, *v);
            let a = root(&mut parent, a);
            // The lower index wins, whatever the order of triangles.
            parent[a.max(b) as usize] = a.min(b);
        }
    }
    let mut size = vec![0usize; mesh.positions.len()];
    for t in &mesh.triangles {
        size[root(&mut parent, t[0]) as usize] += 1;
    }
    let least = MIN_CLUSTER.max(size.iter().max().map_or(0, |s| s / LARGEST_OVER));
    let (mut out, mut new_index) = (TriMesh::default(), vec![NONE; mesh.positions.len()]);
    for t in &mesh.triangles {
        let [a, b, c] = t.map(|v| Vector3::from(mesh.positions[v as usize]));
        if size[root(&mut parent, t[0]) as usize] < least || (b - a).cross(&(c - a)) == Vector3::zeros() {
            continue;
        }
        out.triangles.push(t.map(|v| {
            let slot = &mut new_index[v as usize];
            if *slot == NONE {
                *slot = out.positions.len() as u32;
                out.positions.push(mesh.positions[v as usize]);
                out.normals.push(mesh.normals[v as usize]);
                out.colors.push(mesh.colors[v as usize]);
            }
            *slot
        }));
    }
    out
}
