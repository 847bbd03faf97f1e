//! The compressed PLY of PlayCanvas and SuperSplat. Gaussians in chunks of 256, each with the bounds of its positions,
//! log scales and colours (`element chunk`); a Gaussian is four 32-bit words within them (`element vertex`): position
//! and log scale 11-10-11 bits, rotation 2-10-10-10 (which component is the largest, and the three others), colour and
//! opacity 8-8-8-8. SH above degree 0 is a byte a coefficient over -4..4, channel-major (`element sh`).

use super::header::{Column, Ply};
use super::ply::degree;
use super::{byte, comments, logit_of_byte, with_room};
use crate::scene::{Gaussians, SH_C0, sh_coefficients};
use crate::splat::sigmoid;
use std::f32::consts::{FRAC_1_SQRT_2, SQRT_2};

/// Gaussians in a chunk.
const CHUNK: usize = 256;
/// Logarithms of scales beyond are cut off.
const MAX_LOG_SCALE: f32 = 20.0;
/// Coefficients of SH lie between this and its negative.
const MAX_SH: f32 = 4.0;

const POSITION: [&str; 6] = ["min_x", "min_y", "min_z", "max_x", "max_y", "max_z"];
const SCALE: [&str; 6] = ["min_scale_x", "min_scale_y", "min_scale_z", "max_scale_x", "max_scale_y", "max_scale_z"];
const COLOR: [&str; 6] = ["min_r", "min_g", "min_b", "max_r", "max_g", "max_b"];
const WORDS: [&str; 4] = ["packed_position", "packed_rotation", "packed_scale", "packed_color"];

/// Bounds of three numbers over a chunk.
#[derive(Clone, Copy)]
struct Bounds {
    low: [f32; 3],
    high: [f32; 3],
}

impl Bounds {
    fn of(values: impl Iterator<Item = [f32; 3]>) -> Self {
        let empty = Self { low: [f32::INFINITY; 3], high: [f32::NEG_INFINITY; 3] };
        values.fold(empty, |b, v| Self {
            low: std::array::from_fn(|a| b.low[a].min(v[a])),
            high: std::array::from_fn(|a| b.high[a].max(v[a])),
        })
    }

    fn read(columns: &[Column; 6], row: &[u8]) -> Self {
        let get = |from: usize| std::array::from_fn(|a| columns[from + a].get(row));
        Self { low: get(0), high: get(3) }
    }

    /// Where `v` lies between the bounds, 0..1 along each axis.
    fn part(&self, v: [f32; 3]) -> [f32; 3] {
        std::array::from_fn(|a| {
            let span = self.high[a] - self.low[a];
            if span > 0.0 { (v[a] - self.low[a]) / span } else { 0.0 }
        })
    }

    /// The opposite of [`Self::part`].
    fn at(&self, t: [f32; 3]) -> [f32; 3] {
        std::array::from_fn(|a| self.low[a] * (1.0 - t[a]) + self.high[a] * t[a])
    }

    fn numbers(&self) -> impl Iterator<Item = f32> {
        self.low.into_iter().chain(self.high)
    }
}

/// A number of 0..1 in `bits` bits.
fn pack(v: f32, bits: u32) -> u32 {
    let most = ((1u32 << bits) - 1) as f32;
    (v * most).round().clamp(0.0, most) as u32
}

/// The number of 0..1 in the lowest `bits` bits.
fn unpack(word: u32, bits: u32) -> f32 {
    let most = (1u32 << bits) - 1;
    (word & most) as f32 / most as f32
}

fn pack_vector([x, y, z]: [f32; 3]) -> u32 {
    pack(x, 11) << 21 | pack(y, 10) << 11 | pack(z, 11)
}

fn unpack_vector(word: u32) -> [f32; 3] {
    [unpack(word >> 21, 11), unpack(word >> 11, 10), unpack(word, 11)]
}

/// A unit quaternion w x y z: the place of its largest component, which is made positive, and the others in turn, each
/// of which is at most the square root of one half.
fn pack_rotation(quat: [f32; 4]) -> u32 {
    let largest = (1..4).fold(0, |m, i| if quat[i].abs() > quat[m].abs() { i } else { m });
    let sign = if quat[largest] < 0.0 { -FRAC_1_SQRT_2 } else { FRAC_1_SQRT_2 };
    let others = (0..4).filter(|i| *i != largest);
    others.fold(largest as u32, |word, i| word << 10 | pack(quat[i] * sign + 0.5, 10))
}

fn unpack_rotation(word: u32) -> [f32; 4] {
    let largest = (word >> 30) as usize;
    let mut quat = [0.0; 4];
    for (n, i) in (0..4).filter(|i| *i != largest).enumerate() {
        quat[i] = (unpack(word >> (20 - 10 * n), 10) - 0.5) * SQRT_2;
    }
    quat[largest] = (1.0 - quat.iter().map(|q| q * q).sum::<f32>()).max(0.0).sqrt();
    quat
}

fn color_of(dc: [f32; 3]) -> [f32; 3] {
    dc.map(|v| v * SH_C0 + 0.5)
}

