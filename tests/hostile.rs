//! Every file reader against files that are damaged, cut, stretched or made up: it ends with a result or with a sentence
//! that names the file, and never panics. The same checks as the fuzz targets, without a fuzzer.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

#[path = "../fuzz/readers.rs"]
mod readers;

use exif::experimental::Writer;
use exif::{Field, In, Rational, Tag, Value};
use holoscope::review::{Decision, Review};
use holoscope::scene::folder::SceneFolder;
use holoscope::scene::{Camera, DepthMap, Gaussians, Instance, Intrinsics, Rle, Sparse, SparsePoint, TriMesh};
use holoscope::splat::SplatFormat;
use image::{ImageBuffer, ImageFormat, Luma, Rgb, RgbImage};
use nalgebra::{Isometry3, Point3};
use proptest::prelude::*;
use std::io::Cursor;
use std::sync::LazyLock;

/// Words that a number, a size or a name is replaced by.
const HOSTILE: [&str; 22] = [
    "NaN",
    "nan",
    "inf",
    "-inf",
    "1e999",
    "-1",
    "0",
    "-0",
    "1e-320",
    "4294967295",
    "4294967296",
    "18446744073709551616",
    "2147483648",
    "null",
    "{}",
    "[]",
    "\"\"",
    "../..",
    "\u{0}",
    "99999999",
    "\r\n",
    "1.5",
];

/// A valid file with some of its bytes changed, cut out, doubled or replaced, or bytes of chance.
fn damaged(file: &[u8], seed: u64) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(seed);
    if rng.u8(..12) == 0 {
        return (0..rng.usize(..600)).map(|_| rng.u8(..)).collect();
    }
    let mut bytes = file.to_vec();
    for _ in 0..rng.usize(1..6) {
        if bytes.is_empty() {
            break;
        }
        // Most of what matters lies at the beginning.
        let end = if rng.bool() { bytes.len().min(200) } else { bytes.len() };
        let at = rng.usize(..end);
        let to = (at + 1 + rng.usize(..20)).min(bytes.len());
        match rng.u8(..8) {
            0 => bytes[at] ^= 1 << rng.u8(..8),
            1 => bytes[at] = rng.u8(..),
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..to)),
            4 => {
                let again = bytes[at..to].to_vec();
                bytes.splice(at..at, again);
            }
            5 => bytes[at..to].fill(if rng.bool() { 0xff } else { 0 }),
            _ => {
                let word = |b: &u8| b.is_ascii_alphanumeric() || b"+-._".contains(b);
                let begin = (0..=at).rev().take_while(|k| word(&bytes[*k])).last().unwrap_or(at);
                let end = begin + bytes[begin..].iter().take_while(|b| word(b)).count();
                let new = rng.choice(HOSTILE).unwrap().bytes();
                bytes.splice(begin..end, new);
            }
        }
    }
    bytes
}

fn png<P: image::Pixel<Subpixel = S> + image::PixelWithColorType, S: image::Primitive>(
    image: &ImageBuffer<P, Vec<S>>,
) -> Vec<u8>
where
    [S]: image::EncodableLayout,
{
    let mut out = Cursor::new(Vec::new());
    image.write_to(&mut out, ImageFormat::Png).unwrap();
    out.into_inner()
}

fn instances() -> Vec<Instance> {
    serde_json::from_str(include_str!("../fuzz/fuzz_targets/instances.json")).unwrap()
}

/// A valid file for each reader.
struct Valid {
    photos: Vec<Vec<u8>>,
    exif: Vec<u8>,
    poses: Vec<u8>,
    intrinsics: Vec<u8>,
    mask: Vec<u8>,
    depth: Vec<u8>,
    splats: Vec<Vec<u8>>,
    mesh: Vec<u8>,
    colmap: Vec<u8>,
    jsons: Vec<Vec<u8>>,
    index: Vec<u8>,
    coco: Vec<u8>,
    ids: Vec<u8>,
    review: Vec<u8>,
    video: Vec<u8>,
}

