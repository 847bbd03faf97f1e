//! One photo: pixels, orientation, and what its EXIF says of the camera.

use super::{InputError, malformed, plausible};
use crate::scene::{DepthMap, Intrinsics, Lens, undistorted};
use exif::{In, Tag, Value};
use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{DynamicImage, ImageBuffer, ImageDecoder, ImageFormat, ImageReader, Luma, RgbImage};
use nalgebra::{UnitQuaternion, Vector3};
use std::f64::consts::{FRAC_PI_2, PI};
use std::io::Cursor;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Focal lengths over the longer side that EXIF is believed: of 127 degrees down to 2 degrees.
const LENSES: std::ops::Range<f64> = 0.25..30.0;

/// Photos with a side shorter than this show nothing.
const MIN_SIDE: u32 = 32;

/// Photos that would take more memory than this (an 8-bit RGB photo of 180 megapixels) are damaged, or of no use.
const MAX_BYTES: u64 = 512 << 20;

/// Photos of more bytes than this are decoded one at a time, so that many threads do not fill the memory.
const LARGE: u64 = 80 << 20;
static LARGE_ONE: Mutex<()> = Mutex::new(());

/// A photo's pixels and what is needed to fit a camera to them.
pub(super) struct Photo {
    /// Upright, without distortion, and scaled down where it was too long.
    pub(super) image: RgbImage,
    /// Size as stored in the file: not turned, not scaled.
    pub(super) stored: (u32, u32),
    /// Whether `image` is what the file holds, pixel by pixel.
    pub(super) as_stored: bool,
    /// The pinhole camera of the scaled photo before it was turned, where a lens was given and undone.
    pub(super) flat: Option<Intrinsics>,
    /// How the stored pixels were turned to stand upright.
    pub(super) orientation: Orientation,
    /// The camera that EXIF tells of, for `image`.
    pub(super) exif_intrinsics: Option<Intrinsics>,
}

/// Decodes a photo (JPEG or PNG) and turns it upright as its EXIF says; its size is kept.
pub fn decode_photo(path: &Path) -> Result<RgbImage, InputError> {
    Photo::read(path, false, u32::MAX, None).map(|p| p.image)
}

/// A file's bytes, its decoder's findings and its size: all that is known before the pixels are decoded.
struct Header {
    orientation: Orientation,
    stored: (u32, u32),
    exif: Option<Vec<u8>>,
}

/// Looks at a photo without decoding its pixels.
fn header(path: &Path, bytes: &[u8]) -> Result<Header, InputError> {
    let mut decoder = decoder(path, bytes)?;
    let exif = decoder.exif_metadata().ok().flatten();
    let orientation = exif.as_deref().and_then(Orientation::from_exif_chunk).unwrap_or(Orientation::NoTransforms);
    Ok(Header { orientation, stored: decoder.dimensions(), exif })
}

fn decoder<'a>(path: &Path, bytes: &'a [u8]) -> Result<impl ImageDecoder + 'a, InputError> {
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format();
    let reader = reader.map_err(|source| InputError::Io { path: path.into(), source })?;
    if !matches!(reader.format(), Some(ImageFormat::Jpeg | ImageFormat::Png)) {
        return Err(malformed(path, foreign(bytes)));
    }
    if reader.format() == Some(ImageFormat::Jpeg) && !jpeg_is_whole(bytes) {
        return Err(malformed(path, "the JPEG is cut short"));
    }
    reader.into_decoder().map_err(|e| malformed(path, e.to_string()))
}

/// What a file with the name of a JPEG or a PNG is instead. Phones and browsers rename without converting.
fn foreign(bytes: &[u8]) -> String {
    let word = |at: usize| bytes.get(at..at + 4).unwrap_or_default();
    let format = match (word(0), word(4), word(8)) {
        ([], ..) => return "the file is empty".into(),
        (_, b"ftyp", b"avif" | b"avis") => "AVIF",
        (_, b"ftyp", b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"mif1" | b"msf1") => "HEIC",
        (b"RIFF", _, b"WEBP") => "WebP",
        (b"II*\0" | b"MM\0*", ..) => "TIFF or raw",
        _ => return "it is neither a JPEG nor a PNG".into(),
    };
    format!("it is a {format} photo by another name: convert it, for example with `magick IT.jpg NEW.jpg`")
}

/// Whether a JPEG has its end marker. The decoder fills a missing end with grey and does not say so.
/// The segments before the scan are walked, since EXIF holds a thumbnail with an end marker of its own (ITU T.81, B.1).
fn jpeg_is_whole(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some([0xff, marker, high, low]) = bytes.get(at..at + 4) {
        match marker {
            0xff => at += 1,
            0xda => return bytes[at..].windows(2).any(|w| w == [0xff, 0xd9]),
            0x01 | 0xd0..=0xd9 => at += 2,
            _ => at += 2 + usize::from(u16::from_be_bytes([*high, *low])),
        }
    }
    // Not a chain of segments: let the decoder say what is wrong.
    bytes.windows(2).any(|w| w == [0xff, 0xd9])
}

