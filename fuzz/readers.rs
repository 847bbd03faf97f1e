//! One function per file reader: bytes in, nothing out. It must come back, whatever the bytes, and what was read must be
//! what the rest of the program relies on. Used by the fuzz targets and by `tests/hostile.rs`.

use holoscope::input::{self, InputError};
use holoscope::perception::files::{self, Wanted};
use holoscope::review::Review;
use holoscope::scene::folder::{SceneFolder, read_depth_png};
use holoscope::scene::{Instance, Quiet};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A folder that holds one file.
fn holding(name: &str, data: &[u8]) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join(name);
    write(&path, data);
    (dir, path)
}

fn write(path: &Path, data: &[u8]) {
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    std::fs::write(path, data).expect("a file");
}

/// An error is one line and names the file or its folder.
fn one_sentence(error: &dyn std::fmt::Display, at: &Path) {
    let text = error.to_string();
    assert!(text.contains(&at.display().to_string()), "{text} does not name {}", at.display());
    assert!(text.len() < 2000, "{text}");
}

/// A scene folder that is empty but for one file.
fn scene_with(name: &str, data: &[u8]) -> (TempDir, SceneFolder) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let folder = SceneFolder::create(dir.path()).expect("a scene folder");
    write(&dir.path().join(name), data);
    (dir, folder)
}

/// A photo, JPEG or PNG.
pub(crate) fn photo(data: &[u8]) {
    let (_dir, path) = holding("a.jpg", data);
    match input::decode_photo(&path) {
        Ok(image) => assert!(image.width().min(image.height()) >= 32),
        Err(e) => one_sentence(&e, &path),
    }
}

/// The EXIF of a photo whose pixels are sound: its orientation and camera.
pub(crate) fn exif(data: &[u8]) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for name in ["a.jpg", "b.jpg"] {
        write(&dir.path().join(name), &with_exif(data));
    }
    match input::load(dir.path(), None, &Quiet) {
        Ok(capture) => {
            for f in &capture.frames {
                assert!(f.intrinsics.is_plausible());
                assert_eq!((f.intrinsics.width, f.intrinsics.height), f.image.dimensions());
            }
        }
        Err(e) => panic!("{e}"),
    }
}

/// A small JPEG with this EXIF block.
pub(crate) fn with_exif(tiff: &[u8]) -> Vec<u8> {
    let mut jpeg = std::io::Cursor::new(Vec::new());
    let picture = image::RgbImage::from_fn(48, 36, |x, y| image::Rgb([x as u8 * 5, y as u8 * 7, 90]));
    picture.write_to(&mut jpeg, image::ImageFormat::Jpeg).expect("a JPEG");
    let jpeg = jpeg.into_inner();
    let tiff = &tiff[..tiff.len().min(60_000)];
    let length = (tiff.len() + 8) as u16;
    [&jpeg[..2], &[0xff, 0xe1], &length.to_be_bytes(), b"Exif\0\0", tiff, &jpeg[2..]].concat()
}

/// A capture of two small photos and one JSON file.
fn capture_with(name: &str, data: &[u8]) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for (stem, shade) in [("a", 10), ("b", 200)] {
        let picture = image::RgbImage::from_pixel(40, 32, image::Rgb([shade; 3]));
        picture.save(dir.path().join(format!("{stem}.png"))).expect("a PNG");
    }
    write(&dir.path().join(name), data);
    match input::load(dir.path(), None, &Quiet) {
        Ok(capture) => {
            for f in &capture.frames {
                assert!(f.intrinsics.is_plausible());
                assert!(f.given_c2w.is_none_or(|p| p.to_homogeneous().iter().all(|v| v.is_finite())));
            }
        }
        Err(InputError::Cancelled(_)) => panic!("nobody cancelled"),
        Err(e) => one_sentence(&e, dir.path()),
    }
}

/// `poses.json`.
pub(crate) fn poses(data: &[u8]) {
    capture_with("poses.json", data);
}

/// `intrinsics.json`.
pub(crate) fn intrinsics(data: &[u8]) {
    capture_with("intrinsics.json", data);
}

/// The mask of a photo.
pub(crate) fn photo_mask(data: &[u8]) {
    capture_with("masks/a.png", data);
}

/// A depth map, 16-bit PNG.
pub(crate) fn depth_png(data: &[u8]) {
    let (_dir, path) = holding("a.png", data);
    match read_depth_png(&path) {
        Ok(map) => {
            assert_eq!(map.data.len(), map.width as usize * map.height as usize);
            assert!(map.data.iter().all(|d| d.is_finite() && *d >= 0.0));
        }
        Err(e) => one_sentence(&e, &path),
    }
}

/// A splat of any format.
pub(crate) fn splat(data: &[u8]) {
    let (_dir, path) = holding("splat.spz", data);
    match holoscope::splat::read(&path) {
        Ok(g) => {
            let n = g.len();
            assert!([g.log_scales.len(), g.quats.len(), g.opacity_logits.len()] == [n; 3]);
            assert!((0..n).all(|i| g.sh_of(i).as_flattened().iter().all(|v| v.is_finite())));
            assert!(g.means.as_flattened().iter().chain(&g.opacity_logits).all(|v| v.is_finite()));
        }
        Err(e) => one_sentence(&e, &path),
    }
}