fn exif_block() -> Vec<u8> {
    let rational = |num| Value::Rational(vec![Rational { num, denom: 10 }]);
    let fields = [
        (Tag::Orientation, Value::Short(vec![6])),
        (Tag::FocalLengthIn35mmFilm, Value::Short(vec![28])),
        (Tag::FocalLength, rational(50)),
        (Tag::FocalPlaneXResolution, rational(20000)),
        (Tag::FocalPlaneResolutionUnit, Value::Short(vec![3])),
        (Tag::PixelXDimension, Value::Long(vec![48])),
    ];
    let fields = fields.map(|(tag, value)| Field { tag, ifd_num: In::PRIMARY, value });
    let mut writer = Writer::new();
    fields.iter().for_each(|f| writer.push_field(f));
    let mut tiff = Cursor::new(Vec::new());
    writer.write(&mut tiff, false).unwrap();
    tiff.into_inner()
}

/// A scene folder that this program wrote.
fn written() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let folder = SceneFolder::create(dir.path()).unwrap();
    let intrinsics = Intrinsics { width: 40, height: 32, fx: 40.0, fy: 41.0, cx: 20.0, cy: 16.0 };
    let camera = |x: f64| Some(Camera { intrinsics, c2w: Isometry3::translation(x, 0.0, 0.0) });
    let point = |x: f64| SparsePoint {
        position: Point3::new(x, 0.1, 2.0),
        color: [1, 2, 3],
        track: vec![(0, [20.0 + 20.0 * x as f32, 16.0]), (1, [3.5, 4.5])],
        error: 0.4,
    };
    let sparse = Sparse {
        cameras: vec![camera(0.0), camera(0.2)],
        points: (0..6).map(|k| point(f64::from(k) * 0.1)).collect(),
        ..Sparse::default()
    };
    folder.write_sparse(&["a.png".into(), "b.png".into()], &sparse).unwrap();
    folder
        .write_depth("a", &DepthMap { width: 9, height: 7, data: (0..63).map(|k| k as f32 * 0.05).collect() })
        .unwrap();
    let at = |k: usize| [k as f32, (k * k) as f32 * 0.1, -1.0];
    let mesh = TriMesh {
        positions: (0..6).map(at).collect(),
        normals: vec![[0.0, 0.0, 1.0]; 6],
        colors: vec![[9, 8, 7]; 6],
        triangles: vec![[0, 1, 2], [3, 4, 5], [0, 2, 5]],
    };
    folder.write_mesh(&mesh).unwrap();
    let splats = Gaussians {
        means: (0..5).map(at).collect(),
        log_scales: vec![[-3.0; 3]; 5],
        quats: vec![[1.0, 0.0, 0.0, 0.0]; 5],
        opacity_logits: vec![0.5; 5],
        sh_degree: 1,
        sh: vec![[0.1, 0.2, 0.3]; 20],
        antialiased: false,
    };
    for format in [SplatFormat::Ply, SplatFormat::CompressedPly, SplatFormat::Spz3, SplatFormat::Spz4] {
        holoscope::splat::write(&dir.path().join(format.file_name()), &splats, format, &[]).unwrap();
    }
    let mut review = Review::open(dir.path(), instances(), "ana").unwrap();
    review.decide(1, Decision::Accept).unwrap();
    review.decide(2, Decision::Recaption { text: "a \"red\" chair".into() }).unwrap();
    review.undo().unwrap();
    review.decide(3, Decision::Relabel { text: "table".into() }).unwrap();
    dir
}

