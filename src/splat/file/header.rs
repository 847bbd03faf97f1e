//! The header of a binary little-endian PLY, and the rows of its elements.

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
}

/// The first `N` bytes of `b`, which is long enough.
fn take<const N: usize>(b: &[u8]) -> [u8; N] {
    std::array::from_fn(|i| b[i])
}

/// Where a property lies in its element's row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    at: usize,
    scalar: Scalar,
}

impl Column {
    /// Its value in a row of its element.
    pub(super) fn get(self, row: &[u8]) -> f32 {
        let b = &row[self.at..];
        match self.scalar {
            Scalar::I8 => f32::from(b[0] as i8),
            Scalar::U8 => f32::from(b[0]),
            Scalar::I16 => f32::from(i16::from_le_bytes(take(b))),
            Scalar::U16 => f32::from(u16::from_le_bytes(take(b))),
            Scalar::I32 => i32::from_le_bytes(take(b)) as f32,
            Scalar::U32 => u32::from_le_bytes(take(b)) as f32,
            Scalar::F32 => f32::from_le_bytes(take(b)),
            Scalar::F64 => f64::from_le_bytes(take(b)) as f32,
        }
    }

    /// Its bits in a row of its element, where it is a whole number of 32 bits.
    pub(super) fn bits(self, row: &[u8]) -> Option<u32> {
        matches!(self.scalar, Scalar::U32 | Scalar::I32).then(|| u32::from_le_bytes(take(&row[self.at..])))
    }
}

/// An element of the header.
#[derive(Debug)]
struct Element {
    name: String,
    count: usize,
    stride: usize,
    /// It has a list among its properties: its rows are of no fixed size.
    list: bool,
    columns: Vec<(String, Column)>,
}

/// The rows of an element.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    element: &'a Element,
    bytes: &'a [u8],
}

impl<'a> Rows<'a> {
    /// Number of rows.
    pub(super) fn len(&self) -> usize {
        self.element.count
    }

    /// The property of this name.
    pub(super) fn column(&self, name: &str) -> Result<Column, String> {
        let found = self.element.columns.iter().find(|(n, _)| n == name);
        found.map(|(_, c)| *c).ok_or_else(|| format!("not a splat: it has no property {name}"))
    }

    /// Properties of these names.
    pub(super) fn columns<const N: usize>(&self, names: [&str; N]) -> Result<[Column; N], String> {
        let mut out = [Column { at: 0, scalar: Scalar::U8 }; N];
        for (slot, name) in out.iter_mut().zip(names) {
            *slot = self.column(name)?;
        }
        Ok(out)
    }

    /// Properties `f_rest_0..`, as many as there are.
    pub(super) fn rest(&self) -> Result<Vec<Column>, String> {
        let count = self.element.columns.iter().filter(|(n, _)| n.starts_with("f_rest_")).count();
        (0..count).map(|i| self.column(&format!("f_rest_{i}"))).collect()
    }

    /// Row by row. An element without properties has no rows to look at.
    pub(super) fn iter(&self) -> impl Iterator<Item = &'a [u8]> {
        self.bytes.chunks_exact(self.element.stride.max(1))
    }
}

/// What a header says, and the bytes after it.
#[derive(Debug)]
pub(super) struct Ply<'a> {
    /// `comment SplatRenderMode: mip`, as Brush and SplatTransform write it of splats to be drawn anti-aliased.
    pub antialiased: bool,
    elements: Vec<Element>,
    body: &'a [u8],
}

impl<'a> Ply<'a> {
    /// Reads the header.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, String> {
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
        let (mut elements, mut format, mut antialiased) = (Vec::<Element>::new(), String::new(), false);
        loop {
            let text = line()?;
            let words: Vec<&str> = text.split_whitespace().collect();
            match words.as_slice() {
                ["end_header"] => break,
                ["comment", key, mode] if key.eq_ignore_ascii_case("SplatRenderMode:") => {
                    antialiased = mode.eq_ignore_ascii_case("mip");
                }
                ["comment" | "obj_info", ..] | [] => {}
                ["format", name, _] => format = (*name).to_string(),
                ["element", name, count] => {
                    let count = count.parse().map_err(|_| format!("bad count in the header: {text}"))?;
                    elements.push(Element { name: (*name).into(), count, stride: 0, list: false, columns: vec![] });
                }
                ["property", kind, .., name] => {
                    let element = elements.last_mut().ok_or("a property before any element")?;
                    if *kind == "list" {
                        element.list = true;
                        continue;
                    }
                    let scalar = Scalar::parse(kind).ok_or_else(|| format!("unknown type in the header: {text}"))?;
                    element.columns.push(((*name).to_string(), Column { at: element.stride, scalar }));
                    element.stride += scalar.size();
                }
                _ => return Err(format!("the header has a line that PLY does not know: {text}")),
            }
        }
        if format != "binary_little_endian" {
            return Err(format!("format is \"{format}\"; only binary_little_endian is read"));
        }
        Ok(Self { antialiased, elements, body: rest })
    }

    /// Whether it has such an element.
    pub(super) fn has(&self, name: &str) -> bool {
        self.elements.iter().any(|e| e.name == name)
    }

    /// The rows of an element, all of which are there.
    pub(super) fn rows(&self, name: &str) -> Result<Rows<'_>, String> {
        let at =
            self.elements.iter().position(|e| e.name == name).ok_or_else(|| format!("it has no {name} element"))?;
        if self.elements[..=at].iter().any(|e| e.list) {
            return Err(format!("lists in or before its {name} elements are not supported"));
        }
        let mut rest = self.body;
        for element in &self.elements[..=at] {
            let size = element.count.checked_mul(element.stride).filter(|n| *n <= rest.len());
            let size = size.ok_or_else(|| format!("it ends before its {} {} do", element.count, element.name))?;
            let (bytes, after) = rest.split_at(size);
            if element.name == name {
                return Ok(Rows { element, bytes });
            }
            rest = after;
        }
        Err(format!("it has no {name} element"))
    }
}
