//! Arrays of numpy: `.npy` (its format versions 1 to 3), and those in an `.npz`.

use npyz::npz::NpzArchive;
use std::io::{Cursor, Read};

/// Most numbers that an array may hold: far more than a photo has pixels.
const MOST: usize = 100_000_000;

/// An array of numbers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Array {
    /// Sizes, slowest first.
    pub(crate) shape: Vec<usize>,
    /// Row-major, whatever the order in the file.
    pub(crate) values: Vec<f64>,
    /// Whether the file holds floating-point numbers.
    pub(crate) real: bool,
}

/// Reads a `.npy`: booleans, integers, and floats of 16, 32 and 64 bits, of either byte order, in C or Fortran order.
pub(crate) fn parse(bytes: &[u8]) -> Result<Array, String> {
    let (header, data) = header(bytes).ok_or("it is not a .npy file, or cut short")?;
    let descr = quoted(after(header, "descr")?).ok_or("its type of numbers is not a plain one")?;
    let fortran = after(header, "fortran_order")?.starts_with("True");
    let shape = shape(after(header, "shape")?).ok_or("its shape cannot be read")?;
    let count = shape.iter().try_fold(1usize, |n, side| n.checked_mul(*side));
    let count = count.filter(|n| *n <= MOST).ok_or("its shape is too large")?;
    let (kind, size) = element(descr).ok_or_else(|| format!("numbers of type {descr:?} are not read"))?;
    let data = data.get(..count * size).ok_or_else(|| format!("it is cut short: {count} numbers were expected"))?;
    let big = descr.starts_with('>');
    let stored: Vec<f64> = data.chunks_exact(size).map(|b| number(kind, b, big)).collect();
    let values = if fortran { row_major(&shape, &stored) } else { stored };
    Ok(Array { shape, values, real: kind == 'f' })
}

/// Reads the array `name` of an `.npz`; `None` where it has no such array.
pub(crate) fn from_npz(bytes: &[u8], name: &str) -> Result<Option<Array>, String> {
    let mut archive = NpzArchive::new(Cursor::new(bytes)).map_err(|e| format!("it is not an .npz file: {e}"))?;
    if !archive.array_names().any(|n| n == name) {
        return Ok(None);
    }
    let file = archive.zip_archive().by_name(&npyz::npz::file_name_from_array_name(name));
    let mut unpacked = Vec::new();
    let most = MOST as u64 * 8;
    let read = file.map_err(|e| e.to_string())?.take(most).read_to_end(&mut unpacked);
    read.map_err(|e| format!("array {name}: {e}"))?;
    parse(&unpacked).map(Some).map_err(|e| format!("array {name}: {e}"))
}

/// The text of the header, and the data after it.
fn header(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let rest = bytes.strip_prefix(b"\x93NUMPY")?;
    let (start, length) = match rest {
        [1, _, a, b, ..] => (4, usize::from(u16::from_le_bytes([*a, *b]))),
        [2 | 3, _, a, b, c, d, ..] => (6, u32::from_le_bytes([*a, *b, *c, *d]) as usize),
        _ => return None,
    };
    let (text, data) = rest.get(start..)?.split_at_checked(length)?;
    Some((std::str::from_utf8(text).ok()?, data))
}

/// What follows a key of the header, a Python dictionary.
fn after<'a>(header: &'a str, key: &str) -> Result<&'a str, String> {
    let value = [format!("'{key}':"), format!("\"{key}\":")].iter().find_map(|k| Some(header.split_once(k)?.1));
    value.map(str::trim_start).ok_or_else(|| format!("its header has no {key}"))
}

fn quoted(text: &str) -> Option<&str> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    text[1..].split_once(quote).map(|(inside, _)| inside)
}

fn shape(text: &str) -> Option<Vec<usize>> {
    let inside = text.strip_prefix('(')?.split_once(')')?.0;
    let sides = inside.split(',').map(str::trim).filter(|s| !s.is_empty());
    sides.map(|s| s.parse().ok()).collect::<Option<Vec<usize>>>().filter(|s| s.len() <= 8)
}

/// Kind and bytes of a number.
fn element(descr: &str) -> Option<(char, usize)> {
    let mut letters = descr.trim_start_matches(['<', '>', '|', '=']).chars();
    let (kind, size) = (letters.next()?, letters.as_str().parse().ok()?);
    let known = match kind {
        'f' => [2, 4, 8].contains(&size),
        'i' | 'u' => [1, 2, 4, 8].contains(&size),
        'b' => size == 1,
        _ => false,
    };
    known.then_some((kind, size))
}

fn number(kind: char, bytes: &[u8], big: bool) -> f64 {
    let mut word = [0u8; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    if big {
        word[..bytes.len()].reverse();
    }
    let bits = u64::from_le_bytes(word);
    // Sign extension from the size of the number.
    let signed = || (bits << (64 - 8 * bytes.len())) as i64 >> (64 - 8 * bytes.len());
    match (kind, bytes.len()) {
        ('f', 2) => half(bits as u16),
        ('f', 4) => f64::from(f32::from_bits(bits as u32)),
        ('f', _) => f64::from_bits(bits),
        ('i', _) => signed() as f64,
        _ => bits as f64,
    }
}

/// A 16-bit float (IEEE 754-2008, binary16).
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    sign * match (exponent, fraction) {
        (0, f) => f * 2f64.powi(-24),
        (31, 0.0) => f64::INFINITY,
        (31, _) => f64::NAN,
        (e, f) => (1.0 + f / 1024.0) * 2f64.powi(e - 15),
    }
}

/// Numbers stored with the first index fastest, brought to the last index fastest.
fn row_major(shape: &[usize], stored: &[f64]) -> Vec<f64> {
    let mut steps = vec![1; shape.len()];
    (1..shape.len()).for_each(|i| steps[i] = steps[i - 1] * shape[i - 1]);
    let mut at = vec![0; shape.len()];
    let mut out = Vec::with_capacity(stored.len());
    for _ in 0..stored.len() {
        out.push(stored[at.iter().zip(&steps).map(|(i, s)| i * s).sum::<usize>()]);
        for axis in (0..shape.len()).rev() {
            at[axis] += 1;
            if at[axis] < shape[axis] {
                break;
            }
            at[axis] = 0;
        }
    }
    out
}
