//! Files and sessions, on the tiny models of `tests/make_models.py`.

use super::engine::{Runner, Source};
use super::testing::{CPU, loaded, ready, test_model};
use super::*;
use std::path::Path;

fn port(name: &str, element: Element, dims: &[Option<usize>]) -> Port {
    Port { name: name.into(), element, dims: dims.to_vec() }
}

#[test]
fn signatures_are_read_without_a_runtime() {
    let moge = Signature::read(&test_model("moge-2-vits.onnx")).unwrap();
    let inputs = [port("image", Element::F32, &[None, Some(3), None, None]), port("num_tokens", Element::I64, &[])];
    assert_eq!(moge.inputs, inputs);
    assert_eq!(moge.outputs.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(), ["points", "mask", "metric_scale"]);
    assert_eq!(moge.picture().unwrap().name, "image");
    let half = Signature::read(&test_model("depth_anything_v2_vits_fp16.onnx")).unwrap();
    assert_eq!(half.inputs, [port("pixel_values", Element::F16, &[None, Some(3), None, None])]);
    let metric = Signature::read(&test_model("DA3METRIC-LARGE.onnx")).unwrap();
    assert_eq!(metric.inputs[0].dims, [Some(1), Some(3), Some(70), Some(98)]);
    assert!(metric.to_string().contains("takes image[1,3,70,98] and gives depth[1,1,70,98] sky"));
}

#[test]
fn files_that_are_no_models_are_one_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.onnx");
    let whole = std::fs::read(test_model("xfeat.onnx")).unwrap();
    let says = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let error = Signature::read(&path).unwrap_err().to_string();
        assert!(error.contains("model.onnx") && !error.contains('\n'), "{error}");
        error
    };
    assert!(says(b"").contains("not an ONNX file"));
    assert!(says(b"<html>404 Not Found</html>").contains("ONNX file"));
    assert!(says(b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 1\n").contains("ONNX file"));
    for keep in [whole.len() - 1, whole.len() / 2, 40, 9] {
        assert!(says(&whole[..keep]).contains("ONNX file") || says(&whole[..keep]).contains("cut off"), "{keep} bytes");
    }
    assert!(Signature::read(dir.path()).unwrap_err().to_string().contains("folder"));
    assert!(Signature::read(&dir.path().join("none.onnx")).unwrap_err().to_string().contains("none.onnx"));
}

/// Random damage gives an error or another signature, never a panic or endless work.
#[test]
fn damaged_files_are_survived() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.onnx");
    let whole = std::fs::read(test_model("moge-2-vits.onnx")).unwrap();
    let mut rng = fastrand::Rng::with_seed(1);
    for _ in 0..300 {
        let mut bytes = whole.clone();
        for _ in 0..rng.usize(1..12) {
            let at = rng.usize(..bytes.len());
            bytes[at] = rng.u8(..);
        }
        std::fs::write(&path, &bytes).unwrap();
        let _ = Signature::read(&path);
    }
}

#[test]
fn half_precision_is_read_and_written() {
    if !ready() {
        return;
    }
    let model = Model::load(&test_model("depth_anything_v2_vits_fp16.onnx"), CPU).unwrap();
    let image = Tensor::f32(&[1, 3, 1, 2], vec![0.25, -1.5, 9.0, 9.0, 9.0, 9.0]);
    let outputs = model.run(&[("pixel_values", &image), ("not asked for", &image)]).unwrap();
    let depth = outputs.named(&["depth", "predicted_depth"]).unwrap();
    assert_eq!(depth.dims, [1, 1, 2]);
    assert_eq!(depth.data, Data::F32(vec![6.25, 4.5]));
    assert_eq!(model.provider(), ("CPU", None));
}

#[test]
fn wrong_inputs_and_broken_graphs_are_errors_that_name_the_file() {
    if !ready() {
        return;
    }
    let model = Model::load(&test_model("moge-2-vits.onnx"), CPU).unwrap();
    let image = Tensor::f32(&[1, 3, 2, 2], vec![0.0; 12]);
    let error = model.run(&[("image", &image)]).err().unwrap().to_string();
    assert!(error.contains("moge-2-vits.onnx") && error.contains("num_tokens"), "{error}");
    let flat = Tensor::f32(&[3], vec![0.0; 3]);
    let tokens = Tensor::i64(&[], vec![1200]);
    let error = model.run(&[("image", &flat), ("num_tokens", &tokens)]).err().unwrap().to_string();
    assert!(error.contains("moge-2-vits.onnx") && !error.contains('\n'), "{error}");
    // Readable as a file, but with an operator that does not exist.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("odd.onnx");
    let mut bytes = std::fs::read(test_model("classifier.onnx")).unwrap();
    let at = bytes.windows(10).position(|w| w == b"ReduceMean").unwrap();
    bytes[at..at + 10].copy_from_slice(b"ReduceNone");
    std::fs::write(&path, bytes).unwrap();
    let error = Model::load(&path, CPU).err().unwrap().to_string();
    assert!(error.contains("odd.onnx") && !error.contains('\n'), "{error}");
}

/// The library of the tests runs on the CPU alone: a GPU that is demanded is an error, one that may be is passed over.
#[test]
fn a_gpu_that_is_not_there() {
    if !ready() || onnx_engine::any_gpu() {
        return;
    }
    let load = |accelerator| Model::load(&test_model("metric_plane.onnx"), Execution { accelerator, threads: 1 });
    let error = load(Accelerator::Gpu).err().unwrap().to_string();
    assert!(error.contains("--device gpu") && error.contains("metric_plane.onnx"), "{error}");
    assert_eq!(load(Accelerator::Auto).unwrap().provider().0, "CPU");
}

