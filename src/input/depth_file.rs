//! Depth of a sensor or of another program: 16-bit PNG, `.npy`, `.npz`, OpenEXR.

use super::{InputError, malformed, npy, read_bytes};
use crate::scene::DepthMap;
use exr::prelude::{FlatSamples, MetaData, ReadChannels, ReadLayers};
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader};
use std::io::Cursor;
use std::path::Path;

/// Extensions that [`read`] understands.
pub(crate) const ENDS: [&str; 4] = ["npy", "npz", "exr", "png"];

/// Most pixels of a map: more would be no photo's.
const MOST_PIXELS: usize = 100_000_000;

/// Farther than this is the background of a renderer.
const FARTHEST: f64 = 1e9;

/// Reads a depth map. `unit` are the metres that 1 stands for in a file of whole numbers, and in one of real numbers.
/// What is not finite, not positive or saturated is unknown.
pub(crate) fn read(path: &Path, unit: [f64; 2]) -> Result<DepthMap, InputError> {
    let bytes = read_bytes(path)?;
    let end = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
    decode(&bytes, &end, unit).map_err(|reason| malformed(path, reason))
}

/// See [`read`]; `end` is one of [`ENDS`].
pub(crate) fn decode(bytes: &[u8], end: &str, unit: [f64; 2]) -> Result<DepthMap, String> {
    match end {
        "png" => png(bytes, unit[0]),
        "npy" => array(npy::parse(bytes)?, unit),
        "npz" => {
            for name in ["depth", "arr_0"] {
                if let Some(found) = npy::from_npz(bytes, name)? {
                    return array(found, unit);
                }
            }
            Err("it has no array named depth".into())
        }
        "exr" => exr(bytes, unit[1]),
        _ => Err("depth is read from .png, .npy, .npz and .exr".into()),
    }
}

fn known(depth: f64) -> f32 {
    if depth > 0.0 && depth < FARTHEST { depth as f32 } else { 0.0 }
}

fn png(bytes: &[u8], unit: f64) -> Result<DepthMap, String> {
    let decoder = ImageReader::with_format(Cursor::new(bytes), ImageFormat::Png).into_decoder();
    let decoder = decoder.map_err(|e| e.to_string())?;
    let (width, height) = decoder.dimensions();
    if width as usize * height as usize > MOST_PIXELS {
        return Err(format!("{width} x {height} pixels are too many"));
    }
    match DynamicImage::from_decoder(decoder) {
        Ok(DynamicImage::ImageLuma16(image)) => {
            let metres = |d: &u16| if *d == u16::MAX { 0.0 } else { known(f64::from(*d) * unit) };
            Ok(DepthMap { width, height, data: image.as_raw().iter().map(metres).collect() })
        }
        Ok(other) => Err(format!("depth is 16-bit grayscale, this is {:?}", other.color())),
        Err(e) => Err(e.to_string()),
    }
}

/// An array of height and width; other axes have one entry.
fn array(array: npy::Array, unit: [f64; 2]) -> Result<DepthMap, String> {
    let sides: Vec<usize> = array.shape.iter().copied().filter(|n| *n != 1).collect();
    let [height, width] = sides[..] else {
        return Err(format!("an array of shape {:?} is not one depth map", array.shape));
    };
    let size = [width, height].map(u32::try_from);
    let [Ok(width), Ok(height)] = size else { return Err("its shape is too large".into()) };
    let unit = if array.real { unit[1] } else { unit[0] };
    Ok(DepthMap { width, height, data: array.values.iter().map(|d| known(d * unit)).collect() })
}

/// The channel named Z, Y or R, in this order, of the first layer; else its first channel.
fn exr(bytes: &[u8], unit: f64) -> Result<DepthMap, String> {
    let meta = MetaData::read_from_buffered(Cursor::new(bytes), false).map_err(|e| e.to_string())?;
    let area = |h: &exr::meta::header::Header| h.layer_size.width().saturating_mul(h.layer_size.height());
    if meta.headers.iter().any(|h| area(h).saturating_mul(h.channels.list.len()) > MOST_PIXELS) {
        return Err("it has too many pixels".into());
    }
    let reader = exr::prelude::read().no_deep_data().largest_resolution_level().all_channels().first_valid_layer();
    let image = reader.all_attributes().from_buffered(Cursor::new(bytes)).map_err(|e| e.to_string())?;
    let (width, height) = (image.layer_data.size.width(), image.layer_data.size.height());
    let channels = &image.layer_data.channel_data.list;
    let named = |letter: &str| {
        channels.iter().find(|c| {
            let name = c.name.to_string();
            name.rsplit('.').next().is_some_and(|last| last.eq_ignore_ascii_case(letter))
        })
    };
    let channel = ["Z", "Y", "R"].iter().find_map(|l| named(l)).or(channels.first());
    let data: Vec<f32> = match channel.map(|c| &c.sample_data) {
        Some(FlatSamples::F32(v)) => v.iter().map(|d| known(f64::from(*d) * unit)).collect(),
        Some(FlatSamples::F16(v)) => v.iter().map(|d| known(f64::from(d.to_f32()) * unit)).collect(),
        Some(FlatSamples::U32(v)) => v.iter().map(|d| known(f64::from(*d) * unit)).collect(),
        None => return Err("it has no channels".into()),
    };
    let size = [width, height].map(u32::try_from);
    match size {
        [Ok(w), Ok(h)] if data.len() == width * height => Ok(DepthMap { width: w, height: h, data }),
        _ => Err("its depth channel has not one number per pixel".into()),
    }
}