static VALID: LazyLock<Valid> = LazyLock::new(|| {
    let scene = written();
    let file = |name: &str| std::fs::read(scene.path().join(name)).unwrap();
    let picture = RgbImage::from_fn(48, 36, |x, y| Rgb([x as u8 * 5, y as u8 * 7, 90]));
    let deep = ImageBuffer::<Luma<u16>, _>::from_fn(40, 33, |x, y| Luma([(x * y * 40) as u16]));
    let exif = exif_block();
    let poses = serde_json::json!({"width": 40, "height": 32, "fx": 40.0, "fy": 41.0, "cx": 20.0, "cy": 16.0, "frames": [
        {"file": "a", "c2w": [[1, 0, 0, 0.5], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]},
        {"file": "b", "c2w": [[0, -1, 0, 0.5], [1, 0, 0, 0], [0, 0, 1, 2], [0, 0, 0, 1]]}]});
    let rle = Rle::encode(20, 10, &(0..200).map(|k| k % 7 < 3).collect::<Vec<_>>());
    let index = serde_json::json!({"items": [
        {"image": "a.png", "label": "chair", "score": 0.5, "mask_rle": serde_json::to_value(&rle).unwrap()},
        {"image": "x/a.jpg", "label": "table", "mask_rle": serde_json::to_value(&rle).unwrap()}]});
    let coco = serde_json::json!({"images": [{"id": 1, "file_name": "a.png", "width": 20, "height": 10}],
        "categories": [{"id": 1, "name": "chair"}], "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[2, 1, 12.5, 3, 9, 8.5]]},
        {"id": 2, "image_id": 1, "category_id": 1, "segmentation": {"size": [10, 20], "counts": rle.to_coco()}}]});
    let numbered = ImageBuffer::<Luma<u16>, _>::from_fn(20, 10, |x, _| Luma([(x / 5) as u16 * 300]));
    let masks = serde_json::json!({"image": "a.png", "width": 20, "height": 10, "masks": [{"instance_id": 1, "label": "chair",
        "score": 0.5, "segmentation": {"size": [10, 20], "counts": rle.to_coco()}}]});
    let all = serde_json::json!({"version": 1, "instances": serde_json::to_value(instances()).unwrap()});
    let meta = serde_json::json!({"version": 1, "name": "x", "source": "x", "units": "metres", "scale_source": "x", "up": [0, 0, 1],
        "floor_found": true, "world_from_input": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], "images": ["a.png"],
        "stages": [], "program": "x", "models": [], "warnings": []});
    let log = b"[info] Input #0, mov,mp4, from 'file:a.mp4':\n[info]   Duration: 00:00:12.50, start: 0.000000, bitrate: 1299 kb/s\n\
        [info]   Stream #0:0[0x1](und): Video: h264 (High) (avc1 / 0x31637661), yuv420p(tv, progressive), 540x360 [SAR 1:1 DAR 3:2], \
        1298 kb/s, 10 fps, 10 tbr, 10240 tbn (default)\n[h264 @ 0x55d0c8a0] [error] Invalid NAL unit size (5332 > 1200).\n";
    let colmap = ["cameras.txt", "images.txt", "points3D.txt"].map(|n| file(&format!("sparse/0/{n}")));
    Valid {
        photos: vec![readers::with_exif(&exif), png(&picture), png(&deep)],
        exif,
        intrinsics: br#"{"width": 40, "height": 32, "fx": 40.0, "fy": 41.0, "cx": 20.0, "cy": 16.0}"#.to_vec(),
        poses: poses.to_string().into_bytes(),
        mask: png(&ImageBuffer::<Luma<u8>, _>::from_fn(40, 32, |x, _| Luma([if x < 9 { 0 } else { 255 }]))),
        depth: file("depth/a.png"),
        splats: ["splat.ply", "splat.compressed.ply", "splat.spz", "splat.v4.spz"].map(file).to_vec(),
        mesh: file("mesh.ply"),
        colmap: colmap.join(&b"\n----\n"[..]),
        jsons: [meta, all, masks].map(|v| v.to_string().into_bytes()).to_vec(),
        index: index.to_string().into_bytes(),
        coco: coco.to_string().into_bytes(),
        ids: [&png(&numbered)[..], b"\n----\n", br#"{"300": "lamp", "600": "table"}"#].concat(),
        review: file("review.jsonl"),
        video: [&log[..], b"P5\n4 3\n255\nabcdefghijkl"].concat(),
    }
});