/// `mesh.ply`.
pub(crate) fn mesh_ply(data: &[u8]) {
    let (dir, folder) = scene_with("mesh.ply", data);
    match folder.read_mesh() {
        Ok(mesh) => {
            let n = mesh.positions.len();
            assert!(mesh.normals.len() == n && mesh.colors.len() == n);
            assert!(mesh.triangles.as_flattened().iter().all(|v| (*v as usize) < n));
            assert!(mesh.positions.as_flattened().iter().all(|v| v.is_finite()));
        }
        Err(e) => one_sentence(&e, dir.path()),
    }
}

/// The three text files of a COLMAP model, one after another with a line `----` between.
pub(crate) fn colmap(data: &[u8]) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let folder = SceneFolder::create(dir.path()).expect("a scene folder");
    let mut parts = split(data).into_iter();
    for name in ["cameras.txt", "images.txt", "points3D.txt"] {
        write(&dir.path().join("sparse/0").join(name), parts.next().unwrap_or_default());
    }
    let names = ["a.png".to_owned(), "b.png".to_owned()];
    match folder.read_sparse(&names) {
        Ok(sparse) => {
            assert_eq!(sparse.cameras.len(), 2);
            for p in &sparse.points {
                assert!(p.position.iter().all(|v| v.is_finite()) && p.track.iter().all(|(f, _)| *f < 2));
            }
            for c in sparse.cameras.iter().flatten() {
                assert!(c.intrinsics.is_plausible() && c.c2w.to_homogeneous().iter().all(|v| v.is_finite()));
            }
        }
        Err(e) => one_sentence(&e, dir.path()),
    }
}

fn split(data: &[u8]) -> Vec<&[u8]> {
    const BETWEEN: &[u8] = b"\n----\n";
    let mut parts = Vec::new();
    let mut rest = data;
    while let Some(at) = rest.windows(BETWEEN.len()).position(|w| w == BETWEEN) {
        parts.push(&rest[..at]);
        rest = &rest[at + BETWEEN.len()..];
    }
    parts.push(rest);
    parts
}

/// `scene.json`, `instances.json` and `masks/a.json`, each of the same bytes.
pub(crate) fn scene_json(data: &[u8]) {
    let (dir, folder) = scene_with("scene.json", data);
    write(&dir.path().join("instances.json"), data);
    write(&dir.path().join("masks/a.json"), data);
    if let Err(e) = folder.read_meta() {
        one_sentence(&e, dir.path());
    }
    match folder.read_instances() {
        Ok(all) => assert!(all.instances.iter().all(|i| i.obb.center.iter().all(|v| v.is_finite()))),
        Err(e) => one_sentence(&e, dir.path()),
    }
    match folder.read_masks("a") {
        Ok(masks) => {
            for mask in &masks.masks {
                assert_eq!(
                    mask.segmentation.decode().len(),
                    mask.segmentation.width as usize * mask.segmentation.height as usize
                );
            }
        }
        Err(e) => one_sentence(&e, dir.path()),
    }
}

/// Masks of another program in a file or folder.
fn masks_of(path: &Path) {
    let wanted = [Wanted { name: "a.png", stem: "a", width: 20, height: 10 }];
    match files::read(path, &wanted, &Quiet) {
        Ok(frames) => {
            for mask in frames.iter().flat_map(|f| &f.masks) {
                assert_eq!(mask.segmentation.decode().len(), 200);
                assert!((0.0..=1.0).contains(&mask.score));
                assert!(!mask.label.is_empty() && !mask.label.chars().any(char::is_control));
            }
        }
        Err(e) => one_sentence(&e, path),
    }
}

/// `mask_index.json`, or COCO instances: its keys tell which.
pub(crate) fn mask_index(data: &[u8]) {
    let (_dir, path) = holding("mask_index.json", data);
    masks_of(&path);
}

/// A picture of instance ids with its table of labels, and the same picture as that of a label: the picture and the table
/// with a line `----` between.
pub(crate) fn mask_pictures(data: &[u8]) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut parts = split(data).into_iter();
    let picture = parts.next().unwrap_or_default();
    write(&dir.path().join("ids/a.png"), picture);
    write(&dir.path().join("ids/labels.json"), parts.next().unwrap_or_default());
    write(&dir.path().join("labels/chair/a.png"), picture);
    masks_of(&dir.path().join("ids"));
    masks_of(&dir.path().join("labels"));
}

/// `review.jsonl`, of a scene with these instances. Reading a log never costs what can be read of it, and never changes it.
pub(crate) fn review(data: &[u8], instances: Vec<Instance>) {
    let (dir, path) = holding("review.jsonl", data);
    let n = instances.len();
    match Review::read(dir.path(), instances) {
        Ok(review) => assert!(review.items().len() == n && review.counts().all() == n),
        Err(e) => one_sentence(&e, dir.path()),
    }
    assert_eq!(std::fs::read(path).expect("the log"), data);
}

/// What ffmpeg says on stderr, and what comes out of it on stdout.
pub(crate) fn video(data: &[u8]) {
    let said = input::video::listen(data, |_| ());
    assert!(said.seconds.is_none_or(|s| !s.is_nan()));
    let mut pictures = BufReader::new(data);
    while let Ok(Some(p)) = input::video::read_pnm(&mut pictures) {
        let pixels = p.width as usize * p.height as usize;
        assert!(pixels > 0 && (p.data.len() == pixels || p.data.len() == 3 * pixels));
    }
}
