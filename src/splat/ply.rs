//! The usual PLY of 3DGS: binary little-endian, one `vertex` per Gaussian, `x y z nx ny nz f_dc_0..2 f_rest_*`
//! (channel-major) `opacity` (logit) `scale_0..2` (ln) `rot_0..3` (w x y z).

use crate::scene::{Gaussians, sh_coefficients};
use std::io::Write;
use std::path::{Path, PathBuf};

/// What can go wrong with a splat file. Each message names the file.
#[derive(Debug, thiserror::Error)]
pub enum PlyError {
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
}

/// Reads a splat: properties in any order and of any scalar type, SH of degree 0 to 3; properties that are not known
/// are passed over. Gaussians with numbers that are not finite are left out.
pub fn read_ply(path: &Path) -> Result<Gaussians, PlyError> {
    let bytes = std::fs::read(path).map_err(|source| PlyError::Io { action: "read", path: path.to_owned(), source })?;
    parse(&bytes).map_err(|reason| PlyError::Malformed { path: path.to_owned(), reason })
}

/// Writes a splat whole or not at all. Gaussians with numbers that are not finite are left out.
pub fn write_ply(path: &Path, g: &Gaussians) -> Result<(), PlyError> {
    let io = |source| PlyError::Io { action: "write", path: path.to_owned(), source };
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o644));
    }
    let mut file = builder.tempfile_in(folder).map_err(io)?;
    file.write_all(&encode(g)).map_err(io)?;
    file.as_file().sync_all().map_err(io)?;
    file.persist(path).map_err(|e| io(e.error))?;
    Ok(())
}

fn finite(g: &Gaussians, i: usize) -> bool {
    let numbers = g.means[i].iter().chain(&g.log_scales[i]).chain(&g.quats[i]).chain(g.sh_of(i).as_flattened());
    numbers.chain([&g.opacity_logits[i]]).all(|v| v.is_finite())
}

fn encode(g: &Gaussians) -> Vec<u8> {
    let kept: Vec<usize> = (0..g.len()).filter(|&i| finite(g, i)).collect();
    let rest = sh_coefficients(g.sh_degree) - 1;
    let mut out = format!("ply\nformat binary_little_endian 1.0\nelement vertex {}\n", kept.len()).into_bytes();
    let names = ["x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2"].map(String::from);
    let rest_names = (0..3 * rest).map(|i| format!("f_rest_{i}"));
    let last = ["opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"].map(String::from);
    for name in names.into_iter().chain(rest_names).chain(last) {
        out.extend(format!("property float {name}\n").bytes());
    }
    out.extend(b"end_header\n");
    for i in kept {
        let sh = g.sh_of(i);
        let channel_major = (0..3).flat_map(|c| sh[1..].iter().map(move |k| k[c]));
        let row = g.means[i].into_iter().chain([0.0; 3]).chain(sh[0]).chain(channel_major);
        for v in row.chain([g.opacity_logits[i]]).chain(g.log_scales[i]).chain(g.quats[i]) {
            out.extend(v.to_le_bytes());
        }
    }
    out
}

/// A scalar type of PLY.
#[derive(Clone, Copy, Debug)]
enum Scalar {
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    F32,
    F64,
}

