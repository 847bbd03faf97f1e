//! Splat files: the PLY of 3DGS (Kerbl et al. 2023), the compressed PLY of PlayCanvas, and SPZ of Niantic.
//!
//! [`read`] tells them apart by what is in them. A scene's own `splat.ply` is written by [`write_ply`], exactly as it
//! is; what goes to others is written by [`write`], without what no viewer draws.

mod compressed_ply;
mod harmonics;
mod header;
mod order;
mod ply;
mod spz;
#[cfg(test)]
mod tests;

use crate::scene::{Camera, Gaussians, sh_coefficients};
use header::Ply;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Opacity below which a Gaussian is not exported: it adds less than a step of an 8-bit colour.
const MIN_ALPHA: f32 = 1.0 / 255.0;

/// What can go wrong with a splat file. Each message names the file.
#[derive(Debug, thiserror::Error)]
pub enum SplatFileError {
    /// Reading or writing failed.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// "read" or "write".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is there but is no splat.
    #[error("{path}: {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No Gaussian is left to be written.
    #[error("{0} is not written: no Gaussian of the splat can be seen")]
    Empty(PathBuf),
}

/// How a splat is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SplatFormat {
    /// The PLY of 3DGS: exact, read by every viewer.
    Ply,
    /// The compressed PLY of PlayCanvas and SuperSplat: 16 bytes a Gaussian, and one for each SH coefficient.
    CompressedPly,
    /// SPZ version 3: one gzip stream, read by most programs that know SPZ.
    Spz3,
    /// SPZ version 4: a zstd stream for each attribute.
    Spz4,
}

impl SplatFormat {
    /// The usual name of a file of this format. Programs tell compressed PLY and SPZ by how a name ends.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Ply => "splat.ply",
            Self::CompressedPly => "splat.compressed.ply",
            Self::Spz3 => "splat.spz",
            Self::Spz4 => "splat.v4.spz",
        }
    }
}

/// Reads a splat of any format that [`write()`] writes, and SPZ version 2. Gaussians with numbers that are not finite are
/// left out; coordinates are taken as they are, whatever axes the file names.
pub fn read(path: &Path) -> Result<Gaussians, SplatFileError> {
    let bytes = bytes_of(path)?;
    let parsed = if spz::is_one(&bytes) {
        spz::decode(&bytes)
    } else if bytes.starts_with(b"ply") {
        Ply::parse(&bytes)
            .and_then(|p| if compressed_ply::is_one(&p) { compressed_ply::decode(&p) } else { ply::decode(&p) })
    } else {
        Err("not a splat: it is neither a PLY nor an SPZ file".into())
    };
    finished(path, parsed)
}

/// Reads the PLY of 3DGS: properties in any order and of any scalar type, SH of degree 0 to 3; properties that are not
/// known are passed over. Gaussians with numbers that are not finite are left out.
pub fn read_ply(path: &Path) -> Result<Gaussians, SplatFileError> {
    let bytes = bytes_of(path)?;
    finished(path, Ply::parse(&bytes).and_then(|p| ply::decode(&p)))
}

/// Writes a scene's own `splat.ply`, whole or not at all: what a resumed run reads back is what was trained. Gaussians
/// with numbers that are not finite are left out.
pub fn write_ply(path: &Path, g: &Gaussians) -> Result<(), SplatFileError> {
    replace(path, &ply::encode(g))
}

