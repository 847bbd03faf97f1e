//! Depth models, on the tiny graphs of `tests/make_models.py`, whose depth is a known function of the prepared photo.

use super::*;
use crate::models::testing::{CPU, ready, test_model};
use crate::scene::Quiet;
use image::Rgb;

fn intrinsics(w: u32, h: u32, f: f64) -> Intrinsics {
    Intrinsics { width: w, height: h, fx: f, fy: f, cx: f64::from(w) / 2.0, cy: f64::from(h) / 2.0 }
}

fn plain(w: u32, h: u32, color: [u8; 3]) -> RgbImage {
    RgbImage::from_pixel(w, h, Rgb(color))
}

/// Priors of photos with a focal length of their width.
fn predict(name: &str, images: &[RgbImage]) -> Vec<DepthPrior> {
    let photos: Vec<Photo> = images
        .iter()
        .map(|image| Photo { image, intrinsics: intrinsics(image.width(), image.height(), f64::from(image.width())) })
        .collect();
    open(&test_model(name), CPU).unwrap().predict(&photos, &Quiet).unwrap()
}

fn close(got: f32, want: f64) {
    assert!((f64::from(got) - want).abs() < 1e-3, "{got} is not {want}");
}

fn red(v: f64) -> f64 {
    (v / 255.0 - 0.485) / 0.229
}

#[test]
fn families_and_meanings_are_told_by_signature_and_name() {
    let of = |name: &str| {
        let found = find(&test_model(name)).unwrap();
        (found.family, found.meaning)
    };
    assert_eq!(of("da3_small/model.onnx"), (Family::AnyView, Meaning::UpToScale));
    assert_eq!(of("da3_small"), (Family::AnyView, Meaning::UpToScale));
    assert_eq!(of("DA3-SMALL.onnx"), (Family::AnyView, Meaning::UpToScale));
    assert_eq!(of("DA3METRIC-LARGE.onnx"), (Family::Single3, Meaning::Metric));
    assert_eq!(of("depth_anything_v2_vits.onnx"), (Family::Single2, Meaning::Inverse));
    assert_eq!(of("metric_plane.onnx"), (Family::Single2, Meaning::Metric));
    assert_eq!(of("moge-2-vits.onnx"), (Family::Moge, Meaning::Metric));
    assert_eq!(of("vggt.onnx"), (Family::Vggt, Meaning::UpToScale));
    let note = Hints { meaning: Some("scale".into()), ..Hints::default() };
    let signature = Signature::read(&test_model("metric_plane.onnx")).unwrap();
    assert_eq!(recognise(&signature, &note), Some((Family::Single2, Meaning::UpToScale)));
}

#[test]
fn a_wrong_file_is_named_with_what_was_expected() {
    for name in ["classifier.onnx", "xfeat.onnx", "superpoint_pipeline.onnx", "end_to_end.onnx", "split/disk.onnx"] {
        let error = find(&test_model(name)).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("Depth Anything 3"), "{error}");
    }
    assert!(find(&test_model("split")).unwrap_err().to_string().contains("name one of them"));
}

#[test]
fn any_view_is_normalised_and_every_frame_gets_its_own() {
    if !ready() {
        return;
    }
    let images: Vec<RgbImage> = (0..3).map(|k| plain(64, 48, [100 + 50 * k, 51, 204])).collect();
    // Names, or the order of exports without: depth, confidence, then matrices in either order.
    for name in ["da3_small/model.onnx", "DA3-SMALL.onnx"] {
        let priors = predict(name, &images);
        for (k, prior) in priors.iter().enumerate() {
            let blue = (0.8 - 0.406) / 0.225;
            let want = 5.0 + red(100.0 + 50.0 * k as f64) + 0.1 * (0.2 - 0.456) / 0.224 + 0.01 * blue + 0.003;
            assert_eq!((prior.depth.width, prior.depth.height), (64, 48));
            close(prior.depth.at(0, 0), want);
            close(prior.depth.at(63, 47), want);
            assert_eq!(prior.confidence[77], 0.75);
        }
    }
}

#[test]
fn photos_of_two_sizes_are_not_shown_together() {
    if !ready() {
        return;
    }
    let images = [plain(64, 48, [9; 3]), plain(64, 48, [9; 3]), plain(48, 64, [9; 3])];
    let priors = predict("da3_small/model.onnx", &images);
    // The graph adds a thousandth for each photo that it sees.
    close(priors[0].depth.at(5, 5) - priors[2].depth.at(5, 5), 0.001);
    assert_eq!((priors[2].depth.width, priors[2].depth.height), (48, 64));
}

