//! Label scores, on the tiny graphs of `tests/make_segmenters.py`: a picture is the mean of its three planes as the model sees
//! them, a text how often it says red, green and blue.

use super::*;
use crate::models::testing::{CPU, ready, test_model};
use image::Rgb;

fn model(name: &str) -> PathBuf {
    test_model("label_scores").join(name)
}

fn labels() -> Vec<String> {
    ["red", "green", "blue"].map(String::from).to_vec()
}

fn close(got: &[f64], want: &[f64]) {
    assert_eq!(got.len(), want.len());
    for (g, w) in got.iter().zip(want) {
        assert!((g - w).abs() < 1e-5, "{got:?} is not {want:?}");
    }
}

/// Softmax of a hundred times the cosines between a vector and the axes.
fn expected(v: [f64; 3]) -> Vec<f64> {
    let length = v.iter().map(|x| x * x).sum::<f64>().sqrt();
    shares(&v.map(|x| 100.0 * x / length))
}

#[test]
fn parts_are_told_by_their_signatures() {
    let of = |name: &str| recognise(&Signature::read(&model(name)).unwrap());
    assert_eq!(of("clip/vision_model.onnx"), Some(("clip", Part::Pictures)));
    assert_eq!(of("clip/text_model.onnx"), Some(("clip", Part::Texts)));
    assert_eq!(of("siglip/onnx/vision_model.onnx"), Some(("siglip", Part::Pictures)));
    assert_eq!(of("siglip/onnx/text_model.onnx"), Some(("siglip", Part::Texts)));
    assert_eq!(of("siglip/model.onnx"), Some(("siglip", Part::Both)));
    for other in ["classifier.onnx", "depth_anything_v2_vits.onnx", "segmenters/usls/text-encoder.onnx"] {
        assert_eq!(recognise(&Signature::read(&test_model(other)).unwrap()), None, "{other}");
    }
    assert!(find(&model("")).unwrap_err().to_string().contains("one of each"));
    assert_eq!(find(&model("clip/text_model.onnx")).unwrap(), find(&model("clip")).unwrap());
    assert!(find(&test_model("classifier.onnx")).unwrap_err().to_string().contains("SigLIP 2"));
}

#[test]
fn clip_sees_the_middle_and_siglip_all() {
    if !ready() {
        return;
    }
    // A quarter at either end is green, the middle purple: a square of 8 out of 16 x 8 is the middle alone.
    let crop =
        RgbImage::from_fn(16, 8, |x, _| if (4..12).contains(&x) { Rgb([200, 40, 180]) } else { Rgb([0, 255, 0]) });
    let clip = load(&model("clip"), CPU).unwrap();
    let scores = clip.scores(&[crop.clone(), crop.clone()], &labels()).unwrap();
    let middle = [200.0, 40.0, 180.0];
    let seen = [0, 1, 2].map(|k| (middle[k] / 255.0 - f64::from(CLIP_MEAN[k])) / f64::from(CLIP_STD[k]));
    close(&scores[0], &expected(seen));
    assert_eq!(scores[0], scores[1]);
    assert!(scores[0][0] > scores[0][1]);
    // The whole, stretched: half of it is green. Two pixels for one with a triangle leave the mean of four bands as it is.
    let siglip = load(&model("siglip/onnx"), CPU).unwrap();
    let whole = RgbImage::from_pixel(16, 8, Rgb([200, 40, 180]));
    let seen = middle.map(|v| (v / 255.0 - 0.5) / 0.5);
    close(&siglip.scores(std::slice::from_ref(&whole), &labels()).unwrap()[0], &expected(seen));
    assert!(siglip.scores(&[crop], &labels()).unwrap()[0][1] > 0.9, "the green ends are seen");
    // In one graph each label stands for itself.
    let both = load(&model("siglip/model.onnx"), CPU).unwrap();
    let alone = seen.map(|v| 1.0 / (1.0 + (-(4.0 * v - 2.0)).exp()));
    close(&both.scores(&[whole], &labels()).unwrap()[0], &alone);
    assert_eq!(both.scores(&[], &labels()).unwrap(), Vec::<Vec<f64>>::new());
    assert_eq!((clip.name(), clip.provider()), ("vision_model", ("CPU", None)));
}

#[test]
fn crops_have_a_margin_and_are_sharp_where_the_mask_is() {
    // Stripes one pixel wide: 0 and 200, a mean of 100.
    let photo = RgbImage::from_fn(60, 40, |x, y| Rgb([x as u8, y as u8, 200 * (x % 2) as u8]));
    let mask = |x: std::ops::Range<u32>, y: std::ops::Range<u32>| {
        Rle::encode(60, 40, &(0..2400).map(|k| x.contains(&(k % 60)) && y.contains(&(k / 60))).collect::<Vec<_>>())
    };
    // 20 x 10 with a margin of 3 on all sides: its first pixel is that of (7, 17).
    let cut = crop(&photo, &mask(10..30, 20..30)).unwrap();
    assert_eq!(cut.dimensions(), (26, 16));
    for (x, y) in [(3, 3), (22, 3), (12, 8), (3, 12)] {
        assert_eq!(cut.get_pixel(x, y), photo.get_pixel(7 + x, 17 + y), "({x}, {y}) is of the mask");
    }
    for (x, y) in [(12, 1), (13, 1), (12, 14)] {
        assert!((60..140).contains(&cut.get_pixel(x, y)[2]), "({x}, {y}): {:?} is blurred", cut.get_pixel(x, y));
    }
    assert_eq!(crop(&photo, &mask(0..60, 0..40)).unwrap(), photo, "all of the photo stays in it");
    assert_eq!(crop(&photo, &mask(0..0, 0..0)), None);
    assert_eq!(crop(&RgbImage::new(30, 20), &mask(1..9, 1..9)), None, "the mask is of another size");
}
