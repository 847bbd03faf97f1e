//! Binary PGM and PPM pictures, as ffmpeg writes them to a pipe (Netpbm, "pgm" and "ppm").

use std::io::{BufRead, Error, ErrorKind, Read, Result};

/// Longest side that is believed.
const LONGEST: u32 = 1 << 15;

/// An 8-bit picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// Pixels a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Row by row; one byte a pixel for PGM, three (red, green, blue) for PPM.
    pub data: Vec<u8>,
}

/// The next picture of a stream of them; `None` at its end. A picture that is cut short is the end too: whoever wrote it
/// has stopped.
pub fn read_pnm(from: &mut impl BufRead) -> Result<Option<Picture>> {
    let malformed = || Error::new(ErrorKind::InvalidData, "this is no binary PGM or PPM picture of 8 bits");
    let Some(magic) = word(from)? else { return Ok(None) };
    let channels = match magic.as_str() {
        "P5" => 1,
        "P6" => 3,
        _ => return Err(malformed()),
    };
    let mut number = || -> Result<Option<u32>> {
        let Some(text) = word(from)? else { return Ok(None) };
        text.parse().ok().filter(|n| *n > 0 && *n <= LONGEST).map(Some).ok_or_else(malformed)
    };
    let (Some(width), Some(height), Some(most)) = (number()?, number()?, number()?) else { return Ok(None) };
    if most != 255 {
        return Err(malformed());
    }
    let bytes = u64::from(width) * u64::from(height) * channels;
    let mut data = Vec::new();
    // Grows with what arrives, so that a header that lies costs no memory.
    from.take(bytes).read_to_end(&mut data)?;
    Ok((data.len() as u64 == bytes).then_some(Picture { width, height, data }))
}

/// A word of a header and the one white character behind it; `None` where the stream ends first.
fn word(from: &mut impl BufRead) -> Result<Option<String>> {
    let mut out = String::new();
    let mut byte = [0];
    while out.len() < 16 {
        if from.read(&mut byte)? == 0 {
            return Ok(None);
        }
        if byte[0].is_ascii_whitespace() {
            return Ok(Some(out));
        }
        out.push(char::from(byte[0]));
    }
    Ok(Some(out))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_stream_of_pictures() {
        let mut from = &b"P5\n2 1\n255\nabP6\n1 2\n255\nRGBrgbP5\n2 2\n255\nabc"[..];
        let grey = read_pnm(&mut from).unwrap().unwrap();
        assert_eq!((grey.width, grey.height, &*grey.data), (2, 1, &b"ab"[..]));
        assert_eq!(read_pnm(&mut from).unwrap().unwrap().data, b"RGBrgb");
        assert_eq!(read_pnm(&mut from).unwrap(), None, "cut short");
        for bad in [
            "P4\n1 1\n",
            "P5\n0 1\n255\n",
            "P5\n-1 1\n255\n",
            "P5\n1 99999\n255\n",
            "P6\n1 1\n65535\n",
            "JUNKJUNKJUNKJUNKJUNK",
        ] {
            assert!(read_pnm(&mut bad.as_bytes()).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64), at in 0..12usize) {
            let mut damaged = b"P6\n3 2\n255\nabcdefabcdefabcdef".to_vec();
            damaged[at] = bytes.first().copied().unwrap_or(0);
            for mut from in [&bytes[..], &damaged[..]] {
                while let Ok(Some(_)) = read_pnm(&mut from) {}
            }
        }
    }
}
