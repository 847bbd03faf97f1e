//! What a model takes and gives, read from the ONNX file itself, so that a file is known without a runtime and without
//! reading its weights. Message and field numbers: `onnx.proto` of <https://github.com/onnx/onnx>.

use super::ModelError;
use super::protobuf::{Field, Reader};
use std::collections::BTreeSet;
use std::io;
use std::path::Path;

/// What a tensor is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// 32-bit float.
    F32,
    /// 16-bit float.
    F16,
    /// 64-bit float.
    F64,
    /// 64-bit integer.
    I64,
    /// 32-bit integer.
    I32,
    /// Byte.
    U8,
    /// Truth value.
    Bool,
    /// Anything else.
    Other,
}

impl Element {
    /// From `TensorProto.DataType`.
    fn of(code: u64) -> Self {
        match code {
            1 => Self::F32,
            2 => Self::U8,
            6 => Self::I32,
            7 => Self::I64,
            9 => Self::Bool,
            10 => Self::F16,
            11 => Self::F64,
            _ => Self::Other,
        }
    }

    /// Whether it is a float of any width.
    pub fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F16 | Self::F64)
    }
}

/// An input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// What it is made of.
    pub element: Element,
    /// Declared sizes, outermost first; `None` where the file leaves them open. What a model declares of its outputs is
    /// often wrong: the returned tensor counts.
    pub dims: Vec<Option<usize>>,
}

/// Inputs and outputs of a model, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signature {
    /// What it takes; weights are not listed.
    pub inputs: Vec<Port>,
    /// What it gives.
    pub outputs: Vec<Port>,
    /// Notes of its exporter, by key, in the order of the file.
    pub metadata: Vec<(String, String)>,
}

impl Signature {
    /// Reads the signature of an ONNX file.
    pub fn read(path: &Path) -> Result<Self, ModelError> {
        if path.is_dir() {
            return Err(ModelError::file(path, "it is a folder, not an ONNX file"));
        }
        Self::read_by(Reader::open(path), path)
    }

    /// Reads the signature of an ONNX file that is in the program; `name` stands for it in messages.
    pub(super) fn of_bytes(bytes: &'static [u8], name: &Path) -> Result<Self, ModelError> {
        Self::read_by(Ok(Reader::of_bytes(bytes)), name)
    }

    fn read_by(reader: io::Result<Reader>, path: &Path) -> Result<Self, ModelError> {
        match reader.and_then(model) {
            Ok(signature) if !signature.inputs.is_empty() && !signature.outputs.is_empty() => Ok(signature),
            Ok(_) => Err(ModelError::file(path, "it is not an ONNX file")),
            Err(e) => Err(ModelError::file(path, e)),
        }
    }

    /// The input of that name.
    pub fn input(&self, name: &str) -> Option<&Port> {
        self.inputs.iter().find(|p| p.name == name)
    }

    /// A note of the exporter.
    pub fn note(&self, key: &str) -> Option<&str> {
        self.metadata.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str())
    }

    /// Whether there is an output of that name.
    pub fn gives(&self, name: &str) -> bool {
        self.outputs.iter().any(|p| p.name == name)
    }

    /// The input that takes pictures: the only float or byte input of rank 3 or more.
    pub fn picture(&self) -> Option<&Port> {
        let mut fitting =
            self.inputs.iter().filter(|p| p.dims.len() >= 3 && (p.element.is_float() || p.element == Element::U8));
        fitting.next().filter(|_| fitting.next().is_none())
    }
}

impl std::fmt::Display for Signature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |ports: &[Port]| {
            let size = |d: &Option<usize>| d.map_or_else(|| "?".into(), |d| d.to_string());
            let one = |p: &Port| format!("{}[{}]", p.name, p.dims.iter().map(size).collect::<Vec<_>>().join(","));
            ports.iter().map(one).collect::<Vec<_>>().join(" ")
        };
        write!(f, "takes {} and gives {}", list(&self.inputs), list(&self.outputs))
    }
}

/// `ModelProto`: graph 7, notes 14.
fn model(mut reader: Reader) -> io::Result<Signature> {
    let end = reader.size();
    let (mut signature, mut metadata) = (Signature::default(), Vec::new());
    while let Some(field) = reader.field(end)? {
        match field {
            Field::Bytes(7, length) => signature = graph(&mut reader, length)?,
            Field::Bytes(14, length) if length <= LONGEST_NOTE => metadata.push(note(&mut reader, length)?),
            Field::Bytes(_, length) => reader.skip(length)?,
            Field::Number(..) => {}
        }
    }
    Ok(Signature { metadata, ..signature })
}

