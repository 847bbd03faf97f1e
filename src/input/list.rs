//! Which files of a folder are the photos of a capture.

use super::InputError;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// A photo that was not opened yet.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Photo {
    pub(super) path: PathBuf,
    pub(super) stem: String,
}

/// The photos of an input.
#[derive(Debug)]
pub(super) struct Listing {
    /// In natural order of file names.
    pub(super) photos: Vec<Photo>,
    /// What was left out.
    pub(super) warnings: Vec<String>,
}

const OTHER_PHOTO: [&str; 20] = [
    "heic", "heif", "avif", "webp", "tif", "tiff", "bmp", "gif", "jxl", "jp2", "dng", "raw", "cr2", "cr3", "nef",
    "arw", "orf", "rw2", "raf", "pef",
];

fn extension(path: &Path) -> String {
    path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default()
}

/// Whether the name is that of a video.
pub(super) fn is_video(path: &Path) -> bool {
    super::video::ENDINGS.contains(&extension(path).as_str())
}

/// The photos of `input`: in `rgb/`, else in `images/`, else directly in it.
pub(super) fn photos(input: &Path) -> Result<Listing, InputError> {
    let kind = match std::fs::metadata(input) {
        Ok(kind) => kind,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Err(InputError::Missing(input.into())),
        Err(source) => return Err(InputError::Io { path: input.into(), source }),
    };
    if !kind.is_dir() {
        let what = match extension(input).as_str() {
            "jpg" | "jpeg" | "png" => "one photo",
            _ => "a file",
        };
        return Err(InputError::NotAFolder { path: input.into(), what });
    }
    let mut others = Vec::new();
    for folder in [input.join("rgb"), input.join("images"), input.to_path_buf()] {
        if !folder.is_dir() {
            continue;
        }
        let (names, mut left) = names_in(&folder)?;
        if names.is_empty() {
            others.append(&mut left);
            continue;
        }
        check_unread(&folder, names.len(), &left)?;
        let mut warnings = Vec::new();
        if !left.is_empty() {
            let how = how_to_convert(&left).map_or_else(String::new, |how| format!("; {how}"));
            let what = some_of(&left);
            warnings.push(format!("left out in {}: {what} (JPEG and PNG are read{how})", folder.display()));
        }
        let photos = distinct(&folder, names, &mut warnings);
        return Ok(Listing { photos, warnings });
    }
    check_unread(input, 0, &others)?;
    let hint = match &others[..] {
        [] => String::new(),
        [one] => format!("; it holds the video {one}, which can be given itself"),
        _ => format!("; it holds videos ({}), each of which can be given itself", some_of(&others)),
    };
    Err(InputError::NoPhotos { path: input.into(), hint })
}

/// File names of the photos that lie directly in a folder, in natural order.
pub(super) fn photos_directly_in(folder: &Path) -> Result<Vec<String>, InputError> {
    names_in(folder).map(|(photos, _)| photos)
}

/// Refuses a folder most of whose photos would be left out.
fn check_unread(folder: &Path, read: usize, left: &[String]) -> Result<(), InputError> {
    let unread: Vec<String> = left.iter().filter(|n| !is_video(Path::new(n))).cloned().collect();
    match how_to_convert(&unread) {
        Some(how) if unread.len() > read => Err(InputError::Unread {
            path: folder.into(),
            count: unread.len(),
            total: read + unread.len(),
            names: some_of(&unread),
            how,
        }),
        _ => Ok(()),
    }
}

/// A command that makes JPEGs of the first of these photos and its like.
fn how_to_convert(names: &[String]) -> Option<String> {
    let name = names.iter().find(|n| !is_video(Path::new(n)))?;
    let ending = name.rsplit('.').next().unwrap_or_default();
    Some(match ending.to_lowercase().as_str() {
        "heic" | "heif" => format!(
            "convert them to JPEG first, for example with `magick mogrify -format jpg *.{ending}` or `heif-convert {name} NEW.jpg`"
        ),
        _ => format!("convert them to JPEG first, for example with `magick mogrify -format jpg *.{ending}`"),
    })
}

/// A few names of many.
pub(super) fn some_of(names: &[String]) -> String {
    let more = if names.len() > 3 { format!(" and {} more", names.len() - 3) } else { String::new() };
    format!("{}{more}", names[..names.len().min(3)].join(", "))
}

/// File names of the photos of a folder, and of what could be photos or videos but is not read; each in natural order.
fn names_in(folder: &Path) -> Result<(Vec<String>, Vec<String>), InputError> {
    let unreadable = |source| InputError::Io { path: folder.into(), source };
    let (mut photos, mut others) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let Some(name) = path.file_name().and_then(|n| n.to_str()) else {
            // A stem is a key in JSON files, which are UTF-8.
            others.extend(path.file_name().map(|n| n.to_string_lossy().into_owned()));
            continue;
        };
        // Hidden files are no photos: macOS leaves "._IMG_1.jpg" beside "IMG_1.jpg".
        if name.starts_with('.') || !path.is_file() {
            continue;
        }
        match extension(&path).as_str() {
            "png" if is_mask(name) => {}
            "jpg" | "jpeg" | "png" => photos.push(name.to_string()),
            e if OTHER_PHOTO.contains(&e) || is_video(&path) => others.push(name.to_string()),
            _ => {}
        }
    }
    photos.sort_by(|a, b| natural(a, b));
    others.sort_by(|a, b| natural(a, b));
    Ok((photos, others))
}

/// Whether a PNG is the mask of the photo beside it.
fn is_mask(name: &str) -> bool {
    name.to_lowercase().ends_with(super::masks::BESIDE)
}

/// Per-image files are named by the stem, so of two photos with one stem the first is kept.
fn distinct(folder: &Path, names: Vec<String>, warnings: &mut Vec<String>) -> Vec<Photo> {
    let mut first: HashMap<String, String> = HashMap::new();
    let mut out = Vec::new();
    for name in names {
        let path = folder.join(&name);
        let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        if let Some(kept) = first.get(&stem) {
            warnings.push(format!("left out: {} has the same name as {kept}", path.display()));
            continue;
        }
        first.insert(stem.clone(), name);
        out.push(Photo { path, stem });
    }
    out
}

/// Order of names in which runs of digits count as numbers: img2 comes before img10.
pub(crate) fn natural(a: &str, b: &str) -> Ordering {
    let (mut x, mut y) = (a.as_bytes(), b.as_bytes());
    let digits = |s: &[u8]| s.iter().take_while(|c| c.is_ascii_digit()).count();
    while let (Some(c), Some(d)) = (x.first(), y.first()) {
        let (n, m) = (digits(x), digits(y));
        let order = if n > 0 && m > 0 {
            let zeros = |s: &[u8]| s.iter().take_while(|c| **c == b'0').count();
            let (p, q) = (&x[zeros(&x[..n])..n], &y[zeros(&y[..m])..m]);
            (x, y) = (&x[n..], &y[m..]);
            p.len().cmp(&q.len()).then_with(|| p.cmp(q))
        } else {
            (x, y) = (&x[1..], &y[1..]);
            c.cmp(d)
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    // "img1" before "img1b"; "img01" and "img1" in a fixed order too.
    x.len().cmp(&y.len()).then_with(|| a.cmp(b))
}
