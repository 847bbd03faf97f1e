//! Segmenters, on the tiny graphs of `tests/make_segmenters.py`: a mask is set in the cells of four of the model's pixels that
//! a prompt reaches and whose red, as the model sees it, is above zero. Where linear interpolation of the cells crosses the
//! middle is known in closed form.

use super::text::Seen;
use super::*;
use crate::models::testing::{CPU, ready, test_model};
use crate::perception::View;
use crate::perception::prompt::Prompt;
use crate::scene::{Camera, DepthMap, Intrinsics, Mask2d, Quiet, Rle};
use image::{Rgb, RgbImage};
use nalgebra::Isometry3;
use std::ops::Range;

fn model(name: &str) -> PathBuf {
    test_model("segmenters").join(name)
}

/// A photo whose left part is red, the rest the other colours.
fn half_red(size: (u32, u32), until: u32) -> RgbImage {
    RgbImage::from_fn(size.0, size.1, |x, _| if x < until { Rgb([255, 0, 0]) } else { Rgb([0, 255, 255]) })
}

fn with_view<T>(image: &RgbImage, work: impl FnOnce(&View) -> T) -> T {
    let (width, height) = image.dimensions();
    let intrinsics = Intrinsics { width, height, fx: 50.0, fy: 50.0, cx: 20.0, cy: 10.0 };
    let depth = DepthMap::unknown(width, height);
    let camera = Camera { intrinsics, c2w: Isometry3::identity() };
    work(&View { name: "a.jpg", stem: "a", image, camera, depth: &depth })
}

/// The answer to a prompt: the mask and its score.
fn answer(name: &str, image: &RgbImage, prompt: &Prompt) -> Option<(Rle, f64)> {
    let segmenter = load(&model(name), CPU).unwrap();
    assert_eq!(segmenter.model().unwrap().1, ("CPU", None));
    let found = with_view(image, |view| segmenter.prepare(view).unwrap().mask(prompt).unwrap());
    found.map(|m| (m.mask, m.score))
}

/// Cells `x` and `y` of `n` x `n`, interpolated to the size of the photo, where they exceed one half.
fn interpolated(size: (u32, u32), n: u32, x: &Range<i64>, y: &Range<i64>) -> Rle {
    let share = |p: u32, side: u32, cells: &Range<i64>| {
        let u = (f64::from(p) + 0.5) * f64::from(n) / f64::from(side) - 0.5;
        let at = |k: i64| f64::from(u8::from(cells.contains(&k.clamp(0, i64::from(n) - 1))));
        let below = u.floor();
        at(below as i64) + (u - below) * (at(below as i64 + 1) - at(below as i64))
    };
    let pixels: Vec<bool> = (0..size.1)
        .flat_map(|v| (0..size.0).map(move |u| (u, v)))
        .map(|(u, v)| share(u, size.0, x) * share(v, size.1, y) > 0.5)
        .collect();
    Rle::encode(size.0, size.1, &pixels)
}

/// The pixels `x` and `y`.
fn pixels(size: (u32, u32), x: Range<u32>, y: Range<u32>) -> Rle {
    let bits: Vec<bool> =
        (0..size.0 * size.1).map(|k| x.contains(&(k % size.0)) && y.contains(&(k / size.0))).collect();
    Rle::encode(size.0, size.1, &bits)
}

fn rectangle(r: [f64; 4]) -> Prompt {
    Prompt { points: Vec::new(), rectangle: Some(r) }
}

/// Points in the middle of pixels.
fn points(all: &[(u32, u32, bool)]) -> Prompt {
    let points = all.iter().map(|(x, y, on)| ([f64::from(*x) + 0.5, f64::from(*y) + 0.5], *on)).collect();
    Prompt { points, rectangle: None }
}