/// Writes a splat for other programs, whole or not at all. Quaternions are of unit length; Gaussians that no viewer
/// draws (opacity below 1/255, numbers that are not finite) are left out, and formats that gain by it hold them in
/// Morton order.
///
/// Coordinates are those of the scene in every format, so that they lie one over the other. SPZ holds few values of SH:
/// they are chosen so that the views of `cameras` (those of the photos; none: views from all sides) change least.
pub fn write(path: &Path, g: &Gaussians, format: SplatFormat, cameras: &[Camera]) -> Result<(), SplatFileError> {
    let g = visible(g);
    if g.is_empty() {
        return Err(SplatFileError::Empty(path.to_owned()));
    }
    let bytes = match format {
        SplatFormat::Ply => Ok(ply::encode(&g)),
        SplatFormat::CompressedPly => Ok(compressed_ply::encode(&order::morton(&g))),
        SplatFormat::Spz3 => spz::encode_gzip(&order::morton(&g), cameras),
        SplatFormat::Spz4 => spz::encode_zstd(&order::morton(&g), cameras),
    };
    replace(path, &bytes.map_err(|source| SplatFileError::Io { action: "write", path: path.to_owned(), source })?)
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, SplatFileError> {
    std::fs::read(path).map_err(|source| SplatFileError::Io { action: "read", path: path.to_owned(), source })
}

fn finished(path: &Path, parsed: Result<Gaussians, String>) -> Result<Gaussians, SplatFileError> {
    let g = parsed.map_err(|reason| SplatFileError::Malformed { path: path.to_owned(), reason })?;
    let kept: Vec<usize> = (0..g.len()).filter(|&i| finite(&g, i)).collect();
    Ok(if kept.len() == g.len() { g } else { select(&g, &kept) })
}

fn replace(path: &Path, bytes: &[u8]) -> Result<(), SplatFileError> {
    let io = |source| SplatFileError::Io { action: "write", path: path.to_owned(), source };
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o644));
    }
    let mut file = builder.tempfile_in(folder).map_err(io)?;
    file.write_all(bytes).map_err(io)?;
    file.as_file().sync_all().map_err(io)?;
    file.persist(path).map_err(|e| io(e.error))?;
    Ok(())
}

fn finite(g: &Gaussians, i: usize) -> bool {
    let numbers = g.means[i].iter().chain(&g.log_scales[i]).chain(&g.quats[i]).chain(g.sh_of(i).as_flattened());
    numbers.chain([&g.opacity_logits[i]]).all(|v| v.is_finite())
}

/// The Gaussians at `indices`, in that order.
fn select(g: &Gaussians, indices: &[usize]) -> Gaussians {
    Gaussians {
        means: indices.iter().map(|&i| g.means[i]).collect(),
        log_scales: indices.iter().map(|&i| g.log_scales[i]).collect(),
        quats: indices.iter().map(|&i| g.quats[i]).collect(),
        opacity_logits: indices.iter().map(|&i| g.opacity_logits[i]).collect(),
        sh_degree: g.sh_degree,
        sh: indices.iter().flat_map(|&i| g.sh_of(i)).copied().collect(),
        antialiased: g.antialiased,
    }
}

/// Those that a viewer draws, their quaternions of unit length.
fn visible(g: &Gaussians) -> Gaussians {
    let length = |i: usize| g.quats[i].iter().map(|q| f64::from(*q).powi(2)).sum::<f64>().sqrt();
    let drawn = |&i: &usize| finite(g, i) && super::sigmoid(g.opacity_logits[i]) >= MIN_ALPHA && length(i) > 1e-12;
    let kept: Vec<usize> = (0..g.len()).filter(drawn).collect();
    let mut out = select(g, &kept);
    for (quat, i) in out.quats.iter_mut().zip(kept) {
        let length = length(i);
        *quat = quat.map(|q| (f64::from(q) / length) as f32);
    }
    out
}

/// The comments of a PLY header: which axis is up, and how the splat is to be drawn (keys of Brush and SplatTransform).
fn comments(g: &Gaussians) -> String {
    let mode = if g.antialiased { "mip" } else { "default" };
    format!("comment Vertical axis: z\ncomment SplatRenderMode: {mode}\n")
}

/// An opacity of 8 bits before the sigmoid. The ends stand for what is a quarter of a step from them: their logits
/// would not be finite.
fn logit_of_byte(byte: u8) -> f32 {
    super::logit(f32::from(byte).clamp(0.25, 254.75) / 255.0)
}

/// A number rounded to 8 bits.
fn byte(v: f32) -> u8 {
    // The cast holds at the ends.
    v.round() as u8
}

/// An empty cloud with room for as many as `n`.
fn with_room(n: usize, sh_degree: usize, antialiased: bool) -> Gaussians {
    Gaussians {
        means: Vec::with_capacity(n),
        log_scales: Vec::with_capacity(n),
        quats: Vec::with_capacity(n),
        opacity_logits: Vec::with_capacity(n),
        sh_degree,
        sh: Vec::with_capacity(n * sh_coefficients(sh_degree)),
        antialiased,
    }
}
