mod damaged;
mod holi;
mod layouts;
mod odd;

use super::*;
use crate::scene::Quiet;
use crate::scene::folder::SceneFolder;
use exif::experimental::Writer;
use exif::{Field, In, Rational, Tag, Value};
use image::{ImageFormat, Rgb, RgbImage};
use nalgebra::{Matrix4, Point3};
use proptest::prelude::*;
use std::io::Cursor;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A picture in which every place looks different: red grows to the right, green downwards.
fn picture(w: u32, h: u32) -> RgbImage {
    RgbImage::from_fn(w, h, |x, y| Rgb([(x * 255 / w) as u8, (y * 255 / h) as u8, 40]))
}

fn encoded(image: &RgbImage, format: ImageFormat) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    image.write_to(&mut out, format).unwrap();
    out.into_inner()
}

/// A JPEG with these EXIF fields.
fn jpeg_with(image: &RgbImage, fields: &[(Tag, Value)]) -> Vec<u8> {
    let fields: Vec<Field> =
        fields.iter().map(|(tag, value)| Field { tag: *tag, ifd_num: In::PRIMARY, value: value.clone() }).collect();
    let mut writer = Writer::new();
    fields.iter().for_each(|f| writer.push_field(f));
    let mut tiff = Cursor::new(Vec::new());
    writer.write(&mut tiff, false).unwrap();
    let tiff = tiff.into_inner();
    let jpeg = encoded(image, ImageFormat::Jpeg);
    let mut out = jpeg[..2].to_vec();
    out.extend([0xff, 0xe1]);
    out.extend(((tiff.len() + 8) as u16).to_be_bytes());
    out.extend(b"Exif\0\0");
    out.extend(tiff);
    out.extend(&jpeg[2..]);
    out
}

fn short(v: u16) -> Value {
    Value::Short(vec![v])
}