/// SAM 2 and SAM 3's tracker: a photo of 16 pixels for two cells across and 8 for two down, whatever the model's side is.
#[test]
fn photos_are_stretched_and_prompts_with_them() {
    if !ready() {
        return;
    }
    // Name, cells of a side, score: iou 0.9, and for the tracker's the logit 0 of whether there is a thing.
    for (name, n, score) in [("sam3-tracker", 7, 0.45), ("sam2.1", 8, 0.45), ("sam2", 8, 0.9)] {
        let size = (8 * n, 4 * n);
        let photo = half_red(size, 40);
        let expect = |prompt: &Prompt, x: Range<i64>, y: Range<i64>| {
            let (mask, sure) = answer(name, &photo, prompt).unwrap();
            assert_eq!(mask, interpolated(size, n, &x, &y), "{name} {prompt:?}");
            assert!((sure - score).abs() < 1e-6, "{name}: {sure}");
        };
        // Centres of cells are at 2, 6, 10, .. of the model, which is 8 to 30 across and 8 to 24 down; red ends at cell 5.
        expect(&rectangle([16.0, 8.0, 60.0, 24.0]), 2..5, 2..6);
        // 13, 13 in the model: the centre at 18 is 5 away, which is too far; half a pixel more and it was not.
        expect(&points(&[(26, 13, true)]), 2..4, 2..4);
        // And not what is near 7, 13.
        expect(&points(&[(26, 13, true), (14, 13, false)]), 3..4, 2..4);
        expect(&Prompt { points: points(&[(2, 13, false)]).points, ..rectangle([1.0, 8.0, 30.0, 16.0]) }, 1..4, 2..4);
        assert_eq!(answer(name, &photo, &points(&[(14, 13, false)])), None, "nothing is asked for");
        assert_eq!(answer(name, &photo, &rectangle([50.0, 8.0, 60.0, 24.0])), None, "nothing red is there");
    }
}

/// 126 / 255 is below the middle and above ImageNet's mean of red, 120 / 255 below both.
#[test]
fn photos_are_normalised_as_each_model_was_trained() {
    if !ready() {
        return;
    }
    let found = |name: &str, red: u8| {
        let photo = RgbImage::from_pixel(64, 32, Rgb([red, 255 - red, 0]));
        answer(name, &photo, &rectangle([0.0, 0.0, 64.0, 32.0])).is_some()
    };
    for (name, at_130, at_126, at_120) in [
        ("sam3-tracker", true, false, false),
        ("sam2.1", true, true, false),
        ("sam2", true, true, false),
        ("mobile-planes", true, true, false),
        // In this graph: above 0.45.
        ("mobile", true, true, true),
    ] {
        assert_eq!((found(name, 130), found(name, 126), found(name, 120)), (at_130, at_126, at_120), "{name}");
    }
}

/// MobileSAM: the longest side to that of the model, the rest of the square is empty; masks come at the size of the photo.
#[test]
fn mobile_sam_keeps_proportions() {
    if !ready() {
        return;
    }
    let size = (64, 32);
    let photo = half_red(size, 40);
    for name in ["mobile", "mobile-planes"] {
        let expect = |prompt: &Prompt, x: Range<u32>, y: Range<u32>| {
            let (mask, score) = answer(name, &photo, prompt).unwrap();
            assert_eq!((mask, score), (pixels(size, x, y), 0.75), "{name} {prompt:?}");
        };
        // 8 to 30 across, 4 to 12 down in the model, half as large as the photo; red ends at 40.
        expect(&rectangle([16.0, 8.0, 60.0, 24.0]), 17..40, 9..24);
        // 13, 6 in the model, and nearer than 5.
        expect(&points(&[(26, 12, true)]), 17..36, 3..22);
    }
    // Higher than wide.
    let photo = RgbImage::from_pixel(32, 64, Rgb([255, 0, 0]));
    let (mask, _) = answer("mobile", &photo, &rectangle([0.0, 40.0, 32.0, 64.0])).unwrap();
    assert_eq!(mask, pixels((32, 64), 1..32, 41..64));
}

/// EfficientSAM: photos as they are, prompts in their pixels, and no way to say what is not on the thing.
#[test]
fn efficient_sam_takes_the_photos_own_pixels() {
    if !ready() {
        return;
    }
    let size = (64, 32);
    let photo = RgbImage::from_pixel(64, 32, Rgb([128, 0, 255]));
    let expect = |prompt: &Prompt, want: Rle, score: f64| {
        let (mask, sure) = answer("efficient", &photo, prompt).unwrap();
        assert_eq!(mask, want, "{prompt:?}");
        assert!((sure - score).abs() < 1e-6, "{sure}");
    };
    let mean_red = 128.0 / 255.0;
    expect(&rectangle([16.0, 8.0, 60.0, 24.0]), pixels(size, 17..60, 9..24), mean_red);
    expect(&points(&[(26, 12, true)]), pixels(size, 22..31, 8..17), mean_red);
    // Six points are looked at, the seventh is not handed over.
    let row: Vec<(u32, u32, bool)> = (0..7).map(|k| (10 + 8 * k, 12, true)).collect();
    expect(&points(&row), pixels(size, 6..55, 8..17), mean_red);
    // Of the masks the one that leaves the negative point out: left of the first point.
    expect(&points(&[(30, 15, true), (36, 15, true), (39, 15, false)]), pixels(size, 26..30, 11..20), 0.3);
}

