//! Points of a binary PLY brought to another scale, all else as it is: for splats and meshes alike.

use super::{FolderError, malformed};
use std::path::Path;

/// The contents of a binary little-endian PLY with `x y z` of its vertices multiplied by `factor` and, where the
/// vertices are Gaussians, its logarithm added to `scale_0 scale_1 scale_2` (3DGS, Kerbl et al. 2023: natural
/// logarithms of standard deviations). `path` is for the message where the file is none of this program's.
pub fn scaled_ply(path: &Path, mut bytes: Vec<u8>, factor: f64) -> Result<Vec<u8>, FolderError> {
    let layout = Layout::of(&bytes).map_err(|reason| malformed(path, reason))?;
    let end = layout.start + layout.stride * layout.count;
    let Some(vertices) = bytes.get_mut(layout.start..end).filter(|_| layout.stride > 0) else {
        return Err(malformed(path, "it ends before its last vertex"));
    };
    let log = factor.ln();
    for vertex in vertices.chunks_exact_mut(layout.stride) {
        for at in &layout.lengths {
            change(&mut vertex[*at..*at + 4], |v| v * factor);
        }
        for at in &layout.logs {
            change(&mut vertex[*at..*at + 4], |v| v + log);
        }
    }
    Ok(bytes)
}

fn change(bytes: &mut [u8], f: impl Fn(f64) -> f64) {
    if let Ok(four) = <[u8; 4]>::try_from(&*bytes) {
        bytes.copy_from_slice(&(f(f64::from(f32::from_le_bytes(four))) as f32).to_le_bytes());
    }
}

/// Where the vertices are, and which of their bytes are lengths.
struct Layout {
    start: usize,
    count: usize,
    stride: usize,
    /// Offsets of coordinates within a vertex.
    lengths: Vec<usize>,
    /// Offsets of logarithms of lengths.
    logs: Vec<usize>,
}

impl Layout {
    fn of(bytes: &[u8]) -> Result<Self, String> {
        const END: &[u8] = b"end_header\n";
        let end = bytes.windows(END.len()).position(|w| w == END).ok_or("it is not a PLY file")?;
        let start = end + END.len();
        let header = std::str::from_utf8(&bytes[..end]).map_err(|_| "its header is not text")?;
        let (mut layout, mut elements) = (Self { start, count: 0, stride: 0, lengths: vec![], logs: vec![] }, 0);
        for line in header.lines() {
            match line.split_whitespace().collect::<Vec<_>>().as_slice() {
                ["format", format, ..] if *format != "binary_little_endian" => {
                    return Err(format!("it is {format}, not binary_little_endian: run the pipeline again"));
                }
                ["element", name, count] => {
                    elements += 1;
                    if elements == 1 && *name != "vertex" {
                        return Err("its vertices do not come first".into());
                    }
                    if elements == 1 {
                        layout.count = count.parse().map_err(|_| "it does not say how many vertices it has")?;
                    }
                }
                ["property", kind, name] if elements == 1 => layout.property(kind, name)?,
                ["property", "list", ..] if elements == 1 => return Err("a vertex holds a list".into()),
                _ => {}
            }
        }
        if layout.lengths.len() == 3 { Ok(layout) } else { Err("its vertices have no float x, y and z".into()) }
    }

    fn property(&mut self, kind: &str, name: &str) -> Result<(), String> {
        let size = match kind {
            "char" | "int8" | "uchar" | "uint8" => 1,
            "short" | "int16" | "ushort" | "uint16" => 2,
            "int" | "int32" | "uint" | "uint32" | "float" | "float32" => 4,
            "double" | "float64" => 8,
            other => return Err(format!("property {name} is of an unknown type, {other}")),
        };
        let is_float = matches!(kind, "float" | "float32");
        match name {
            "x" | "y" | "z" if is_float => self.lengths.push(self.stride),
            "scale_0" | "scale_1" | "scale_2" if is_float => self.logs.push(self.stride),
            "scale_0" | "scale_1" | "scale_2" => return Err(format!("property {name} is not a float")),
            _ => {}
        }
        self.stride += size;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_a_ply_of_points_is_refused() {
        let path = Path::new("splat.ply");
        let refuse = |bytes: &[u8]| scaled_ply(path, bytes.to_vec(), 2.0).unwrap_err().to_string();
        assert!(refuse(b"hello").contains("splat.ply"));
        assert!(refuse(b"ply\nformat ascii 1.0\nend_header\n").contains("ascii"));
        let header = "ply\nformat binary_little_endian 1.0\nelement vertex 2\nproperty float x\nproperty float y\n\
                      property uchar red\nproperty float z\nend_header\n";
        let row = |x: f32| [x.to_le_bytes().to_vec(), 2f32.to_le_bytes().to_vec(), vec![7], x.to_le_bytes().to_vec()];
        let bytes = |x: f32| [header.as_bytes().to_vec(), row(x).concat(), row(2.0 * x).concat()];
        let after = scaled_ply(path, bytes(1.5).concat(), 2.0).unwrap();
        let expected = [3f32, 4.0, 6.0, 4.0].map(f32::to_le_bytes);
        assert_eq!(after[header.len()..][..8], [expected[0], expected[1]].concat());
        assert_eq!((after[header.len() + 8], &after[header.len() + 13 + 9..]), (7, &expected[2][..]));
        assert!(refuse(&bytes(1.0).concat()[..header.len() + 20]).contains("last vertex"));
    }
}