/// The whole file. Chunks are as tight as neighbours in `g` are near.
pub(super) fn encode(g: &Gaussians) -> Vec<u8> {
    let rest = 3 * (sh_coefficients(g.sh_degree) - 1);
    let indices: Vec<usize> = (0..g.len()).collect();
    let mut header = format!("ply\nformat binary_little_endian 1.0\n{}", comments(g));
    let mut element = |name: &str, count: usize, kind: &str, names: &mut dyn Iterator<Item = String>| {
        header.push_str(&format!("element {name} {count}\n"));
        names.for_each(|n| header.push_str(&format!("property {kind} {n}\n")));
    };
    let bounds = [POSITION, SCALE, COLOR].concat();
    element("chunk", g.len().div_ceil(CHUNK), "float", &mut bounds.into_iter().map(String::from));
    element("vertex", g.len(), "uint", &mut WORDS.into_iter().map(String::from));
    if rest > 0 {
        element("sh", g.len(), "uchar", &mut (0..rest).map(|i| format!("f_rest_{i}")));
    }
    header.push_str("end_header\n");
    let (mut chunks, mut words) = (Vec::new(), Vec::with_capacity(16 * g.len()));
    for chunk in indices.chunks(CHUNK) {
        let scale = |i: usize| g.log_scales[i].map(|s| s.clamp(-MAX_LOG_SCALE, MAX_LOG_SCALE));
        let color = |i: usize| color_of(g.sh_of(i)[0]);
        let positions = Bounds::of(chunk.iter().map(|&i| g.means[i]));
        let scales = Bounds::of(chunk.iter().map(|&i| scale(i)));
        let colors = Bounds::of(chunk.iter().map(|&i| color(i)));
        for v in positions.numbers().chain(scales.numbers()).chain(colors.numbers()) {
            chunks.extend(v.to_le_bytes());
        }
        for &i in chunk {
            let [r, g_, b] = colors.part(color(i)).map(|v| pack(v, 8));
            let alpha = pack(sigmoid(g.opacity_logits[i]), 8);
            let row = [
                pack_vector(positions.part(g.means[i])),
                pack_rotation(g.quats[i]),
                pack_vector(scales.part(scale(i))),
                r << 24 | g_ << 16 | b << 8 | alpha,
            ];
            words.extend(row.into_iter().flat_map(u32::to_le_bytes));
        }
    }
    // Steps are closed below: a byte stands for the numbers from its own step to the next.
    let step = |v: f32| byte(((v / (2.0 * MAX_SH) + 0.5) * 256.0).floor());
    let sh = indices.iter().flat_map(|&i| (0..3).flat_map(move |c| g.sh_of(i)[1..].iter().map(move |k| step(k[c]))));
    header.into_bytes().into_iter().chain(chunks).chain(words).chain(sh).collect()
}

/// Whether a PLY is of this layout.
pub(super) fn is_one(ply: &Ply) -> bool {
    ply.has("chunk")
}

/// Reads the whole file; chunks without bounds of colours have colours of 0..1.
pub(super) fn decode(ply: &Ply) -> Result<Gaussians, String> {
    let (chunks, rows) = (ply.rows("chunk")?, ply.rows("vertex")?);
    let (position, scale) = (chunks.columns(POSITION)?, chunks.columns(SCALE)?);
    let color = if chunks.column(COLOR[0]).is_ok() { Some(chunks.columns(COLOR)?) } else { None };
    let words = rows.columns(WORDS)?;
    if chunks.len() != rows.len().div_ceil(CHUNK) {
        return Err(format!("its {} chunks do not fit its {} Gaussians", chunks.len(), rows.len()));
    }
    let sh = if ply.has("sh") { Some(ply.rows("sh")?) } else { None };
    let coefficients = sh.as_ref().map_or(Ok(vec![]), |s| s.rest())?;
    if sh.as_ref().is_some_and(|s| s.len() != rows.len()) {
        return Err(format!("it has SH for {} of {} Gaussians", sh.map_or(0, |s| s.len()), rows.len()));
    }
    let unit = Bounds { low: [0.0; 3], high: [1.0; 3] };
    let bounds: Vec<[Bounds; 3]> = chunks
        .iter()
        .map(|row| {
            [Bounds::read(&position, row), Bounds::read(&scale, row), color.map_or(unit, |c| Bounds::read(&c, row))]
        })
        .collect();
    let mut g = with_room(rows.len(), degree(coefficients.len())?, ply.antialiased);
    let mut sh = sh.as_ref().map(|s| s.iter());
    let per_channel = coefficients.len() / 3;
    for (i, row) in rows.iter().enumerate() {
        let mut word = [0; 4];
        for (slot, (column, name)) in word.iter_mut().zip(words.iter().zip(WORDS)) {
            *slot = column.bits(row).ok_or_else(|| format!("its {name} is not a whole number of 32 bits"))?;
        }
        let [positions, scales, colors] = &bounds[i / CHUNK];
        g.means.push(positions.at(unpack_vector(word[0])));
        g.quats.push(unpack_rotation(word[1]));
        g.log_scales.push(scales.at(unpack_vector(word[2])));
        let [r, g_, b, alpha] = word[3].to_be_bytes();
        g.sh.push(colors.at([r, g_, b].map(|v| f32::from(v) / 255.0)).map(|v| (v - 0.5) / SH_C0));
        g.opacity_logits.push(logit_of_byte(alpha));
        if let Some(row) = sh.as_mut().and_then(Iterator::next) {
            let get = |k: usize, c: usize| sh_of_byte(coefficients[c * per_channel + k].get(row));
            g.sh.extend((0..per_channel).map(|k| [0, 1, 2].map(|c| get(k, c))));
        }
    }
    Ok(g)
}

/// The middle of a byte's step; the first and the last stand for the ends.
fn sh_of_byte(byte: f32) -> f32 {
    let part = if byte <= 0.0 {
        0.0
    } else if byte >= 255.0 {
        1.0
    } else {
        (byte + 0.5) / 256.0
    };
    (part - 0.5) * 2.0 * MAX_SH
}