impl Scalar {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "char" | "int8" => Self::I8,
            "uchar" | "uint8" => Self::U8,
            "short" | "int16" => Self::I16,
            "ushort" | "uint16" => Self::U16,
            "int" | "int32" => Self::I32,
            "uint" | "uint32" => Self::U32,
            "float" | "float32" => Self::F32,
            "double" | "float64" => Self::F64,
            _ => return None,
        })
    }

    fn size(self) -> usize {
        match self {
            Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// The value at the start of `b`, which is long enough.
    fn read(self, b: &[u8]) -> f32 {
        fn take<const N: usize>(b: &[u8]) -> [u8; N] {
            std::array::from_fn(|i| b[i])
        }
        match self {
            Self::I8 => f32::from(b[0] as i8),
            Self::U8 => f32::from(b[0]),
            Self::I16 => f32::from(i16::from_le_bytes(take(b))),
            Self::U16 => f32::from(u16::from_le_bytes(take(b))),
            Self::I32 => i32::from_le_bytes(take(b)) as f32,
            Self::U32 => u32::from_le_bytes(take(b)) as f32,
            Self::F32 => f32::from_le_bytes(take(b)),
            Self::F64 => f64::from_le_bytes(take(b)) as f32,
        }
    }
}

/// The layout of the `vertex` element.
#[derive(Debug, Default)]
struct Layout {
    count: usize,
    /// Bytes of the elements before `vertex`.
    skip: usize,
    stride: usize,
    properties: Vec<(String, usize, Scalar)>,
}

impl Layout {
    fn find(&self, name: &str) -> Result<(usize, Scalar), String> {
        let found = self.properties.iter().find(|(n, _, _)| n == name);
        found.map(|(_, at, s)| (*at, *s)).ok_or_else(|| format!("not a splat: it has no property {name}"))
    }
}

/// Reads the header; returns the layout and the rest of the bytes.
fn header(bytes: &[u8]) -> Result<(Layout, &[u8]), String> {
    let mut rest = bytes;
    let mut line = || -> Result<String, String> {
        let end = rest.iter().take(4096).position(|b| *b == b'\n').ok_or("the header has no end")?;
        let text = String::from_utf8_lossy(&rest[..end]).trim_end().to_string();
        rest = &rest[end + 1..];
        Ok(text)
    };
    if line()? != "ply" {
        return Err("not a PLY file".into());
    }
    let mut layout = Layout::default();
    // Elements in turn: name, count, bytes of one.
    let mut elements: Vec<(String, usize, usize)> = Vec::new();
    let mut format = String::new();
    loop {
        let text = line()?;
        let words: Vec<&str> = text.split_whitespace().collect();
        match words.as_slice() {
            ["end_header"] => break,
            ["comment" | "obj_info", ..] | [] => {}
            ["format", name, _] => format = (*name).to_string(),
            ["element", name, count] => {
                let count = count.parse().map_err(|_| format!("bad count in the header: {text}"))?;
                elements.push(((*name).to_string(), count, 0));
            }
            ["property", "list", ..] => {
                if !elements.iter().any(|e| e.0 == "vertex") || elements.last().is_some_and(|e| e.0 == "vertex") {
                    return Err("lists in or before the vertices are not supported".into());
                }
            }
            ["property", kind, name] => {
                let scalar = Scalar::parse(kind).ok_or_else(|| format!("unknown type in the header: {text}"))?;
                let (element, _, size) = elements.last_mut().ok_or("a property before any element")?;
                if element == "vertex" {
                    layout.properties.push(((*name).to_string(), *size, scalar));
                }
                *size += scalar.size();
            }
            _ => return Err(format!("the header has a line that PLY does not know: {text}")),
        }
    }
    if format != "binary_little_endian" {
        return Err(format!("format is \"{format}\"; only binary_little_endian is read"));
    }
    let at = elements.iter().position(|e| e.0 == "vertex").ok_or("it has no vertices")?;
    for (_, count, size) in &elements[..at] {
        let bytes = count.checked_mul(*size).and_then(|n| n.checked_add(layout.skip));
        layout.skip = bytes.ok_or("counts in the header are too large")?;
    }
    (layout.count, layout.stride) = (elements[at].1, elements[at].2);
    Ok((layout, rest))
}

fn parse(bytes: &[u8]) -> Result<Gaussians, String> {
    let (layout, body) = header(bytes)?;
    let find = |names: &[&str]| names.iter().map(|n| layout.find(n)).collect::<Result<Vec<_>, _>>();
    let mean = find(&["x", "y", "z"])?;
    let scale = find(&["scale_0", "scale_1", "scale_2"])?;
    let quat = find(&["rot_0", "rot_1", "rot_2", "rot_3"])?;
    let opacity = layout.find("opacity")?;
    let dc = find(&["f_dc_0", "f_dc_1", "f_dc_2"])?;
    let rest_count = layout.properties.iter().filter(|p| p.0.starts_with("f_rest_")).count();
    let sh_degree = (0..=3)
        .find(|d| 3 * (sh_coefficients(*d) - 1) == rest_count)
        .ok_or_else(|| format!("{rest_count} f_rest properties fit no SH degree from 0 to 3"))?;
    let rest = (0..rest_count).map(|i| layout.find(&format!("f_rest_{i}"))).collect::<Result<Vec<_>, _>>()?;
    let needed = layout.count.checked_mul(layout.stride).and_then(|n| n.checked_add(layout.skip));
    if needed.is_none_or(|n| n > body.len()) {
        return Err(format!("it ends before its {} vertices do", layout.count));
    }
    let mut g = Gaussians { sh_degree, ..Gaussians::default() };
    let per_channel = rest_count / 3;
    for row in body[layout.skip..].chunks_exact(layout.stride).take(layout.count) {
        let get = |(at, scalar): (usize, Scalar)| scalar.read(&row[at..]);
        g.means.push([0, 1, 2].map(|k: usize| get(mean[k])));
        g.log_scales.push([0, 1, 2].map(|k: usize| get(scale[k])));
        g.quats.push([0, 1, 2, 3].map(|k: usize| get(quat[k])));
        g.opacity_logits.push(get(opacity));
        g.sh.push([0, 1, 2].map(|c: usize| get(dc[c])));
        g.sh.extend((0..per_channel).map(|k| [0, 1, 2].map(|c: usize| get(rest[c * per_channel + k]))));
        if !finite(&g, g.len() - 1) {
            drop_last(&mut g);
        }
    }
    Ok(g)
}

fn drop_last(g: &mut Gaussians) {
    g.means.pop();
    g.log_scales.pop();
    g.quats.pop();
    g.opacity_logits.pop();
    g.sh.truncate(g.len() * sh_coefficients(g.sh_degree));
}
