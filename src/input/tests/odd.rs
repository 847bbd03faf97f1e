//! Photos as they come: of phones, of scanners, of other programs, and masks beside them.

use super::*;
use image::{DynamicImage, GrayImage, ImageBuffer, Luma, LumaA, Rgba};

fn warned(c: &Capture, words: &[&str]) -> bool {
    c.warnings.iter().any(|w| words.iter().all(|word| w.contains(word)))
}

#[test]
fn photos_of_every_kind_are_read() {
    let grey = GrayImage::from_fn(40, 32, |x, _| Luma([x as u8 * 6]));
    let deep = ImageBuffer::<Rgb<u16>, _>::from_fn(40, 32, |x, y| Rgb([x as u16 * 1542, y as u16 * 2056, 10280]));
    let matte = ImageBuffer::from_fn(40, 32, |x, y| Rgba([x as u8 * 6, y as u8 * 8, 40, (x * 6) as u8]));
    let deep_grey = ImageBuffer::<LumaA<u16>, _>::from_fn(40, 32, |x, _| LumaA([x as u16 * 1542, 65535]));
    let as_png = |image: DynamicImage| {
        let mut out = Cursor::new(Vec::new());
        image.write_to(&mut out, ImageFormat::Png).unwrap();
        out.into_inner()
    };
    let mut grey_jpeg = Cursor::new(Vec::new());
    grey.write_to(&mut grey_jpeg, ImageFormat::Jpeg).unwrap();
    let dir = folder(&[
        ("1 grey.png", as_png(grey.clone().into())),
        ("2 größe 16.png", as_png(deep.into())),
        ("3 写真.png", as_png(matte.into())),
        ("4.ab.c.png", as_png(deep_grey.into())),
        ("5.JPEG", grey_jpeg.into_inner()),
        ("6.jpg", include_bytes!("cmyk.jpg").to_vec()),
    ]);
    std::fs::create_dir(dir.path().join("7.jpg")).unwrap();
    let c = loaded(&dir);
    assert_eq!(stems(&c), ["1 grey", "2 größe 16", "3 写真", "4.ab.c", "5", "6"]);
    assert!(c.warnings.is_empty(), "{:?}", c.warnings);
    for (k, f) in c.frames.iter().enumerate() {
        assert_eq!(f.image.dimensions(), (40, 32));
        // Red grows to the right in all, by 6 a pixel, and in the coloured ones green downwards.
        let (a, b) = (f.image.get_pixel(30, 16).0, f.image.get_pixel(10, 4).0);
        let colour = matches!(k, 1 | 2 | 5);
        assert!(
            (f32::from(a[0]) - 180.0).abs() < 14.0 && (f32::from(b[0]) - 60.0).abs() < 14.0,
            "{}: {a:?} {b:?}",
            f.stem
        );
        let green = [if colour { 128.0 } else { 180.0 }, if colour { 32.0 } else { 60.0 }];
        assert!(
            (f32::from(a[1]) - green[0]).abs() < 14.0 && (f32::from(b[1]) - green[1]).abs() < 14.0,
            "{}: {a:?} {b:?}",
            f.stem
        );
    }
}