#[test]
fn chunks_overlap_and_keep_every_photo_once() {
    let keeps = |sizes: &[(usize, usize)], together, exactly| {
        let chunks = chunks(sizes, together, exactly);
        let kept: Vec<usize> = chunks.iter().flat_map(|c| c.keep.clone()).collect();
        assert_eq!(kept, (0..sizes.len()).collect::<Vec<_>>(), "{chunks:?}");
        assert!(chunks.iter().all(|c| c.keep.clone().all(|i| c.photos.contains(&i))));
        assert!(chunks.iter().all(|c| c.photos.iter().all(|i| sizes[*i] == sizes[c.photos[0]])));
        assert!(chunks.iter().all(|c| if exactly { c.photos.len() == together } else { c.photos.len() <= together }));
        chunks
    };
    let same = [(4, 3); 20];
    let three = keeps(&same, 8, false);
    assert_eq!(three.len(), 3);
    assert_eq!((three[0].keep.clone(), three[1].keep.clone()), (0..7, 7..13));
    assert_eq!(three[1].photos, (6..14).collect::<Vec<_>>());
    assert_eq!(keeps(&same, 1, true).len(), 20);
    assert_eq!(keeps(&same[..3], 8, true)[0].photos, [0, 1, 2, 2, 2, 2, 2, 2]);
    assert_eq!(keeps(&same[..9], 8, true)[1].photos, (1..9).collect::<Vec<_>>());
    let mut mixed = same;
    (5..11).for_each(|i| mixed[i] = (3, 4));
    keeps(&mixed, 8, false);
    keeps(&mixed, 4, true);
    keeps(&[], 8, false);
}

#[test]
fn metric_numbers_become_metres_by_the_focal_length_and_sky_is_unknown() {
    if !ready() {
        return;
    }
    let priors = predict("DA3METRIC-LARGE.onnx", &[plain(196, 140, [200, 0, 10]), plain(196, 140, [200, 0, 250])]);
    // Shown as 98 x 70, where the focal length of 196 is 98.
    close(priors[0].depth.at(100, 70), (6.0 + red(200.0)) * 98.0 / 300.0);
    assert_eq!(priors[0].meaning, Meaning::Metric);
    assert_eq!(priors[1].depth.coverage(), 0.0);
    assert!(priors[1].confidence.iter().all(|c| *c == 0.0));
}

#[test]
fn relative_depth_is_inverse_also_in_half_precision() {
    if !ready() {
        return;
    }
    for (name, tolerance) in [("depth_anything_v2_vits.onnx", 1e-4), ("depth_anything_v2_vits_fp16.onnx", 5e-3)] {
        let prior = &predict(name, &[plain(80, 60, [128, 3, 3])])[0];
        assert_eq!(prior.meaning, Meaning::Inverse);
        assert!((f64::from(prior.depth.at(7, 7)) - 6.0 - red(128.0)).abs() < tolerance);
    }
}

/// A ramp of brightness keeps its place through enlarging, the model, and back.
#[test]
fn depth_lies_where_the_photo_has_it() {
    if !ready() {
        return;
    }
    let ramp = RgbImage::from_fn(160, 120, |x, y| Rgb([(x + y / 2) as u8; 3]));
    for (name, offset, factor) in
        [("da3_small", 5.001, 1.0), ("depth_anything_v2_vits.onnx", 6.0, 1.0), ("vggt.onnx", 1.0, 0.0)]
    {
        let prior = &predict(name, std::slice::from_ref(&ramp))[0];
        for (x, y) in [(20i64, 20i64), (80, 60), (140, 100)] {
            let v = x as f64 + (y / 2) as f64;
            let want = match name {
                "da3_small" => offset + red(v) + 0.1 * (v / 255.0 - 0.456) / 0.224 + 0.01 * (v / 255.0 - 0.406) / 0.225,
                "vggt.onnx" => offset + v / 255.0,
                _ => offset + factor * red(v),
            };
            assert!((f64::from(prior.depth.at(x, y)) - want).abs() < 0.02, "{name} at {x} {y}");
        }
    }
}

#[test]
fn vggt_says_how_sure_it_is() {
    if !ready() {
        return;
    }
    let priors = predict("vggt.onnx", &[plain(64, 48, [51, 85, 0]), plain(48, 64, [102, 255, 0])]);
    close(priors[0].depth.at(30, 30), 1.2);
    close(priors[1].depth.at(30, 30), 1.4);
    // 1 + 3 / 3 and 1 + 3: one half and three quarters.
    close(priors[0].confidence[100], 0.5);
    close(priors[1].confidence[100], 0.75);
}

#[test]
fn moge_gets_its_shift_and_scale_back() {
    if !ready() {
        return;
    }
    // A surface with relief: red from 0 to 1; blue hides the last columns.
    let image = RgbImage::from_fn(96, 64, |x, y| Rgb([((x * 5 + y * 7) % 200) as u8, 0, if x > 85 { 255 } else { 0 }]));
    let prior = &predict("moge-2-vits.onnx", std::slice::from_ref(&image))[0];
    assert_eq!(prior.meaning, Meaning::Metric);
    for (x, y) in [(10i64, 10i64), (50, 33), (80, 60)] {
        let truth = 2.0 + f64::from(image.get_pixel(x as u32, y as u32)[0]) / 255.0;
        close(prior.depth.at(x, y), truth * 1800.0 / 1200.0);
    }
    assert_eq!(prior.depth.at(90, 30), 0.0);
}
