//! Binary masks as COCO run-length encodings.

use serde::{Deserialize, Serialize};

/// What can be wrong with a mask that another program wrote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MaskError {
    /// A character that the compressed encoding does not use, or a number that never ends.
    #[error("the mask's counts are not a COCO run-length string")]
    Malformed,
    /// The runs do not add up to the size.
    #[error("the mask's runs cover {runs} pixels, its size says {pixels}")]
    Length {
        /// Sum of the runs.
        runs: u64,
        /// Height times width.
        pixels: u64,
    },
}

/// A binary mask: COCO run lengths, column-major, starting with the run of zeros.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Segmentation", into = "Segmentation")]
pub struct Rle {
    /// Height in pixels.
    pub height: u32,
    /// Width in pixels.
    pub width: u32,
    /// Run lengths; zeros first.
    pub counts: Vec<u32>,
}

/// The JSON form: `{"size": [h, w], "counts": "..."}`, compressed as in the COCO API; plain lists are read too.
#[derive(Clone, Serialize, Deserialize)]
struct Segmentation {
    size: [u32; 2],
    counts: Counts,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Counts {
    Compressed(String),
    Plain(Vec<u32>),
}

impl From<Rle> for Segmentation {
    fn from(m: Rle) -> Self {
        Self { size: [m.height, m.width], counts: Counts::Compressed(m.to_coco()) }
    }
}

impl TryFrom<Segmentation> for Rle {
    type Error = MaskError;

    fn try_from(s: Segmentation) -> Result<Self, MaskError> {
        let [height, width] = s.size;
        match s.counts {
            Counts::Compressed(text) => Self::from_coco(height, width, &text),
            Counts::Plain(counts) => Self { height, width, counts }.checked(),
        }
    }
}

impl Rle {
    /// Encodes a row-major bitmap of `width * height` pixels.
    pub fn encode(width: u32, height: u32, pixels: &[bool]) -> Self {
        let (w, h) = (width as usize, height as usize);
        let (mut counts, mut run, mut value) = (Vec::new(), 0u32, false);
        for x in 0..w {
            for y in 0..h {
                if pixels[y * w + x] != value {
                    counts.push(run);
                    (run, value) = (0, !value);
                }
                run += 1;
            }
        }
        counts.push(run);
        Self { height, width, counts }
    }

    /// Row-major bitmap of `width * height` pixels.
    pub fn decode(&self) -> Vec<bool> {
        let (w, h) = (self.width as usize, self.height as usize);
        let mut out = vec![false; w * h];
        self.for_each_run(|x, y0, y1| {
            for y in y0..y1 {
                out[y * w + x] = true;
            }
        });
        out
    }

    /// Calls `f(x, y0, y1)` for every vertical run of set pixels, split at column ends.
    pub fn for_each_run(&self, mut f: impl FnMut(usize, usize, usize)) {
        let h = self.height as usize;
        let mut at = 0usize;
        for (i, n) in self.counts.iter().enumerate() {
            let end = at + *n as usize;
            while i % 2 == 1 && at < end {
                let (x, y) = (at / h, at % h);
                let stop = end.min((x + 1) * h);
                f(x, y, y + stop - at);
                at = stop;
            }
            at = end;
        }
    }

    /// Number of set pixels.
    pub fn area(&self) -> u64 {
        self.counts.iter().skip(1).step_by(2).map(|c| u64::from(*c)).sum()
    }

    /// Bounding box `[x0, y0, x1, y1)` in pixels, `None` when empty.
    pub fn bounds(&self) -> Option<[u32; 4]> {
        let mut b = [u32::MAX, u32::MAX, 0, 0];
        self.for_each_run(|x, y0, y1| {
            b = [b[0].min(x as u32), b[1].min(y0 as u32), b[2].max(x as u32 + 1), b[3].max(y1 as u32)];
        });
        (b[2] > 0).then_some(b)
    }

