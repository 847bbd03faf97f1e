//! The voxels of a thing: those that most of the views that see them put in its masks.

use super::labels::Synonyms;
use super::lift::Lifted;
use super::{Input, Track};
use crate::perception::cloud::{Cloud, neighbours};
use rayon::prelude::*;

/// Share of the views of a voxel that must put it in a mask.
const AGREED: f64 = 0.5;
/// Share of the largest piece that a separate piece must have to stay, and of the smaller of two things that must lie
/// in the other for them to be one thing with one name.
const LEAST_PIECE: f64 = 0.08;
const SAME_PLACE: f64 = 0.6;
/// Fewest voxels of a thing.
const LEAST_VOXELS: usize = 12;

/// Tracks with their voxels; groups that agree on nothing are left out. Afterwards tracks with names that mean the same
/// and that lie in the same place become one: views that never overlap cannot be compared any other way.
pub(crate) fn tracks(input: &Input, lifted: &[Lifted], mut groups: Vec<Vec<usize>>, synonyms: &Synonyms) -> Vec<Track> {
    loop {
        let made: Vec<Track> = groups.par_iter().filter_map(|g| one(input, lifted, g)).collect();
        let Some((a, b)) = same_place(&made, lifted, synonyms, input.cloud.len()) else { return made };
        groups = made.into_iter().map(|t| t.masks).collect();
        let moved = groups.remove(b);
        groups[a].extend(moved);
        groups[a].sort_unstable();
    }
}

/// One group, see [`tracks`].
pub(crate) fn one(input: &Input, lifted: &[Lifted], group: &[usize]) -> Option<Track> {
    // Packed per voxel: views that put it inside, and views that see it outside.
    let n = input.cloud.len();
    let (mut inside, mut outside) = (vec![0u16; n], vec![0u16; n]);
    let mut stamp = vec![0u16; n];
    let mut views = 0u16;
    for run in group.chunk_by(|a, b| lifted[*a].view == lifted[*b].view) {
        views += 1;
        for v in run.iter().flat_map(|i| &lifted[*i].inside) {
            if stamp[*v as usize] != views {
                stamp[*v as usize] = views;
                inside[*v as usize] += 1;
            }
        }
    }
    stamp.fill(0);
    let mut mark = 0u16;
    for run in group.chunk_by(|a, b| lifted[*a].view == lifted[*b].view) {
        mark += 1;
        run.iter().flat_map(|i| &lifted[*i].near).for_each(|v| stamp[*v as usize] = mark);
        for hit in &input.cloud.seen[lifted[run[0]].view] {
            let v = hit.voxel as usize;
            if inside[v] > 0 && stamp[v] != mark {
                outside[v] += 1;
            }
        }
    }
    let share = |v: usize| f64::from(inside[v]) / f64::from(inside[v] + outside[v]);
    let agreed: Vec<u32> = (0..n as u32).filter(|v| inside[*v as usize] > 0 && share(*v as usize) >= AGREED).collect();
    let voxels = main_pieces(input.cloud, agreed);
    if voxels.len() < LEAST_VOXELS {
        return None;
    }
    let touched = (0..n).filter(|v| inside[*v] > 0);
    let (sum, count) = touched.fold((0.0, 0usize), |(s, c), v| (s + share(v), c + 1));
    Some(Track { masks: group.to_vec(), voxels, agreement: sum / count.max(1) as f64 })
}

/// Drops pieces that are far smaller than the largest; pieces are joined across gaps of two voxels.
fn main_pieces(cloud: &Cloud, voxels: Vec<u32>) -> Vec<u32> {
    let coarse = |v: u32| cloud.cell(v).map(|c| c.div_euclid(3));
    let mut cells: Vec<([i64; 3], u32)> = voxels.iter().map(|v| (coarse(*v), *v)).collect();
    cells.sort_unstable();
    let unique: Vec<&[([i64; 3], u32)]> = cells.chunk_by(|a, b| a.0 == b.0).collect();
    let find = |c: [i64; 3]| unique.binary_search_by(|u| u[0].0.cmp(&c)).ok();
    let mut piece = vec![usize::MAX; unique.len()];
    let mut sizes: Vec<usize> = Vec::new();
    for start in 0..unique.len() {
        if piece[start] != usize::MAX {
            continue;
        }
        let id = sizes.len();
        sizes.push(0);
        piece[start] = id;
        let mut stack = vec![start];
        while let Some(i) = stack.pop() {
            sizes[id] += unique[i].len();
            let c = unique[i][0].0;
            for d in neighbours() {
                if let Some(j) = find([c[0] + d[0], c[1] + d[1], c[2] + d[2]]).filter(|j| piece[*j] == usize::MAX) {
                    piece[j] = id;
                    stack.push(j);
                }
            }
        }
    }
    let least = sizes.iter().max().map_or(0.0, |m| *m as f64 * LEAST_PIECE);
    let kept = unique.iter().zip(&piece).filter(|(_, p)| sizes[**p] as f64 >= least);
    let mut out: Vec<u32> = kept.flat_map(|(u, _)| u.iter().map(|c| c.1)).collect();
    out.sort_unstable();
    out
}

/// The first pair of tracks with one name and one place.
fn same_place(tracks: &[Track], lifted: &[Lifted], synonyms: &Synonyms, voxels: usize) -> Option<(usize, usize)> {
    if tracks.iter().any(|t| t.masks.iter().any(|m| lifted[*m].id != 0)) {
        return None;
    }
    let names: Vec<String> = tracks.iter().map(|t| name(t, lifted, synonyms)).collect();
    let mut mine = vec![u32::MAX; voxels];
    for (a, t) in tracks.iter().enumerate() {
        t.voxels.iter().for_each(|v| mine[*v as usize] = a as u32);
        for (b, u) in tracks.iter().enumerate().skip(a + 1).filter(|(b, _)| synonyms.same(&names[a], &names[*b])) {
            let common = u.voxels.iter().filter(|v| mine[**v as usize] == a as u32).count();
            if common as f64 >= SAME_PLACE * t.voxels.len().min(u.voxels.len()) as f64 {
                return Some((a, b));
            }
        }
    }
    None
}

/// The label that the masks of a track elect: each votes with its score and, gently, its size.
pub(crate) fn name(track: &Track, lifted: &[Lifted], synonyms: &Synonyms) -> String {
    elect(track, lifted, synonyms).0
}

/// [`name`] and the share of the votes behind it.
pub(crate) fn elect(track: &Track, lifted: &[Lifted], synonyms: &Synonyms) -> (String, f64) {
    let vote = |i: &usize| (lifted[*i].label.as_str(), lifted[*i].score * (lifted[*i].area as f64).powf(0.25));
    synonyms.elect(track.masks.iter().map(vote))
}