fn folder(files: &[(&str, Vec<u8>)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    dir
}

fn png(w: u32, h: u32) -> Vec<u8> {
    encoded(&picture(w, h), ImageFormat::Png)
}

fn jpg(w: u32, h: u32) -> Vec<u8> {
    encoded(&picture(w, h), ImageFormat::Jpeg)
}

fn loaded(dir: &tempfile::TempDir) -> Capture {
    load(dir.path(), None, &Quiet).unwrap()
}

fn error(path: &Path) -> String {
    load(path, None, &Quiet).unwrap_err().to_string()
}

fn stems(c: &Capture) -> Vec<&str> {
    c.frames.iter().map(|f| f.stem.as_str()).collect()
}

fn json(v: serde_json::Value) -> Vec<u8> {
    v.to_string().into_bytes()
}

fn camera(w: u32, h: u32, fx: f64) -> serde_json::Value {
    serde_json::json!({"width": w, "height": h, "fx": fx, "fy": fx + 1.0, "cx": w as f64 * 0.45, "cy": h as f64 * 0.55})
}

#[test]
fn names_in_natural_order_from_wherever_they_lie() {
    let names = ["img10.png", "img2.JPG", "img1.jpeg", "img02b.png", ".hidden.png", "notes.txt"];
    for place in ["", "rgb/", "images/"] {
        let files: Vec<_> = names
            .iter()
            .map(|n| (format!("{place}{n}"), if n.ends_with("png") { png(40, 32) } else { jpg(40, 32) }))
            .collect();
        let files: Vec<_> = files.iter().map(|(n, b)| (n.as_str(), b.clone())).collect();
        let dir = folder(&files);
        let c = loaded(&dir);
        assert_eq!(stems(&c), ["img1", "img2", "img02b", "img10"]);
        assert_eq!(c.name, dir.path().file_name().unwrap().to_str().unwrap());
        assert!(!c.intrinsics_known && !c.metric && c.warnings.is_empty(), "{:?}", c.warnings);
        assert_eq!(c.frames[0].intrinsics, Intrinsics::guess(40, 32));
    }
    // A depth map beside rgb/ is no photo (TUM).
    let c =
        loaded(&folder(&[("1.5.depth.png", png(40, 32)), ("rgb/1.5.png", png(40, 32)), ("rgb/1.25.png", png(40, 32))]));
    assert_eq!(stems(&c), ["1.5", "1.25"]);
}

#[test]
fn what_is_no_capture_is_one_sentence() {
    let dir = folder(&[
        ("one/a.png", png(40, 32)),
        ("empty/readme.txt", vec![]),
        ("phone/IMG_1.HEIC", vec![1]),
        ("walk.mp4", vec![1]),
        ("a.jpg", jpg(40, 32)),
        ("half/a.png", png(40, 32)),
        ("half/b.png", png(40, 32)[..60].to_vec()),
    ]);
    let at = |name: &str| error(&dir.path().join(name));
    assert!(at("nowhere").contains("there is no") && at("nowhere").contains("nowhere"));
    assert!(at("one").contains("holds one photo; at least two photos of the same place are needed"), "{}", at("one"));
    assert!(at("empty").contains("empty holds no photos: give a folder"), "{}", at("empty"));
    assert!(at("phone").contains("IMG_1.HEIC"), "{}", at("phone"));
    assert!(at("a.jpg").contains("is one photo"), "{}", at("a.jpg"));
    assert!(at("half").contains("b.png") && at("half").contains("holds one photo"), "{}", at("half"));
}

#[test]
fn damaged_photos_are_left_out_and_named() {
    let whole = jpg(64, 48);
    let thumbnail = jpeg_with(&picture(64, 48), &[(Tag::MakerNote, Value::Undefined(vec![0xff, 0xd9, 1, 2], 0))]);
    let dir = folder(&[
        ("a.jpg", whole.clone()),
        ("b.jpg", whole[..whole.len() / 2].to_vec()),
        ("c.jpg", b"not a photo".to_vec()),
        ("d.png", png(64, 48)[..200].to_vec()),
        ("e.jpg", vec![]),
        ("f.jpg", thumbnail[..thumbnail.len() - 40].to_vec()),
        ("g.jpg", thumbnail),
        ("h.png", png(8, 8)),
        ("i.heic", vec![0]),
        ("j.png", jpg(60, 50)),
        ("a.png", png(64, 48)),
    ]);
    let c = loaded(&dir);
    assert_eq!(stems(&c), ["a", "g", "j"], "{:?}", c.warnings);
    assert!(c.frames[0].path.ends_with("a.jpg"));
    for name in ["b.jpg", "c.jpg", "d.png", "e.jpg", "f.jpg", "h.png", "i.heic", "a.png"] {
        assert_eq!(c.warnings.iter().filter(|w| w.contains(name)).count(), 1, "{name}: {:?}", c.warnings);
    }
    assert_eq!(c.frames[2].intrinsics, Intrinsics::guess(60, 50), "photos of several sizes are fine");
}

#[test]
fn given_intrinsics() {
    let files = |k: serde_json::Value, at: &str| {
        loaded(&folder(&[("rgb/a.png", png(64, 48)), ("rgb/b.png", png(64, 48)), (at, json(k))]))
    };
    for at in ["intrinsics.json", "rgb/intrinsics.json"] {
        let c = files(camera(64, 48, 60.0), at);
        assert!(c.intrinsics_known && !c.metric);
        let k = c.frames[1].intrinsics;
        assert_eq!([k.fx, k.fy, k.cx, k.cy], [60.0, 61.0, 64.0 * 0.45, 48.0 * 0.55]);
    }
    let c = files(camera(640, 480, 600.0), "intrinsics.json");
    assert!(c.intrinsics_known && (c.frames[0].intrinsics.fx - 60.0).abs() < 1e-12);
    let c = files(camera(640, 640, 600.0), "intrinsics.json");
    assert!(!c.intrinsics_known && c.frames[0].intrinsics == Intrinsics::guess(64, 48));
    assert!(c.warnings[0].contains("640 x 640") && c.warnings[0].contains("a.png"), "{:?}", c.warnings);
    let nan = br#"{"width": 64, "height": 48, "fx": NaN, "fy": 60, "cx": 32, "cy": 24}"#.to_vec();
    for bad in [json(camera(64, 48, 0.0)), json(camera(64, 48, -60.0)), json(camera(0, 48, 60.0)), nan, b"{".to_vec()] {
        let dir = folder(&[("a.png", png(64, 48)), ("b.png", png(64, 48)), ("intrinsics.json", bad)]);
        assert!(error(dir.path()).contains("intrinsics.json"), "{}", error(dir.path()));
    }
}

#[test]
fn focal_length_from_exif() {
    let focal = |fields: &[(Tag, Value)]| {
        let photo = jpeg_with(&picture(360, 240), fields);
        let c = loaded(&folder(&[("a.jpg", photo.clone()), ("b.jpg", photo)]));
        assert!(!c.intrinsics_known);
        c.frames[0].intrinsics.fx
    };
    let rational = |num| Value::Rational(vec![Rational { num, denom: 10 }]);
    // A 3:2 photo is 36 mm wide: 10 pixels per millimetre.
    assert!((focal(&[(Tag::FocalLengthIn35mmFilm, short(28))]) - 280.0).abs() < 1e-9);
    let sensor = [
        (Tag::FocalLength, rational(50)),
        (Tag::FocalPlaneXResolution, rational(20000)),
        (Tag::FocalPlaneResolutionUnit, short(3)),
    ];
    // 5 mm at 2000 pixels per centimetre.
    assert!((focal(&sensor) - 1000.0).abs() < 1e-9);
    let mut scaled = sensor.to_vec();
    scaled.push((Tag::PixelXDimension, Value::Long(vec![720])));
    assert!((focal(&scaled) - 500.0).abs() < 1e-9);
    let guess = Intrinsics::guess(360, 240).fx;
    assert_eq!(focal(&[(Tag::FocalLength, rational(50))]), guess);
    assert_eq!(focal(&[(Tag::FocalLengthIn35mmFilm, short(0))]), guess);
    assert_eq!(focal(&[(Tag::FocalLengthIn35mmFilm, short(60000))]), guess);
}

/// Whatever the orientation, the upright photo's camera sees through each pixel what the stored one's saw.
#[test]
fn photos_stand_upright_and_their_cameras_with_them() {
    let stored = picture(96, 64);
    let k = Intrinsics { width: 96, height: 64, fx: 80.0, fy: 81.0, cx: 40.0, cy: 35.0 };
    let pose = json(serde_json::json!({
        "width": 96, "height": 64, "fx": 80.0, "fy": 81.0, "cx": 40.0, "cy": 35.0,
        "frames": [{"file": "a", "c2w": Matrix4::<f64>::identity().row_iter().map(|r| r.iter().copied().collect::<Vec<f64>>())
            .collect::<Vec<_>>()}, {"file": "b", "c2w": [[1,0,0,0],[0,1,0,0],[0,0,1,0],[0,0,0,1]]}]}));
    for o in 1..=8u16 {
        let photo = jpeg_with(&stored, &[(Tag::Orientation, short(o))]);
        let given = json(serde_json::to_value(k).unwrap());
        let dir = folder(&[("a.jpg", photo.clone()), ("b.jpg", photo.clone()), ("intrinsics.json", given)]);
        let frame = &loaded(&dir).frames[0];
        let size = if o >= 5 { (64, 96) } else { (96, 64) };
        assert_eq!(frame.image.dimensions(), size, "orientation {o}");
        assert_eq!((frame.intrinsics.width, frame.intrinsics.height), size);
        // The pixel at the principal point has the same colour as in the stored picture: red tells x, green tells y.
        let at = |image: &RgbImage, k: &Intrinsics| image.get_pixel(k.cx as u32, k.cy as u32).0;
        let (a, b) = (at(&stored, &k), at(&frame.image, &frame.intrinsics));
        assert!((0..2).all(|i| a[i].abs_diff(b[i]) < 9), "orientation {o}: {a:?} {b:?}");
        assert_eq!(frame.intrinsics.fx, if o >= 5 { 81.0 } else { 80.0 });

        let frame = loaded(&folder(&[("a.jpg", photo.clone()), ("b.jpg", photo), ("poses.json", pose.clone())])).frames
            [0]
        .clone();
        let world = Point3::new(0.2, -0.1, 2.0);
        let stored_uv = k.project(&world).unwrap();
        let upright = crate::scene::Camera { intrinsics: frame.intrinsics, c2w: frame.given_c2w.unwrap() };
        let (u, v, _) = upright.project(&world).unwrap();
        let (a, b) =
            (stored.get_pixel(stored_uv.0 as u32, stored_uv.1 as u32).0, frame.image.get_pixel(u as u32, v as u32).0);
        assert!((0..2).all(|i| a[i].abs_diff(b[i]) < 9), "posed, orientation {o}: {a:?} {b:?}");
    }
}

#[test]
fn long_photos_are_scaled_and_copies_are_what_is_used() {
    let turned = jpeg_with(&picture(96, 64), &[(Tag::Orientation, short(6))]);
    let small = jpg(96, 64);
    let dir =
        folder(&[("a.jpg", jpg(3200, 400)), ("b.png", png(500, 2000)), ("c.jpg", turned), ("d.jpg", small.clone())]);
    let c = loaded(&dir);
    let sizes: Vec<_> = c.frames.iter().map(|f| f.image.dimensions()).collect();
    assert_eq!(sizes, [(1600, 200), (400, 1600), (64, 96), (96, 64)]);
    assert!(c.frames.iter().all(|f| (f.intrinsics.width, f.intrinsics.height) == f.image.dimensions()));
    let scene = SceneFolder::create(&dir.path().join("scene")).unwrap();
    assert_eq!(copy_images(&c, &scene, &Quiet).unwrap(), ["a.jpg", "b.png", "c.jpg", "d.jpg"]);
    assert_eq!(std::fs::read(scene.image_path("d.jpg")).unwrap(), small);
    for f in &c.frames {
        let back = decode_photo(&scene.image_path(f.path.file_name().unwrap().to_str().unwrap())).unwrap();
        assert_eq!(back.dimensions(), f.image.dimensions());
        let worst = back.iter().zip(f.image.iter()).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert!(worst <= 12, "{}: {worst}", f.stem);
    }
    let again = decode_photo(&scene.image_path("b.png")).unwrap();
    assert_eq!(&again, c.frames[1].image.as_ref(), "PNG stays exact");
}

#[test]
fn poses() {
    let identity = serde_json::json!([[1, 0, 0, 0.5], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]);
    let drift = serde_json::json!([[1.001, 0, 0, 1], [0, 0.999, 0.0005, 2], [0, 0, 1, 3], [0, 0, 0, 1]]);
    let scaled = serde_json::json!([[2, 0, 0, 0], [0, 2, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]]);
    let mirror = serde_json::json!([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, -1, 0], [0, 0, 0, 1]]);
    let mut file = camera(64, 48, 60.0);
    file["frames"] = serde_json::json!([
        {"file": "a", "c2w": identity}, {"file": "rgb/b.png", "c2w": drift}, {"file": "c", "c2w": scaled},
        {"file": "d", "c2w": mirror}, {"file": "e", "c2w": "HERE"}, {"file": "f", "c2w": [[1, 2], [3]]},
        {"file": "gone", "c2w": identity}, {"file": "a", "c2w": drift},
    ]);
    let text = file.to_string().replace("\"HERE\"", "[[NaN,0,0,0],[0,1,0,0],[0,0,1,-Infinity],[0,0,0,1]]");
    let names = ["a", "b", "c", "d", "e", "f", "extra"];
    let files: Vec<_> = names.iter().map(|n| (format!("rgb/{n}.png"), png(64, 48))).collect();
    let mut files: Vec<_> = files.iter().map(|(n, b)| (n.as_str(), b.clone())).collect();
    files.push(("poses.json", text.into_bytes()));
    let dir = folder(&files);
    let c = loaded(&dir);
    assert_eq!(stems(&c), ["a", "b"]);
    assert!(c.metric && c.intrinsics_known && c.has_poses());
    assert_eq!(c.frames[0].given_c2w.unwrap().translation.x, 0.5);
    let r = c.frames[1].given_c2w.unwrap().rotation.to_rotation_matrix();
    assert!((r.matrix().transpose() * r.matrix() - nalgebra::Matrix3::identity()).amax() < 1e-12);
    for name in ["of c is", "of d is", "of e is", "of f is", "gone", "extra.png", "more than one pose for a"] {
        assert!(c.warnings.iter().any(|w| w.contains(name)), "{name} {:?}", c.warnings);
    }
    std::fs::write(
        dir.path().join("poses.json"),
        r#"{"width":64,"height":48,"fx":60,"fy":60,"cx":32,"cy":24,"frames":[]}"#,
    )
    .unwrap();
    assert!(error(dir.path()).contains("poses.json"));
    std::fs::write(dir.path().join("poses.json"), r#"{"frames":[]}"#).unwrap();
    assert!(error(dir.path()).contains("poses.json"));
}

#[test]
fn few_of_many_frames() {
    let files: Vec<_> = (0..11).map(|i| (format!("{i}.png"), png(40, 32))).collect();
    let files: Vec<_> = files.iter().map(|(n, b)| (n.as_str(), b.clone())).collect();
    let dir = folder(&files);
    let of = |n| stems(&load(dir.path(), Some(n), &Quiet).unwrap()).join(" ");
    assert_eq!(of(3), "0 5 10");
    assert_eq!(of(2), "0 10");
    assert_eq!(of(11), "0 1 2 3 4 5 6 7 8 9 10");
    assert_eq!(of(500), of(11));
}

/// Cancels at the n-th tick.
struct CancelAt(AtomicUsize);

impl Job for CancelAt {
    fn tick(&self, done: usize, total: usize) -> Result<(), Cancelled> {
        assert!(done <= total);
        if self.0.fetch_sub(1, Ordering::Relaxed) == 0 { Err(Cancelled) } else { Ok(()) }
    }
    fn warn(&self, _: String) {}
}

#[test]
fn can_be_cancelled() {
    let dir = folder(&[("a.png", png(40, 32)), ("b.png", png(40, 32))]);
    for at in 0..2 {
        let job = CancelAt(AtomicUsize::new(at));
        assert!(matches!(load(dir.path(), None, &job), Err(InputError::Cancelled(_))));
    }
}

#[test]
fn reads_the_shared_captures() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    if !data.is_dir() {
        println!("skipped: {} is not there", data.display());
        return;
    }
    let room = load(&data.join("room_a"), Some(4), &Quiet).unwrap();
    assert!(room.has_poses() && room.metric && room.frames.len() == 4 && room.frames[0].intrinsics.fx == 525.0);
    let office = load(&data.join("tum_office"), None, &Quiet).unwrap();
    assert!(!office.has_poses() && office.intrinsics_known && office.frames.len() == 17, "{:?}", office.warnings);
    assert_eq!(office.frames[0].intrinsics.cy, 247.6);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn natural_is_an_order(a in "[a0-9]{0,5}", b in "[a0-9]{0,5}", c in "[a0-9]{0,5}") {
        use list::natural;
        prop_assert_eq!(natural(&a, &b), natural(&b, &a).reverse());
        prop_assert_eq!(natural(&a, &b).is_eq(), a == b);
        if natural(&a, &b).is_le() && natural(&b, &c).is_le() {
            prop_assert!(natural(&a, &c).is_le());
        }
    }

    /// Photos and JSON files with bytes changed, cut or made up are errors or warnings, never panics.
    #[test]
    fn damaged_inputs_never_panic(seed in any::<u64>()) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let exif = jpeg_with(&picture(40, 32), &[(Tag::Orientation, short(6)), (Tag::FocalLengthIn35mmFilm, short(30))]);
        let mut poses = camera(40, 32, 40.0);
        poses["frames"] = serde_json::json!([{"file": "a", "c2w": [[1,0,0,0],[0,1,0,0],[0,0,1,0],[0,0,0,1]]}]);
        let mut damage = |mut bytes: Vec<u8>| {
            for _ in 0..rng.usize(0..8) {
                let at = rng.usize(..bytes.len());
                bytes[at] = if rng.bool() { rng.u8(..) } else { *rng.choice(b"0123456789-.eN{}[],").unwrap() };
            }
            if rng.u8(..5) == 0 {
                bytes.truncate(rng.usize(..bytes.len()));
            }
            bytes
        };
        let files = [("a.jpg", damage(exif)), ("b.png", damage(png(40, 32))), ("c.jpg", damage(jpg(40, 33))),
            ("intrinsics.json", damage(json(camera(40, 32, 40.0))))];
        let dir = folder(&files);
        let _ = load(dir.path(), None, &Quiet);
        std::fs::write(dir.path().join("poses.json"), damage(json(poses))).unwrap();
        let _ = load(dir.path(), None, &Quiet);
        std::fs::write(dir.path().join("c.jpg"), std::iter::repeat_with(|| rng.u8(..)).take(99).collect::<Vec<u8>>()).unwrap();
        prop_assert!(decode_photo(&dir.path().join("c.jpg")).is_err());
    }
}