#[test]
fn formats_that_are_not_read_are_named_with_a_way_out() {
    let names = |n: usize, ending: &str| -> Vec<String> { (0..n).map(|i| format!("IMG_{i}.{ending}")).collect() };
    let of = |others: &[String], read: usize| {
        let mut files: Vec<(String, Vec<u8>)> = others.iter().map(|n| (n.clone(), vec![1])).collect();
        files.extend((0..read).map(|i| (format!("p{i}.png"), png(40, 32))));
        folder(&files.iter().map(|(n, b)| (n.as_str(), b.clone())).collect::<Vec<_>>())
    };
    let said = error(of(&names(40, "HEIC"), 3).path());
    for word in
        ["40 of 43", "IMG_0.HEIC", "and 37 more", "magick mogrify -format jpg *.HEIC", "heif-convert IMG_0.HEIC"]
    {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert!(error(of(&names(5, "avif"), 0).path()).contains("magick mogrify -format jpg *.avif"));
    assert!(error(of(&names(5, "CR2"), 2).path()).contains("5 of 7"));
    let c = loaded(&of(&names(2, "webp"), 3));
    assert!(c.frames.len() == 3 && warned(&c, &["IMG_0.webp, IMG_1.webp", "magick mogrify"]), "{:?}", c.warnings);
    // The short films of a phone beside its photos are no photos that are missing.
    let c = loaded(&of(&names(9, "MOV"), 3));
    assert!(c.frames.len() == 3 && warned(&c, &["IMG_0.MOV"]), "{:?}", c.warnings);
    assert!(error(of(&names(1, "mp4"), 0).path()).contains("the video IMG_0.mp4, which can be given itself"));
}

#[test]
fn what_a_photo_really_is_is_said() {
    let heic = b"\0\0\0\x18ftypheic\0\0\0\0".to_vec();
    let dir = folder(&[
        ("a.jpg", heic),
        ("b.jpg", b"RIFF\x10\0\0\0WEBPVP8 ".to_vec()),
        ("c.png", b"II*\0\x08\0\0\0".to_vec()),
        ("d.jpg", vec![]),
        ("e.jpg", b"\0\0\0\x18ftypavif\0\0\0\0".to_vec()),
        ("y.png", png(40, 32)),
        ("z.png", png(40, 32)),
    ]);
    let c = loaded(&dir);
    for (name, what) in [("a.jpg", "HEIC"), ("b.jpg", "WebP"), ("c.png", "TIFF"), ("d.jpg", "empty"), ("e.jpg", "AVIF")]
    {
        assert!(warned(&c, &[name, what]), "{name}: {:?}", c.warnings);
    }
}

#[test]
fn focal_lengths_of_odd_exif() {
    let rational = |num| Value::Rational(vec![Rational { num, denom: 10 }]);
    let sensor = |per_unit: u32, unit: u16| {
        vec![
            (Tag::FocalLength, rational(50)),
            (Tag::FocalPlaneXResolution, rational(per_unit)),
            (Tag::FocalPlaneResolutionUnit, short(unit)),
        ]
    };
    let photo = |w, h, fields: &[(Tag, Value)]| jpeg_with(&picture(w, h), fields);
    let film = |mm: u16| vec![(Tag::FocalLengthIn35mmFilm, short(mm))];
    // 5 mm at 200 pixels per millimetre.
    let millimetres = photo(360, 240, &sensor(2000, 4));
    // The same, turned on its side by another program: EXIF still tells the size as taken.
    let mut fields = sensor(2000, 4);
    fields.extend([(Tag::PixelXDimension, Value::Long(vec![360])), (Tag::PixelYDimension, Value::Long(vec![240]))]);
    let turned = photo(240, 360, &fields);
    let mut on_its_side = film(28);
    on_its_side.push((Tag::Orientation, short(8)));
    let dir = folder(&[
        ("a.jpg", millimetres),
        ("b.jpg", turned),
        ("c.jpg", photo(360, 240, &film(28))),
        ("d.jpg", photo(360, 240, &film(52))),
        ("e.jpg", photo(360, 240, &on_its_side)),
        ("f.jpg", jpg(360, 240)),
        ("g.jpg", photo(360, 240, &sensor(2000, 1))),
    ]);
    let c = loaded(&dir);
    let focal: Vec<f64> = c.frames.iter().map(|f| f.intrinsics.fx).collect();
    let guess = Intrinsics::guess(360, 240).fx;
    // Where the unit is unknown it is an inch, as the standard says of a missing one: 39 pixels, which is no camera.
    let expected = [1000.0, 1000.0, 280.0, 520.0, 280.0, guess, guess];
    assert!(focal.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{focal:?}");
    assert_eq!(c.frames[4].image.dimensions(), (240, 360));
    assert!(!c.intrinsics_known);
}

#[test]
fn a_photo_of_thirty_megapixels_is_scaled() {
    let big = RgbImage::from_fn(6400, 4800, |x, y| Rgb([(x / 26) as u8, (y / 19) as u8, 40]));
    let dir = folder(&[("a.png", encoded(&big, ImageFormat::Png)), ("b.png", png(1600, 1200))]);
    let c = loaded(&dir);
    assert_eq!(c.frames[0].image.dimensions(), (1600, 1200));
    let off = c.frames[0].image.get_pixel(800, 600).0;
    assert!(off[0].abs_diff(123) <= 1 && off[1].abs_diff(126) <= 1, "{off:?}");
}

/// A mask that leaves out the left quarter of a picture of 64 x 48.
fn left_out(format: ImageFormat, white: u8) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    GrayImage::from_fn(64, 48, |x, _| Luma([if x < 16 { 0 } else { white }])).write_to(&mut out, format).unwrap();
    out.into_inner()
}

fn share_used(f: &Frame) -> f64 {
    let mask = f.mask.as_ref().unwrap();
    assert_eq!(mask.dimensions(), f.image.dimensions());
    assert!(mask.iter().all(|v| [0, 255].contains(v)));
    mask.iter().filter(|v| **v > 0).count() as f64 / mask.len() as f64
}

#[test]
fn masks_are_found_by_either_convention() {
    let mask = || left_out(ImageFormat::Png, 255);
    let dir = folder(&[
        ("images/a.jpg", jpg(64, 48)),
        ("images/b.jpg", jpg(64, 48)),
        ("images/c.jpg", jpg(64, 48)),
        ("images/d.png", png(64, 48)),
        ("images/e.png", png(64, 48)),
        ("masks/a.jpg.png", mask()),
        ("masks/b.png", left_out(ImageFormat::Png, 1)),
        ("masks/c.jpg", left_out(ImageFormat::Jpeg, 255)),
        ("images/d.mask.png", mask()),
    ]);
    let c = loaded(&dir);
    assert_eq!(stems(&c), ["a", "b", "c", "d", "e"]);
    assert!(c.warnings.is_empty(), "{:?}", c.warnings);
    for f in &c.frames[..4] {
        assert!((share_used(f) - 0.75).abs() < 0.02, "{}: {}", f.stem, share_used(f));
        let mask = f.mask.as_ref().unwrap();
        assert!(mask.get_pixel(12, 20).0[0] == 0 && mask.get_pixel(20, 20).0[0] == 255);
    }
    assert!(c.frames[4].mask.is_none());
}

#[test]
fn masks_turn_and_shrink_with_their_photos() {
    let turned = jpeg_with(&picture(64, 48), &[(Tag::Orientation, short(6))]);
    let long = RgbImage::from_pixel(3200, 2400, Rgb([9; 3]));
    let mut mask = Cursor::new(Vec::new());
    let half = GrayImage::from_fn(3200, 2400, |x, _| Luma([if x < 1600 { 0 } else { 255 }]));
    half.write_to(&mut mask, ImageFormat::Png).unwrap();
    let mut upright = Cursor::new(Vec::new());
    let top = GrayImage::from_fn(48, 64, |_, y| Luma([if y < 16 { 0 } else { 255 }]));
    top.write_to(&mut upright, ImageFormat::Png).unwrap();
    let dir = folder(&[
        ("a.jpg", turned.clone()),
        ("b.jpg", turned),
        ("c.png", encoded(&long, ImageFormat::Png)),
        ("masks/a.png", left_out(ImageFormat::Png, 255)),
        ("masks/b.png", upright.into_inner()),
        ("masks/c.png", mask.into_inner()),
    ]);
    let c = loaded(&dir);
    assert!(c.warnings.is_empty(), "{:?}", c.warnings);
    // A quarter turn clockwise takes the left edge to the top.
    for f in &c.frames[..2] {
        let mask = f.mask.as_ref().unwrap();
        assert!((share_used(f) - 0.75).abs() < 1e-9);
        assert!(mask.get_pixel(20, 10).0[0] == 0 && mask.get_pixel(20, 20).0[0] == 255, "{}", f.stem);
    }
    assert!((share_used(&c.frames[2]) - 0.5).abs() < 1e-9);
}

#[test]
fn masks_that_cannot_be_meant_are_not_used_and_named() {
    let ids = GrayImage::from_fn(64, 48, |x, _| Luma([(x / 8) as u8]));
    let as_png = |g: &GrayImage| {
        let mut out = Cursor::new(Vec::new());
        g.write_to(&mut out, ImageFormat::Png).unwrap();
        out.into_inner()
    };
    let photo = || jpg(64, 48);
    let dir = folder(&[
        ("a.jpg", photo()),
        ("b.jpg", photo()),
        ("c.jpg", photo()),
        ("d.jpg", photo()),
        ("masks/a.png", as_png(&GrayImage::from_pixel(10, 10, Luma([255])))),
        ("masks/b.png", as_png(&ids)),
        ("masks/c.png", as_png(&GrayImage::new(64, 48))),
        ("masks/d.png", b"no picture".to_vec()),
    ]);
    let c = loaded(&dir);
    assert!(c.frames.len() == 4 && c.frames.iter().all(|f| f.mask.is_none()));
    let whys = [
        ("a.png", "it is 10 x 10 pixels, its photo 64 x 48"),
        ("b.png", "not black and white"),
        ("c.png", "leaves no pixel"),
        ("d.png", "neither a PNG nor a JPEG"),
    ];
    for (name, why) in whys {
        assert!(warned(&c, &[name, why]), "{name}: {:?}", c.warnings);
    }
}
