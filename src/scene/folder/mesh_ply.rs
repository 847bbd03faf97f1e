//! Triangle meshes as PLY: binary little endian is written; any PLY that holds a mesh is read.

use super::{FolderError, malformed};
use crate::scene::TriMesh;
use nalgebra::Vector3;
use std::path::Path;

pub(super) fn encode(path: &Path, mesh: &TriMesh) -> Result<Vec<u8>, FolderError> {
    let n = mesh.positions.len();
    let refuse = |what: &str| Err(malformed(path, format!("not written: {what}")));
    if mesh.normals.len() != n || mesh.colors.len() != n {
        return refuse("not every vertex has a normal and a colour");
    }
    if mesh.positions.iter().chain(&mesh.normals).flatten().any(|v| !v.is_finite()) {
        return refuse("it holds a number that is not finite");
    }
    if n > i32::MAX as usize || mesh.triangles.iter().flatten().any(|i| *i as usize >= n) {
        return refuse("a triangle has a vertex that is not there");
    }
    let mut out = format!(
        "ply\nformat binary_little_endian 1.0\ncomment holoscope\nelement vertex {n}\n\
         property float x\nproperty float y\nproperty float z\n\
         property float nx\nproperty float ny\nproperty float nz\n\
         property uchar red\nproperty uchar green\nproperty uchar blue\n\
         element face {}\nproperty list uchar int vertex_indices\nend_header\n",
        mesh.triangles.len()
    )
    .into_bytes();
    out.reserve(27 * n + 13 * mesh.triangles.len());
    for ((p, normal), c) in mesh.positions.iter().zip(&mesh.normals).zip(&mesh.colors) {
        for v in p.iter().chain(normal) {
            out.extend(v.to_le_bytes());
        }
        out.extend(c);
    }
    for t in &mesh.triangles {
        out.push(3);
        for i in t {
            out.extend(i.to_le_bytes());
        }
    }
    Ok(out)
}

/// How the numbers after the header are written.
#[derive(Clone, Copy, PartialEq)]
enum Encoding {
    Ascii,
    Little,
    Big,
}

#[derive(Clone, Copy, PartialEq)]
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
}

struct Property {
    name: String,
    kind: Scalar,
    /// Type of the length, for a list.
    list: Option<Scalar>,
}

struct Element {
    name: String,
    count: u64,
    properties: Vec<Property>,
}

/// The header, and where the data begins.
fn header(bytes: &[u8]) -> Result<(Encoding, Vec<Element>, usize), String> {
    let (mut at, mut encoding, mut elements) = (0, None, Vec::<Element>::new());
    loop {
        let rest = &bytes[at..];
        let end = rest.iter().take(4096).position(|b| *b == b'\n').ok_or("the PLY header has no end")?;
        let line = std::str::from_utf8(&rest[..end]).map_err(|_| "the PLY header is not text")?;
        let first = at == 0;
        at += end + 1;
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["ply"] if first => {}
            _ if first => return Err("it does not begin with \"ply\"".into()),
            ["end_header"] => break,
            ["format", "ascii", ..] => encoding = Some(Encoding::Ascii),
            ["format", "binary_little_endian", ..] => encoding = Some(Encoding::Little),
            ["format", "binary_big_endian", ..] => encoding = Some(Encoding::Big),
            ["element", name, count] => {
                let count = count.parse().map_err(|_| format!("{count:?} is not a number of {name}"))?;
                elements.push(Element { name: (*name).into(), count, properties: Vec::new() });
            }
            ["property", words @ ..] => {
                let (list, kind, name) = match words {
                    ["list", count, kind, name] => (Some(*count), *kind, *name),
                    [kind, name] => (None, *kind, *name),
                    _ => return Err(format!("cannot make sense of {line:?}")),
                };
                let scalar = |t: &str| Scalar::parse(t).ok_or_else(|| format!("there is no PLY type {t:?}"));
                let property = Property { name: name.into(), kind: scalar(kind)?, list: list.map(scalar).transpose()? };
                elements.last_mut().ok_or("a property comes before any element")?.properties.push(property);
            }
            [] | ["comment" | "obj_info", ..] => {}
            _ => return Err(format!("cannot make sense of {line:?}")),
        }
    }
    Ok((encoding.ok_or("the PLY header names no format")?, elements, at))
}

/// The numbers after the header, one by one.
struct Numbers<'a> {
    rest: &'a [u8],
    encoding: Encoding,
}

impl Numbers<'_> {
    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.rest.split_first_chunk::<N>()?;
        self.rest = tail;
        let mut out = *head;
        if self.encoding == Encoding::Big {
            out.reverse();
        }
        Some(out)
    }

    fn next(&mut self, kind: Scalar) -> Option<f64> {
        if self.encoding == Encoding::Ascii {
            let text = self.rest.trim_ascii_start();
            let end = text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len());
            self.rest = &text[end..];
            return std::str::from_utf8(&text[..end]).ok()?.parse().ok();
        }
        Some(match kind {
            Scalar::I8 => f64::from(i8::from_le_bytes(self.bytes()?)),
            Scalar::U8 => f64::from(u8::from_le_bytes(self.bytes()?)),
            Scalar::I16 => f64::from(i16::from_le_bytes(self.bytes()?)),
            Scalar::U16 => f64::from(u16::from_le_bytes(self.bytes()?)),
            Scalar::I32 => f64::from(i32::from_le_bytes(self.bytes()?)),
            Scalar::U32 => f64::from(u32::from_le_bytes(self.bytes()?)),
            Scalar::F32 => f64::from(f32::from_le_bytes(self.bytes()?)),
            Scalar::F64 => f64::from_le_bytes(self.bytes()?),
        })
    }
}