/// Bytes of a note at most; longer ones are passed over. The names of 1,200 classes take 30 KiB.
const LONGEST_NOTE: u64 = 1 << 20;

/// `StringStringEntryProto`: key 1, value 2.
fn note(reader: &mut Reader, length: u64) -> io::Result<(String, String)> {
    let end = reader.at() + length;
    let (mut key, mut value) = (String::new(), String::new());
    while let Some(field) = reader.field(end)? {
        match field {
            Field::Bytes(1, length) => key = reader.text(length)?,
            Field::Bytes(2, length) => value = reader.long_text(length, LONGEST_NOTE)?,
            Field::Bytes(_, length) => reader.skip(length)?,
            Field::Number(..) => {}
        }
    }
    Ok((key, value))
}

/// `GraphProto`: initializer 5, input 11, output 12.
fn graph(reader: &mut Reader, length: u64) -> io::Result<Signature> {
    let end = reader.at() + length;
    let (mut signature, mut weights) = (Signature::default(), BTreeSet::new());
    while let Some(field) = reader.field(end)? {
        match field {
            Field::Bytes(5, length) => {
                weights.insert(name_in(reader, length, 8)?);
            }
            Field::Bytes(11, length) => signature.inputs.push(port(reader, length)?),
            Field::Bytes(12, length) => signature.outputs.push(port(reader, length)?),
            Field::Bytes(_, length) => reader.skip(length)?,
            Field::Number(..) => {}
        }
    }
    signature.inputs.retain(|p| !weights.contains(&p.name));
    Ok(signature)
}

/// The text field `wanted` of a message.
fn name_in(reader: &mut Reader, length: u64, wanted: u64) -> io::Result<String> {
    let end = reader.at() + length;
    let mut name = String::new();
    while let Some(field) = reader.field(end)? {
        match field {
            Field::Bytes(number, length) if number == wanted => name = reader.text(length)?,
            Field::Bytes(_, length) => reader.skip(length)?,
            Field::Number(..) => {}
        }
    }
    Ok(name)
}

/// `ValueInfoProto`: name 1, type 2.
fn port(reader: &mut Reader, length: u64) -> io::Result<Port> {
    let end = reader.at() + length;
    let mut port = Port { name: String::new(), element: Element::Other, dims: Vec::new() };
    while let Some(field) = reader.field(end)? {
        match field {
            Field::Bytes(1, length) => port.name = reader.text(length)?,
            Field::Bytes(2, length) => tensor_type(reader, length, &mut port)?,
            Field::Bytes(_, length) => reader.skip(length)?,
            Field::Number(..) => {}
        }
    }
    Ok(port)
}

/// `TypeProto`: tensor type 1, which holds element type 1 and shape 2, which holds dimensions 1.
fn tensor_type(reader: &mut Reader, length: u64, port: &mut Port) -> io::Result<()> {
    let end = reader.at() + length;
    while let Some(field) = reader.field(end)? {
        match field {
            // Entered: its fields are met as the next ones of this loop.
            Field::Bytes(1, _) => {}
            Field::Bytes(2, length) => shape(reader, length, port)?,
            Field::Number(1, code) => port.element = Element::of(code),
            Field::Bytes(_, length) => reader.skip(length)?,
            Field::Number(..) => {}
        }
    }
    Ok(())
}

/// `TensorShapeProto`: dimensions 1, each with a value 1 or a name 2.
fn shape(reader: &mut Reader, length: u64, port: &mut Port) -> io::Result<()> {
    let end = reader.at() + length;
    while let Some(field) = reader.field(end)? {
        let Field::Bytes(1, length) = field else {
            if let Field::Bytes(_, length) = field {
                reader.skip(length)?;
            }
            continue;
        };
        let (inner, mut size) = (reader.at() + length, None);
        while let Some(field) = reader.field(inner)? {
            match field {
                Field::Number(1, value) => size = usize::try_from(value).ok().filter(|v| (1..1 << 31).contains(v)),
                Field::Bytes(_, length) => reader.skip(length)?,
                Field::Number(..) => {}
            }
        }
        port.dims.push(size);
    }
    Ok(())
}