#[test]
fn parts_are_told_by_their_signatures() {
    let of = |name: &str| recognise(&Signature::read(&model(name)).unwrap());
    for (folder, family, files) in [
        ("usls", Family::Sam3Usls, ["vision-encoder", "text-encoder", "geo-encoder-mask-decoder"].as_slice()),
        ("wkentaro", Family::Sam3Original, &["sam3_image_encoder", "sam3_language_encoder", "sam3_decoder"]),
        ("samexporter3", Family::Sam3Original, &["sam3_image_encoder", "sam3_language_encoder", "sam3_decoder"]),
        ("sam3-tracker", Family::Tracker, &["vision_encoder", "prompt_encoder_mask_decoder"]),
        ("sam2", Family::Sam2, &["sam2_tiny.encoder", "sam2_tiny.decoder"]),
        ("efficient", Family::EfficientSam, &["efficient_sam_vitt_encoder", "efficient_sam_vitt_decoder"]),
        ("mobile", Family::MobileSam, &["mobile_sam_image_encoder", "sam_mask_decoder_single"]),
        ("mobile-planes", Family::MobileSam, &["mobile_sam_image_encoder", "sam_mask_decoder_single"]),
    ] {
        let roles: &[Role] = match files.len() {
            3 => &[Role::Image, Role::Text, Role::Decoder],
            _ => &[Role::Image, Role::Decoder],
        };
        for (file, role) in files.iter().zip(roles) {
            assert_eq!(of(&format!("{folder}/{file}.onnx")), Some((family, *role)), "{folder}/{file}");
            // Each of the files stands for all.
            assert_eq!(find(&model(folder).join(format!("{file}.onnx"))).unwrap(), find(&model(folder)).unwrap());
        }
    }
    for other in ["classifier.onnx", "xfeat.onnx", "vggt.onnx", "moge-2-vits.onnx", "split/disk_lightglue.onnx"] {
        assert_eq!(recognise(&Signature::read(&test_model(other)).unwrap()), None, "{other}");
    }
}

#[test]
fn what_is_missing_or_too_much_is_said() {
    let says = |path: &Path| find(path).unwrap_err().to_string();
    let dir = tempfile::tempdir().unwrap();
    let copy = |from: &str, to: &str| std::fs::copy(model(from), dir.path().join(to)).map(drop).unwrap();
    assert!(says(dir.path()).contains("no file of a segmenter"));
    copy("sam2/sam2_tiny.encoder.onnx", "encoder.onnx");
    assert!(says(dir.path()).contains("the mask decoder of SAM 2 (samexporter) is not there"));
    assert!(says(&dir.path().join("encoder.onnx")).contains("mask decoder"));
    copy("efficient/efficient_sam_vitt_decoder.onnx", "other.onnx");
    assert!(says(dir.path()).contains("parts of SAM 2 (samexporter) and EfficientSAM"));
    copy("sam2/sam2_tiny.decoder.onnx", "decoder.onnx");
    let found = find(&dir.path().join("encoder.onnx")).unwrap();
    assert_eq!((found.family, found.decoder), (Family::Sam2, dir.path().join("decoder.onnx")));
    copy("sam2/sam2_tiny.decoder.onnx", "decoder_int8.onnx");
    assert!(says(&dir.path().join("encoder.onnx")).contains("2 times the mask decoder"));
    assert_eq!(find(&dir.path().join("decoder_int8.onnx")).unwrap().decoder, dir.path().join("decoder_int8.onnx"));
    let wrong = says(&test_model("classifier.onnx"));
    assert!(wrong.contains("classifier.onnx") && wrong.contains("logits") && wrong.contains("MobileSAM"), "{wrong}");
    assert!(load(&model("usls"), CPU).err().unwrap().to_string().contains("takes texts"));
    assert!(load_text(&model("sam2"), CPU).err().unwrap().to_string().contains("takes points and boxes"));
    // Without its tokenizer.
    if ready() {
        for file in ["vision-encoder.onnx", "text-encoder.onnx", "geo-encoder-mask-decoder.onnx"] {
            std::fs::create_dir_all(dir.path().join("a/b")).unwrap();
            std::fs::copy(model("usls").join(file), dir.path().join("a/b").join(file)).unwrap();
        }
        let error = load_text(&dir.path().join("a/b"), CPU).err().unwrap().to_string();
        assert!(error.contains("text-encoder.onnx") && error.contains("tokenizer.json"), "{error}");
    }
}

