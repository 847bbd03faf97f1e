//! SPZ of Niantic, versions 2 to 4. Six streams, each over all Gaussians in turn: positions (24-bit fixed point),
//! opacities, colours, log scales and SH (a byte a number), rotations. Versions 2 and 3 are a header of 16 bytes and the
//! streams in one gzip stream; version 4 is a plain header of 32 bytes, a table of sizes, and a zstd stream for each.
//!
//! Axes: the format says right-up-back unless told otherwise, and every program at hand that turns a PLY into SPZ and back
//! (Niantic's own `ply_to_spz`, SplatTransform and SuperSplat, gsply) leaves coordinates as they are. So do we: a scene's
//! PLY and its SPZ lie at the same place, in the scene's own axes.

use super::harmonics::{Scale, quantised};
use super::{byte, logit_of_byte, with_room};
use crate::scene::{Camera, Gaussians, sh_coefficients};
use crate::splat::sigmoid;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use std::f32::consts::FRAC_1_SQRT_2;
use std::io::{Read, Write};

const MAGIC: [u8; 4] = *b"NGSP";
const GZIP: [u8; 2] = [0x1f, 0x8b];
const ANTIALIASED: u8 = 1;
/// Bytes of version 4's header, and of an entry of its table.
const PLAIN_HEADER: usize = 32;
const ENTRY: usize = 16;
/// No file is compressed by more: what a header promises beyond is not looked for.
const MAX_RATIO: u64 = 1024;

/// Bits after the point of a coordinate: a quarter of a thousandth of a unit.
const POINT_BITS: u8 = 12;
/// Part of the Gaussians whose coordinates have to fit; the farthest are moved to the end of the range.
const FITTING: f64 = 0.999;
/// A colour of one, as SH coefficient of degree 0, is this part of the range of a byte.
const COLOR_SCALE: f32 = 0.15;
/// Colours as SH of degree 0: every byte counts.
const COLOR: Scale = Scale { zero: 127.5, per_unit: COLOR_SCALE as f64 * 255.0, multiple: 1.0 };
/// SH above: -1 to 1 in a byte, of which the upper four bits are used, as Niantic's library does above degree 1.
const SH: Scale = Scale { zero: 128.0, per_unit: 128.0, multiple: 16.0 };
/// Levels of compression: more takes longer and gains less than a hundredth.
const GZIP_LEVEL: u32 = 9;
const ZSTD_LEVEL: i32 = 12;

/// What a header says.
#[derive(Clone, Copy, Debug)]
struct Header {
    version: u32,
    count: usize,
    /// 0 to 4.
    degree: usize,
    point_bits: u8,
    flags: u8,
}

/// Positions, opacities, colours, scales, rotations, SH.
type Streams = [Vec<u8>; 6];

impl Header {
    fn parse(b: &[u8; 16], file_size: usize) -> Result<Self, String> {
        if b[..4] != MAGIC {
            return Err("not a splat: its compressed data is no SPZ".into());
        }
        let word = |at: usize| u32::from_le_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]]);
        let (version, count, degree) = (word(4), word(8), usize::from(b[12]));
        if !(2..=4).contains(&version) {
            return Err(format!("it is SPZ of version {version}; 2 to 4 are read"));
        }
        if degree > 4 {
            return Err(format!("its SH are of degree {degree}; 0 to 4 are read"));
        }
        if u64::from(count) * 9 > (file_size as u64).saturating_mul(MAX_RATIO) {
            return Err(format!("it ends before its {count} Gaussians do"));
        }
        Ok(Self { version, count: count as usize, degree, point_bits: b[13], flags: b[14] })
    }

    /// Bytes of each stream.
    fn sizes(&self) -> [usize; 6] {
        let rotation = if self.version == 2 { 3 } else { 4 };
        [9, 1, 3, 3, rotation, 3 * (sh_coefficients(self.degree) - 1)].map(|bytes| bytes * self.count)
    }

    fn bytes(&self) -> Vec<u8> {
        let numbers = [self.version, self.count as u32].into_iter().flat_map(u32::to_le_bytes);
        MAGIC.into_iter().chain(numbers).chain([self.degree as u8, self.point_bits, self.flags, 0]).collect()
    }
}

/// Whether the bytes begin as SPZ does.
pub(super) fn is_one(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC) || bytes.starts_with(&GZIP)
}

