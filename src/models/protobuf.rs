//! Just enough of Protocol Buffers to walk through a file without reading what is not asked for: weights are skipped.
//! <https://protobuf.dev/programming-guides/encoding/>

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek};
use std::path::Path;

/// A field of a message: its number, and its value or where its bytes lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// A number (`varint`, or fixed width, whose value nobody here asks for).
    Number(u64, u64),
    /// Bytes: number of the field, and how many. The reader stands at the first.
    Bytes(u64, u64),
}

/// A file, or bytes in memory.
trait Bytes: Read + Seek {}
impl<T: Read + Seek> Bytes for T {}

/// A file that is read from front to back.
pub(super) struct Reader {
    file: BufReader<Box<dyn Bytes>>,
    at: u64,
    size: u64,
}

fn bad(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

impl Reader {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        Ok(Self { file: BufReader::new(Box::new(file)), at: 0, size })
    }

    pub(super) fn of_bytes(bytes: &'static [u8]) -> Self {
        Self { file: BufReader::new(Box::new(Cursor::new(bytes))), at: 0, size: bytes.len() as u64 }
    }

    pub(super) fn at(&self) -> u64 {
        self.at
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    fn byte(&mut self) -> io::Result<u8> {
        let mut one = [0u8];
        self.file.read_exact(&mut one).map_err(|_| bad("the file is cut off"))?;
        self.at += 1;
        Ok(one[0])
    }

    fn varint(&mut self) -> io::Result<u64> {
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(bad("it is not an ONNX file"))
    }

    /// The next field of a message that ends at `end`; `None` at the end.
    pub(super) fn field(&mut self, end: u64) -> io::Result<Option<Field>> {
        if self.at >= end {
            return Ok(None);
        }
        let tag = self.varint()?;
        let number = tag >> 3;
        let field = match tag & 7 {
            0 => Field::Number(number, self.varint()?),
            1 => self.skip(8).map(|()| Field::Number(number, 0))?,
            5 => self.skip(4).map(|()| Field::Number(number, 0))?,
            2 => {
                let length = self.varint()?;
                if length > self.size.saturating_sub(self.at) {
                    return Err(bad("the file is cut off, or it is not an ONNX file"));
                }
                if length > end.saturating_sub(self.at) {
                    return Err(bad("it is not an ONNX file"));
                }
                Field::Bytes(number, length)
            }
            _ => return Err(bad("it is not an ONNX file")),
        };
        if number == 0 {
            return Err(bad("it is not an ONNX file"));
        }
        Ok(Some(field))
    }

    /// Goes on without reading.
    pub(super) fn skip(&mut self, length: u64) -> io::Result<()> {
        let step = i64::try_from(length).map_err(|_| bad("it is not an ONNX file"))?;
        self.file.seek_relative(step)?;
        self.at = self.at.saturating_add(length);
        if self.at > self.size {
            return Err(bad("the file is cut off"));
        }
        Ok(())
    }

    /// Text of at most 64 KiB; longer text is no name.
    pub(super) fn text(&mut self, length: u64) -> io::Result<String> {
        self.long_text(length, 1 << 16)
    }

    /// Text of at most `most` bytes.
    pub(super) fn long_text(&mut self, length: u64, most: u64) -> io::Result<String> {
        if length > most {
            return Err(bad("it is not an ONNX file"));
        }
        let mut bytes = vec![0u8; length as usize];
        self.file.read_exact(&mut bytes).map_err(|_| bad("the file is cut off"))?;
        self.at += length;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}