/// One number a step: neither all the same nor random.
fn ramp(dims: &[usize]) -> Tensor {
    let n: usize = dims.iter().product();
    Tensor::f32(dims, (0..n).map(|k| (k * 7 % 251) as f32 / 251.0).collect())
}

/// Asserts that two runs gave the same names, sizes and kinds, and numbers within `tolerance`.
fn agree(name: &str, one: &Outputs, other: &Outputs, tolerance: f32) {
    let sizes = |o: &Outputs| o.iter().map(|(n, t)| (n.clone(), t.dims.clone())).collect::<Vec<_>>();
    assert_eq!(sizes(one), sizes(other), "{name}");
    for ((output, a), (_, b)) in one.iter().zip(other.iter()) {
        assert_eq!(std::mem::discriminant(&a.data), std::mem::discriminant(&b.data), "{name} {output}");
        let far = a.to_f32().iter().zip(b.to_f32().iter()).map(|(a, b)| (a - b).abs()).fold(0.0f32, f32::max);
        assert!(far <= tolerance, "{name} {output} differs by {far}");
    }
}

/// Those of the tiny graphs that RTen has all operators for, with the sizes that each can be run at.
#[test]
fn both_runtimes_agree_on_the_models_of_the_tests() {
    if !ready() {
        return;
    }
    let tokens = Tensor::i64(&[], vec![1200]);
    for (name, input, dims) in [
        ("moge-2-vits.onnx", "image", vec![1, 3, 8, 12]),
        ("metric_plane.onnx", "image", vec![1, 3, 240, 320]),
        ("depth_anything_v2_vits.onnx", "pixel_values", vec![1, 3, 14, 28]),
        ("DA3METRIC-LARGE.onnx", "image", vec![1, 3, 70, 98]),
        ("classifier.onnx", "input", vec![1, 3, 224, 224]),
    ] {
        let path = test_model(name);
        let signature = Signature::read(&path).unwrap();
        let input = signature.inputs.iter().find(|p| p.dims.len() >= 3).map_or(input, |p| p.name.as_str());
        let image = ramp(&dims);
        let run = |by_rten| loaded(&path, by_rten).run(&[(input, &image), ("num_tokens", &tokens)]).unwrap();
        agree(name, &run(false), &run(true), 1e-4);
    }
}

#[test]
fn a_model_in_memory_runs_by_both_runtimes() {
    let bytes: &'static [u8] = include_bytes!("../../tests/models/metric_plane.onnx");
    let image = ramp(&[1, 3, 240, 320]);
    let run = |by| {
        let model = Model::open(Path::new("in memory"), Source::Embedded(bytes), CPU, by).unwrap();
        let name = model.signature().inputs[0].name.clone();
        (model.run(&[(&name, &image)]).unwrap(), model.provider())
    };
    let (by_rten, provider) = run(Runner::Rten);
    assert_eq!(provider, ("CPU (RTen)", None));
    if ready() {
        let (by_onnx, provider) = run(Runner::Onnx);
        assert_eq!(provider, ("CPU", None));
        agree("in memory", &by_onnx, &by_rten, 1e-4);
    }
    assert!(Model::embedded("cut", &bytes[..bytes.len() / 2], CPU).is_err());
}

/// An operator that RTen lacks, and damage of all kinds: one sentence each, and the process lives on.
#[test]
fn what_rten_cannot_run_says_what_to_install() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("odd.onnx");
    let whole = std::fs::read(test_model("classifier.onnx")).unwrap();
    let mut bytes = whole.clone();
    let at = bytes.windows(10).position(|w| w == b"ReduceMean").unwrap();
    bytes[at..at + 10].copy_from_slice(b"ReduceNone");
    std::fs::write(&path, bytes).unwrap();
    let by_rten = || Model::open(&path, Source::File(path.clone()), CPU, Runner::Rten);
    let error = by_rten().err().unwrap().to_string();
    println!("{error}");
    let words = ["odd.onnx", "ReduceNone", "RTen", "pip install onnxruntime"];
    assert!(words.iter().all(|w| error.contains(w)) && !error.contains('\n'), "{error}");
    let mut rng = fastrand::Rng::with_seed(3);
    let image = ramp(&[1, 3, 8, 8]);
    for _ in 0..200 {
        let mut bytes = whole.clone();
        for _ in 0..rng.usize(1..8) {
            let at = rng.usize(..bytes.len());
            bytes[at] = rng.u8(..);
        }
        std::fs::write(&path, &bytes).unwrap();
        if let Ok(model) = by_rten() {
            let name = model.signature().inputs[0].name.clone();
            let _ = model.run(&[(&name, &image)]);
        }
    }
}

#[test]
fn the_catalogue_is_whole() {
    let roles = catalogue().unwrap();
    assert!(["poses", "features", "depth", "segmenter", "vlm"].iter().all(|r| roles.iter().any(|x| x.role == *r)));
    for role in &roles {
        assert_eq!(role.sources.iter().filter(|s| s.default).count(), 1, "{role:?}");
        for source in &role.sources {
            assert!(["embedded", "files", "loaded"].contains(&source.way.as_str()), "{source:?}");
            let described = source.family.is_none() || (source.licence.is_some() && source.get.is_some());
            assert!(!source.name.is_empty() && described, "{source:?}");
        }
    }
}