/// Reads the whole file; SH of degree 4 is cut to 3.
pub(super) fn decode(bytes: &[u8]) -> Result<Gaussians, String> {
    let (header, streams) = if bytes.starts_with(&MAGIC) { plain(bytes)? } else { gzipped(bytes)? };
    let degree = header.degree.min(3);
    let mut g = with_room(header.count, degree, header.flags & ANTIALIASED != 0);
    let [positions, alphas, colors, scales, rotations, sh] = &streams;
    let unit = (-f64::from(header.point_bits)).exp2();
    for p in positions.chunks_exact(9) {
        // The top byte carries the sign.
        let fixed = |a: usize| i32::from_le_bytes([0, p[3 * a], p[3 * a + 1], p[3 * a + 2]]) >> 8;
        g.means.push([0, 1, 2].map(|a| (f64::from(fixed(a)) * unit) as f32));
    }
    g.opacity_logits.extend(alphas.iter().map(|a| logit_of_byte(*a)));
    g.log_scales.extend(scales.chunks_exact(3).map(|s| [0, 1, 2].map(|a: usize| f32::from(s[a]) / 16.0 - 10.0)));
    if header.version == 2 {
        g.quats.extend(rotations.chunks_exact(3).map(|r| first_three([r[0], r[1], r[2]])));
    } else {
        let word = |r: &[u8]| u32::from_le_bytes([r[0], r[1], r[2], r[3]]);
        g.quats.extend(rotations.chunks_exact(4).map(|r| unpack_rotation(word(r))));
    }
    let (in_file, kept) = (sh_coefficients(header.degree) - 1, sh_coefficients(degree) - 1);
    for (i, c) in colors.chunks_exact(3).enumerate() {
        g.sh.push([0, 1, 2].map(|a: usize| (f32::from(c[a]) / 255.0 - 0.5) / COLOR_SCALE));
        let mine = &sh[3 * in_file * i..][..3 * kept];
        let number = |b: u8| (f32::from(b) - 128.0) / 128.0;
        g.sh.extend(mine.chunks_exact(3).map(|k| [0, 1, 2].map(|c: usize| number(k[c]))));
    }
    Ok(g)
}

/// Reads `size` bytes that are there; memory grows with what is read, not with what was promised.
fn stream(from: impl Read, size: usize, count: usize) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    from.take(size as u64).read_to_end(&mut out).map_err(|e| format!("its compressed data is damaged: {e}"))?;
    if out.len() == size { Ok(out) } else { Err(format!("it ends before its {count} Gaussians do")) }
}

fn gzipped(bytes: &[u8]) -> Result<(Header, Streams), String> {
    let mut from = GzDecoder::new(bytes);
    let mut head = [0; 16];
    from.read_exact(&mut head).map_err(|e| format!("not a splat: its compressed data is damaged: {e}"))?;
    let header = Header::parse(&head, bytes.len())?;
    if header.version > 3 {
        return Err(format!("it is SPZ of version {} in one gzip stream; 2 and 3 are", header.version));
    }
    let mut streams = Streams::default();
    for (slot, size) in streams.iter_mut().zip(header.sizes()) {
        *slot = stream(&mut from, size, header.count)?;
    }
    Ok((header, streams))
}

fn plain(bytes: &[u8]) -> Result<(Header, Streams), String> {
    let head = bytes.first_chunk::<PLAIN_HEADER>().ok_or("its header has no end")?;
    let header = Header::parse(head.first_chunk().ok_or("its header has no end")?, bytes.len())?;
    if header.version != 4 {
        return Err(format!("it is SPZ of version {} without gzip; 4 is", header.version));
    }
    let sizes = header.sizes();
    let expected: Vec<usize> = (0..6).filter(|s| sizes[*s] > 0).collect();
    let table = u32::from_le_bytes([head[16], head[17], head[18], head[19]]) as usize;
    let end = table.saturating_add(ENTRY * expected.len());
    if usize::from(head[15]) != expected.len() || table < PLAIN_HEADER || end > bytes.len() {
        return Err("its table of streams does not fit its header".into());
    }
    let (mut streams, mut rest) = (Streams::default(), &bytes[end..]);
    for (entry, s) in bytes[table..end].chunks_exact(ENTRY).zip(expected) {
        let word = |at: usize| usize::try_from(u64::from_le_bytes(std::array::from_fn(|i| entry[at + i]))).ok();
        let packed = word(0).filter(|n| *n <= rest.len()).ok_or("it ends before its streams do")?;
        if word(8) != Some(sizes[s]) {
            return Err(format!("its streams are not of {} Gaussians", header.count));
        }
        let (mine, after) = rest.split_at(packed);
        let decoder = zstd::stream::read::Decoder::new(mine);
        let decoder = decoder.map_err(|e| format!("its compressed data is damaged: {e}"))?;
        streams[s] = stream(decoder, sizes[s], header.count)?;
        rest = after;
    }
    Ok((header, streams))
}