impl Photo {
    /// Reads a photo. Where it comes with a pose, a mirroring orientation is not followed: no pose could say the same.
    /// A lens, given with the camera of the stored photo at any scale, is undone.
    pub(super) fn read(
        path: &Path,
        posed: bool,
        max_side: u32,
        lens: Option<(&Intrinsics, &Lens)>,
    ) -> Result<Self, InputError> {
        let bytes = std::fs::read(path).map_err(|source| InputError::Io { path: path.into(), source })?;
        let Header { mut orientation, stored: (w, h), exif } = header(path, &bytes)?;
        let stored_upright = orientation == Orientation::NoTransforms;
        if posed && is_mirrored(orientation) {
            orientation = Orientation::NoTransforms;
        }
        if w.min(h) < MIN_SIDE {
            return Err(malformed(path, format!("{w} x {h} pixels are too few")));
        }
        let decoder = decoder(path, &bytes)?;
        if decoder.total_bytes() > MAX_BYTES {
            return Err(malformed(path, format!("{w} x {h} pixels are too many")));
        }
        let _alone = (decoder.total_bytes() > LARGE).then(|| LARGE_ONE.lock().unwrap_or_else(PoisonError::into_inner));
        let image = DynamicImage::from_decoder(decoder).map_err(|e| malformed(path, e.to_string()))?;
        let mut image = DynamicImage::ImageRgb8(image.into_rgb8());
        let (long, scale) = (w.max(h), f64::from(max_side) / f64::from(w.max(h)));
        if long > max_side {
            let side = |n: u32| ((f64::from(n) * scale).round() as u32).max(1);
            image = image.resize_exact(side(w), side(h), FilterType::Triangle);
        }
        let (sw, sh) = (image.width(), image.height());
        let lens = lens.filter(|(k, lens)| **lens != Lens::Pinhole && same_shape((w, h), k));
        let flat = lens.and_then(|(k, lens)| undistorted(&image.to_rgb8(), &k.resized(sw, sh), lens));
        let flat = flat.map(|(pixels, camera)| {
            image = pixels.into();
            camera
        });
        image.apply_orientation(orientation);
        let exif_intrinsics = exif.and_then(|e| exif_camera(e, w, h)).map(|k| turned(&k.resized(sw, sh), orientation));
        let as_stored = stored_upright && flat.is_none() && (sw, sh) == (w, h);
        Ok(Self { image: image.into_rgb8(), stored: (w, h), as_stored, flat, orientation, exif_intrinsics })
    }

    /// The camera of `image` that a given one becomes: without its lens, at the size of the photo, turned as it was;
    /// `None` where the shape is another, or the lens cannot be undone.
    pub(super) fn camera(&self, k: &Intrinsics, lens: &Lens) -> Option<Intrinsics> {
        if *lens == Lens::Pinhole { self.fit(k) } else { self.flat.map(|flat| turned(&flat, self.orientation)) }
    }

    /// Size of the photo, scaled but not turned.
    pub(super) fn unturned_size(&self) -> (u32, u32) {
        let (w, h) = self.image.dimensions();
        if swaps(self.orientation) { (h, w) } else { (w, h) }
    }

    /// A depth map of the photo before it was turned, turned with it.
    pub(super) fn turned_depth(&self, map: DepthMap) -> DepthMap {
        let turns = match self.orientation {
            Orientation::NoTransforms => return map,
            o => o,
        };
        let (w, h) = (map.width, map.height);
        let Some(buffer) = ImageBuffer::<Luma<f32>, _>::from_raw(w, h, map.data) else {
            return DepthMap::unknown(w, h);
        };
        use image::imageops::{flip_horizontal, flip_vertical, rotate90, rotate180, rotate270};
        let out = match turns {
            Orientation::Rotate90 => rotate90(&buffer),
            Orientation::Rotate180 => rotate180(&buffer),
            Orientation::Rotate270 => rotate270(&buffer),
            Orientation::FlipHorizontal => flip_horizontal(&buffer),
            Orientation::FlipVertical => flip_vertical(&buffer),
            Orientation::Rotate90FlipH => flip_horizontal(&rotate90(&buffer)),
            Orientation::Rotate270FlipH => flip_horizontal(&rotate270(&buffer)),
            Orientation::NoTransforms => buffer,
        };
        DepthMap { width: out.width(), height: out.height(), data: out.into_raw() }
    }

    /// A camera given for the stored or for the upright photo, at any scale, as a camera of `image`; `None` where the
    /// shape is another. A square or half-turned photo's camera is taken as given for the stored one.
    fn fit(&self, k: &Intrinsics) -> Option<Intrinsics> {
        let ((w, h), stored) = (self.image.dimensions(), self.unturned_size());
        if same_shape(stored, k) {
            Some(turned(&k.resized(stored.0, stored.1), self.orientation))
        } else {
            same_shape((w, h), k).then(|| k.resized(w, h))
        }
    }