    /// The compressed string of the COCO API: each run as the difference to the run two before, five bits a character.
    pub fn to_coco(&self) -> String {
        let mut out = String::new();
        for (i, n) in self.counts.iter().enumerate() {
            let mut x = i64::from(*n) - if i > 2 { i64::from(self.counts[i - 2]) } else { 0 };
            loop {
                let mut c = (x & 0x1f) as u8;
                x >>= 5;
                let more = if c & 0x10 != 0 { x != -1 } else { x != 0 };
                if more {
                    c |= 0x20;
                }
                out.push((c + 48) as char);
                if !more {
                    break;
                }
            }
        }
        out
    }

    /// Reads the compressed string of the COCO API.
    pub fn from_coco(height: u32, width: u32, text: &str) -> Result<Self, MaskError> {
        let mut counts: Vec<u32> = Vec::new();
        let mut bytes = text.bytes();
        while let Some(first) = bytes.next() {
            let (mut x, mut shift, mut byte) = (0i64, 0u32, first);
            loop {
                let c = byte.checked_sub(48).filter(|c| *c < 64).ok_or(MaskError::Malformed)?;
                if shift > 35 {
                    return Err(MaskError::Malformed);
                }
                x |= i64::from(c & 0x1f) << shift;
                shift += 5;
                if c & 0x20 == 0 {
                    if c & 0x10 != 0 {
                        x |= -1i64 << shift;
                    }
                    break;
                }
                byte = bytes.next().ok_or(MaskError::Malformed)?;
            }
            if counts.len() > 2 {
                x += i64::from(counts[counts.len() - 2]);
            }
            counts.push(u32::try_from(x).map_err(|_| MaskError::Malformed)?);
        }
        Self { height, width, counts }.checked()
    }

    fn checked(self) -> Result<Self, MaskError> {
        let runs = self.counts.iter().map(|c| u64::from(*c)).sum();
        let pixels = u64::from(self.height) * u64::from(self.width);
        if runs == pixels { Ok(self) } else { Err(MaskError::Length { runs, pixels }) }
    }
}

/// One mask in one image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mask2d {
    /// Instance it belongs to; 0 before instances are known.
    pub instance_id: u32,
    /// Label.
    pub label: String,
    /// Score, 0..1.
    pub score: f64,
    /// The pixels.
    pub segmentation: Rle,
}

/// All masks of one image: a file of `masks/`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FrameMasks {
    /// File name of the image.
    pub image: String,
    /// Image width in pixels.
    pub width: u32,
    /// Image height in pixels.
    pub height: u32,
    /// The masks.
    pub masks: Vec<Mask2d>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn agrees_with_pycocotools() {
        // pycocotools.mask.encode of a 3x4 (h x w) bitmap with columns 000 011 110 111, by its algorithm: runs 4 4 1 3.
        let bits = [0, 0, 1, 1, 0, 1, 1, 1, 0, 1, 0, 1].map(|b| b == 1);
        let m = Rle::encode(4, 3, &bits);
        assert_eq!(m.counts, [4, 4, 1, 3]);
        assert_eq!(m.to_coco(), "441O");
        assert_eq!(m.bounds(), Some([1, 0, 4, 3]));
        assert_eq!(m.area(), 7);
    }

    #[test]
    fn refuses_nonsense() {
        assert_eq!(Rle::from_coco(2, 2, "\u{1}"), Err(MaskError::Malformed));
        assert_eq!(Rle::from_coco(2, 2, "5"), Err(MaskError::Length { runs: 5, pixels: 4 }));
        assert!(Rle::from_coco(2, 2, "oooooooooooooooooooooo").is_err());
    }

    proptest! {
        #[test]
        fn round_trip(w in 1u32..20, h in 1u32..20, seed in any::<u64>()) {
            let mut rng = fastrand::Rng::with_seed(seed);
            let bits: Vec<bool> = (0..w * h).map(|_| rng.u8(..) < 90).collect();
            let m = Rle::encode(w, h, &bits);
            prop_assert_eq!(m.decode(), bits.clone());
            prop_assert_eq!(m.area() as usize, bits.iter().filter(|b| **b).count());
            prop_assert_eq!(Rle::from_coco(h, w, &m.to_coco()).unwrap(), m);
        }

        #[test]
        fn any_text_is_an_error_or_a_mask(text in ".*") {
            let _ = Rle::from_coco(7, 9, &text);
        }
    }
}