/// Bits after the point so that nearly all coordinates fit in 24.
fn point_bits(g: &Gaussians) -> u8 {
    let mut reach: Vec<f32> = g.means.iter().map(|m| m.iter().fold(0.0, |r, v| v.abs().max(r))).collect();
    reach.sort_by(f32::total_cmp);
    let farthest = reach.get(((reach.len() as f64 * FITTING) as usize).min(reach.len().saturating_sub(1)));
    let fitting = (f64::from((1 << 23) - 1) / f64::from(farthest.copied().unwrap_or(0.0)).max(1e-30)).log2().floor();
    fitting.clamp(0.0, f64::from(POINT_BITS)) as u8
}

fn pack(g: &Gaussians, cameras: &[Camera], version: u32) -> (Header, Streams) {
    let flags = if g.antialiased { ANTIALIASED } else { 0 };
    let header = Header { version, count: g.len(), degree: g.sh_degree, point_bits: point_bits(g), flags };
    let scale = f64::from(header.point_bits).exp2();
    let fixed = |v: f32| (f64::from(v) * scale).round().clamp(-8_388_608.0, 8_388_607.0) as i32;
    let positions = g.means.iter().flat_map(|m| m.map(fixed));
    let harmonics = quantised(g, cameras, COLOR, SH);
    let above = sh_coefficients(g.sh_degree) - 1;
    let streams = [
        positions
            .flat_map(|v| {
                let [a, b, c, _] = v.to_le_bytes();
                [a, b, c]
            })
            .collect(),
        g.opacity_logits.iter().map(|o| byte(sigmoid(*o) * 255.0)).collect(),
        harmonics.iter().flat_map(|k| k[0]).collect(),
        g.log_scales.iter().flat_map(|s| s.map(|v| byte((v + 10.0) * 16.0))).collect(),
        g.quats.iter().flat_map(|q| pack_rotation(*q).to_le_bytes()).collect(),
        harmonics.iter().flat_map(|k| &k[1..=above]).flatten().copied().collect(),
    ];
    (header, streams)
}

/// Version 3. `cameras` are those whose views shall change least.
pub(super) fn encode_gzip(g: &Gaussians, cameras: &[Camera]) -> std::io::Result<Vec<u8>> {
    let (header, streams) = pack(g, cameras, 3);
    let mut out = GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL));
    out.write_all(&header.bytes())?;
    streams.iter().try_for_each(|s| out.write_all(s))?;
    out.finish()
}

/// Version 4. `cameras` are those whose views shall change least.
pub(super) fn encode_zstd(g: &Gaussians, cameras: &[Camera]) -> std::io::Result<Vec<u8>> {
    let (header, streams) = pack(g, cameras, 4);
    let streams: Vec<_> = streams.iter().filter(|s| !s.is_empty()).collect();
    let packed: Vec<Vec<u8>> = streams.iter().map(|s| zstd::bulk::compress(s, ZSTD_LEVEL)).collect::<Result<_, _>>()?;
    let mut out = header.bytes();
    out[15] = streams.len() as u8;
    out.extend((PLAIN_HEADER as u32).to_le_bytes());
    out.resize(PLAIN_HEADER, 0);
    for (stream, packed) in streams.iter().zip(&packed) {
        out.extend([packed.len() as u64, stream.len() as u64].into_iter().flat_map(u64::to_le_bytes));
    }
    Ok([out, packed.concat()].concat())
}

/// A unit quaternion w x y z: the place of the largest component among x y z w, which is made positive, and of
/// the others in turn a sign and 9 bits over 0 to the square root of one half.
fn pack_rotation([w, x, y, z]: [f32; 4]) -> u32 {
    let q = [x, y, z, w];
    let largest = (1..4).fold(0, |m, i| if q[i].abs() > q[m].abs() { i } else { m });
    let others = (0..4).filter(|i| *i != largest);
    others.fold(largest as u32, |word, i| {
        let negative = (q[i] < 0.0) != (q[largest] < 0.0);
        let size = (q[i].abs() / FRAC_1_SQRT_2 * 511.0).round().min(511.0) as u32;
        word << 10 | u32::from(negative) << 9 | size
    })
}

fn unpack_rotation(word: u32) -> [f32; 4] {
    let largest = (word >> 30) as usize;
    let mut q = [0.0; 4];
    for (n, i) in (0..4).filter(|i| *i != largest).enumerate() {
        let part = word >> (20 - 10 * n);
        let size = (part & 511) as f32 / 511.0 * FRAC_1_SQRT_2;
        q[i] = if part & 512 != 0 { -size } else { size };
    }
    q[largest] = (1.0 - q.iter().map(|v| v * v).sum::<f32>()).max(0.0).sqrt();
    [q[3], q[0], q[1], q[2]]
}

/// A rotation of version 2: x y z over -1..1, and a w that is not negative.
fn first_three(bytes: [u8; 3]) -> [f32; 4] {
    let [x, y, z] = bytes.map(|b| f32::from(b) / 127.5 - 1.0);
    let w = (1.0 - (x * x + y * y + z * z)).max(0.0).sqrt();
    [w, x, y, z]
}