    /// A guess for a camera of which nothing is known.
    pub(super) fn guess(&self) -> Intrinsics {
        Intrinsics::guess(self.image.width(), self.image.height())
    }

    /// From the axes of the upright camera to those of the stored one: a turn about the optical axis.
    pub(super) fn turn(&self) -> UnitQuaternion<f64> {
        let angle = match self.orientation {
            Orientation::Rotate90 => -FRAC_PI_2,
            Orientation::Rotate180 => PI,
            Orientation::Rotate270 => FRAC_PI_2,
            _ => 0.0,
        };
        UnitQuaternion::from_axis_angle(&Vector3::z_axis(), angle)
    }
}

/// Whether a photo could be of a camera's size at another scale: rounding to whole pixels changes the shape by less.
pub(super) fn same_shape((w, h): (u32, u32), k: &Intrinsics) -> bool {
    let ratio = f64::from(w) * f64::from(k.height) / (f64::from(h) * f64::from(k.width));
    (ratio - 1.0).abs() < 0.01
}

fn is_mirrored(o: Orientation) -> bool {
    use Orientation::{FlipHorizontal, FlipVertical, Rotate90FlipH, Rotate270FlipH};
    matches!(o, FlipHorizontal | FlipVertical | Rotate90FlipH | Rotate270FlipH)
}

pub(super) fn swaps(o: Orientation) -> bool {
    use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    matches!(o, Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH)
}

/// The camera of a photo whose pixels were turned: a quarter turn clockwise takes `(x, y)` to `(height - y, x)`.
fn turned(k: &Intrinsics, o: Orientation) -> Intrinsics {
    let (w, h) = (f64::from(k.width), f64::from(k.height));
    let (cx, cy) = match o {
        Orientation::NoTransforms => (k.cx, k.cy),
        Orientation::Rotate90 => (h - k.cy, k.cx),
        Orientation::Rotate180 => (w - k.cx, h - k.cy),
        Orientation::Rotate270 => (k.cy, w - k.cx),
        Orientation::FlipHorizontal => (w - k.cx, k.cy),
        Orientation::FlipVertical => (k.cx, h - k.cy),
        Orientation::Rotate90FlipH => (k.cy, k.cx),
        Orientation::Rotate270FlipH => (h - k.cy, w - k.cx),
    };
    if swaps(o) {
        Intrinsics { width: k.height, height: k.width, fx: k.fy, fy: k.fx, cx, cy }
    } else {
        Intrinsics { cx, cy, ..*k }
    }
}

/// The camera that EXIF tells of, for a stored photo of `w` x `h` pixels.
///
/// A focal length for 35 mm film is one over the diagonal of a 24 x 36 mm frame (CIPA DCG-001); else the focal length
/// in millimetres is multiplied by the sensor's pixels per millimetre (Exif 2.32, tags 41486 and 41488).
fn exif_camera(bytes: Vec<u8>, w: u32, h: u32) -> Option<Intrinsics> {
    let exif = exif::Reader::new().read_raw(bytes).ok()?;
    let number = |tag: Tag| -> Option<f64> {
        let v = match &exif.get_field(tag, In::PRIMARY)?.value {
            Value::Rational(r) => r.first()?.to_f64(),
            other => f64::from(other.get_uint(0)?),
        };
        (v.is_finite() && v > 0.0).then_some(v)
    };
    let diagonal = f64::from(w).hypot(f64::from(h));
    let film = number(Tag::FocalLengthIn35mmFilm).map(|mm| mm * diagonal / 24f64.hypot(36.0));
    let sensor = || -> Option<f64> {
        // Millimetres in a unit; 4 and 5 are written by some cameras though the standard has only inches and centimetres.
        let unit = match number(Tag::FocalPlaneResolutionUnit) {
            Some(3.0) => 10.0,
            Some(4.0) => 1.0,
            Some(5.0) => 0.001,
            _ => 25.4,
        };
        // The resolution is that of the photo as taken; another program may have scaled, or turned, it since.
        let taken = [number(Tag::PixelXDimension), number(Tag::PixelYDimension)];
        let taken = taken.into_iter().flatten().fold(0.0, f64::max);
        let scale = if taken > 0.0 { f64::from(w.max(h)) / taken } else { 1.0 };
        Some(number(Tag::FocalLength)? * number(Tag::FocalPlaneXResolution)? / unit * scale)
    };
    let is_a_lens = |f: &f64| LENSES.contains(&(f / f64::from(w.max(h))));
    let f = film.filter(is_a_lens).or_else(|| sensor().filter(is_a_lens))?;
    plausible(Intrinsics { width: w, height: h, fx: f, fy: f, cx: f64::from(w) * 0.5, cy: f64::from(h) * 0.5 })
}