pub(super) fn decode(path: &Path, bytes: &[u8]) -> Result<TriMesh, FolderError> {
    parse(bytes).map_err(|reason| malformed(path, reason))
}

fn parse(bytes: &[u8]) -> Result<TriMesh, String> {
    let (encoding, elements, start) = header(bytes)?;
    let mut numbers = Numbers { rest: &bytes[start..], encoding };
    let mut mesh = TriMesh::default();
    let (mut normals, mut colors) = (false, false);
    for element in elements.iter().filter(|e| !e.properties.is_empty()) {
        let has = |names: [&str; 3]| names.iter().all(|n| element.properties.iter().any(|p| p.name == *n));
        if element.name == "vertex" {
            if !has(["x", "y", "z"]) {
                return Err("its vertices have no position".into());
            }
            (normals, colors) = (has(["nx", "ny", "nz"]), has(["red", "green", "blue"]));
        }
        for i in 0..element.count {
            let ended = || format!("it ends in the middle of {} {i} of {}", element.name, element.count);
            match element.name.as_str() {
                "vertex" => read_vertex(&mut numbers, element, &mut mesh).ok_or_else(ended)?,
                _ => read_face(&mut numbers, element, &mut mesh).ok_or_else(ended)?,
            }
        }
    }
    let n = mesh.positions.len();
    if mesh.positions.iter().chain(&mesh.normals).flatten().any(|v| !v.is_finite()) {
        return Err("a vertex has a number that is not finite".into());
    }
    if mesh.triangles.iter().flatten().any(|i| *i as usize >= n) {
        return Err(format!("a face has a vertex that is not among the {n}"));
    }
    if !normals {
        mesh.normals = vertex_normals(&mesh);
    }
    if !colors {
        mesh.colors = vec![[180; 3]; n];
    }
    Ok(mesh)
}

fn read_vertex(numbers: &mut Numbers, element: &Element, mesh: &mut TriMesh) -> Option<()> {
    let (mut position, mut normal, mut color) = ([0f32; 3], [0f32; 3], [0u8; 3]);
    for p in &element.properties {
        if let Some(count) = p.list {
            for _ in 0..numbers.next(count)? as u64 {
                numbers.next(p.kind)?;
            }
            continue;
        }
        let v = numbers.next(p.kind)?;
        // Colours are bytes, or numbers from 0 to 1.
        let byte = if matches!(p.kind, Scalar::F32 | Scalar::F64) { (v * 255.0).round() as u8 } else { v as u8 };
        match p.name.as_str() {
            "x" => position[0] = v as f32,
            "y" => position[1] = v as f32,
            "z" => position[2] = v as f32,
            "nx" => normal[0] = v as f32,
            "ny" => normal[1] = v as f32,
            "nz" => normal[2] = v as f32,
            "red" => color[0] = byte,
            "green" => color[1] = byte,
            "blue" => color[2] = byte,
            _ => {}
        }
    }
    mesh.positions.push(position);
    mesh.normals.push(normal);
    mesh.colors.push(color);
    Some(())
}

/// Reads a face, a polygon as a fan; the same walk skips the elements that a mesh has no use for.
fn read_face(numbers: &mut Numbers, element: &Element, mesh: &mut TriMesh) -> Option<()> {
    for p in &element.properties {
        let count = p.list.map_or(Some(1.0), |c| numbers.next(c))? as u64;
        let is_polygon = element.name == "face" && matches!(p.name.as_str(), "vertex_indices" | "vertex_index");
        let (mut first, mut last) = (0, 0);
        for k in 0..count {
            // A negative index saturates to 0 in a cast: it must be seen as out of range instead.
            let v = numbers.next(p.kind)?;
            let index = if (0.0..=f64::from(u32::MAX - 1)).contains(&v) { v as u32 } else { u32::MAX };
            match k {
                0 => first = index,
                1 => {}
                _ if is_polygon => mesh.triangles.push([first, last, index]),
                _ => {}
            }
            last = index;
        }
    }
    Some(())
}

/// Area-weighted mean of the normals of the triangles at each vertex; +z where there are none.
fn vertex_normals(mesh: &TriMesh) -> Vec<[f32; 3]> {
    let at = |i: u32| Vector3::from(mesh.positions[i as usize]);
    let mut sums = vec![Vector3::<f32>::zeros(); mesh.positions.len()];
    for t in &mesh.triangles {
        let cross = (at(t[1]) - at(t[0])).cross(&(at(t[2]) - at(t[0])));
        for i in t {
            sums[*i as usize] += cross;
        }
    }
    sums.iter()
        .map(|s| s.try_normalize(0.0).filter(|n| n.iter().all(|v| v.is_finite())).unwrap_or(Vector3::z()).into())
        .collect()
}