/// Else a reader that refuses everything would pass.
#[test]
fn valid_files_are_read() {
    let v = &*VALID;
    let dir = written();
    std::fs::create_dir_all(dir.path().join("masks")).unwrap();
    for (name, bytes) in ["scene.json", "instances.json", "masks/a.json"].iter().zip(&v.jsons) {
        std::fs::write(dir.path().join(name), bytes).unwrap();
    }
    let folder = SceneFolder::open(dir.path()).unwrap();
    assert_eq!(folder.read_sparse(&["a.png".into(), "b.png".into()]).unwrap().points.len(), 6);
    assert_eq!(folder.read_mesh().unwrap().triangles.len(), 3);
    assert_eq!(folder.read_depth("a").unwrap().width, 9);
    for splat in &v.splats {
        std::fs::write(folder.splat_path(), splat).unwrap();
        assert_eq!(holoscope::splat::read(&folder.splat_path()).unwrap().len(), 5);
    }
    assert_eq!(folder.read_meta().unwrap().images, ["a.png"]);
    assert_eq!(folder.read_instances().unwrap().instances.len(), 3);
    assert_eq!(folder.read_masks("a").unwrap().masks[0].segmentation.decode().len(), 200);
    let counts = Review::read(dir.path(), instances()).unwrap().counts();
    assert_eq!((counts.accepted, counts.unreviewed), (1, 2));
    let said = holoscope::input::video::listen(&v.video[..], |_| ());
    assert_eq!((said.seconds, said.fps), (Some(12.5), Some(10.0)));
    for (k, photo) in v.photos.iter().enumerate() {
        let path = dir.path().join(format!("{k}.jpg"));
        std::fs::write(&path, photo).unwrap();
        holoscope::input::decode_photo(&path).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn photos(seed in any::<u64>()) {
        VALID.photos.iter().for_each(|p| readers::photo(&damaged(p, seed)));
    }

    #[test]
    fn exif_blocks(seed in any::<u64>()) {
        readers::exif(&damaged(&VALID.exif, seed));
    }

    #[test]
    fn cameras_of_photos(seed in any::<u64>()) {
        readers::poses(&damaged(&VALID.poses, seed));
        readers::intrinsics(&damaged(&VALID.intrinsics, seed));
        readers::photo_mask(&damaged(&VALID.mask, seed));
    }

    #[test]
    fn depth_maps(seed in any::<u64>()) {
        readers::depth_png(&damaged(&VALID.depth, seed));
    }

    #[test]
    fn splats_and_meshes(seed in any::<u64>()) {
        VALID.splats.iter().for_each(|s| readers::splat(&damaged(s, seed)));
        readers::mesh_ply(&damaged(&VALID.mesh, seed));
    }

    #[test]
    fn colmap_models(seed in any::<u64>()) {
        readers::colmap(&damaged(&VALID.colmap, seed));
    }

    #[test]
    fn json_of_a_scene(seed in any::<u64>()) {
        VALID.jsons.iter().for_each(|j| readers::scene_json(&damaged(j, seed)));
        readers::mask_index(&damaged(&VALID.index, seed));
        readers::mask_index(&damaged(&VALID.coco, seed));
        readers::mask_pictures(&damaged(&VALID.ids, seed));
    }

    #[test]
    fn logs_of_reviews(seed in any::<u64>()) {
        readers::review(&damaged(&VALID.review, seed), instances());
    }

    #[test]
    fn words_and_pictures_of_ffmpeg(seed in any::<u64>()) {
        readers::video(&damaged(&VALID.video, seed));
    }
}