/// The column of cells that the graphs give for a label: the number of its token modulo 7.
fn column(label: &str) -> i64 {
    let tokenizer = crate::perception::tokenizer::Tokenizer::read(&model("usls/tokenizer.json")).unwrap();
    let tokens = tokenizer.encode(label, 32);
    assert_eq!(tokens.len(), 3, "{label} is one token");
    tokens[1] % 7
}

fn found(name: &str, photo: &RgbImage, label: &str) -> Vec<Mask2d> {
    let segmenter = load_text(&model(name), CPU).unwrap();
    let seen: Seen = segmenter.look(photo).unwrap();
    segmenter.find(&seen, label).unwrap()
}

#[test]
fn sam_3_finds_what_has_a_name() {
    if !ready() {
        return;
    }
    let size = (56, 28);
    let photo = RgbImage::from_pixel(56, 28, Rgb([255, 0, 0]));
    let logistic = |x: f64| 1.0 / (1.0 + (-x).exp());
    let presence = logistic(10.0);
    for (name, scores) in [("usls", [logistic(4.0) * presence, logistic(3.0) * presence]), ("wkentaro", [0.9, 0.8])] {
        for label in ["chair", "sofa", "table"] {
            let c = column(label);
            let masks = found(name, &photo, label);
            // The third is the first again, the fourth of usls is not good enough.
            assert_eq!(masks.len(), 2, "{name} {label}");
            for ((mask, score), at) in masks.iter().zip(scores).zip([c, (c + 2) % 7]) {
                assert_eq!(mask.segmentation, interpolated(size, 7, &(at..at + 1), &(0..7)), "{name} {label}");
                assert_eq!((mask.label.as_str(), mask.instance_id), (label, 0));
                assert!((mask.score - score).abs() < 1e-5, "{name}: {} is not {score}", mask.score);
            }
        }
        // Nothing of that red, as the model sees it.
        let dark = RgbImage::from_pixel(56, 28, Rgb([126, 255, 255]));
        assert_eq!(found(name, &dark, "chair"), []);
        // Two words are one token more, for which these graphs find nothing.
        assert_eq!(found(name, &photo, "red chair"), []);
    }
    let masks = found("samexporter3", &photo, "chair");
    assert_eq!(masks.len(), 1);
    assert_eq!(masks[0].segmentation, pixels(size, 0..8 * column("chair") as u32, 0..28));
    assert!((masks[0].score - 0.9).abs() < 1e-6);
}

#[test]
fn all_photos_are_searched_for_all_names() {
    if !ready() {
        return;
    }
    let segmenter = load_text(&model("usls"), CPU).unwrap();
    let photo = RgbImage::from_pixel(56, 28, Rgb([255, 0, 0]));
    let labels = ["chair".to_owned(), "sofa".to_owned()];
    with_view(&photo, |view| {
        let all = segment(&*segmenter, &[*view, *view], &labels, &Quiet).unwrap();
        assert_eq!(all.len(), 2);
        let of: Vec<&str> = all[0].masks.iter().map(|m| m.label.as_str()).collect();
        assert_eq!(of, ["chair", "chair", "sofa", "sofa"]);
        assert_eq!((all[0].width, all[0].height, all[0].image.as_str()), (56, 28, "a.jpg"));
        assert_eq!(all[0], all[1]);
        assert_eq!(segmenter.masks(view, &labels).unwrap(), all[0].masks);
        assert_eq!(segmenter.provider(), ("CPU", None));
    });
}
