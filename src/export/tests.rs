use super::*;
use crate::scene::folder::{SceneMeta, VERSION};
use crate::scene::{FrameMasks, Gaussians, Instances, Mask2d, OrientedBox, Rle};
use nalgebra::{Point3, Vector3};
use serde_json::{Value, json};
use std::process::Command;

/// As the watched one, that nobody watches.
fn write(
    scene: &SceneFolder,
    items: &BTreeMap<u32, Reviewed>,
    format: Format,
    out: &Path,
    include: Include,
) -> Result<Exported, ExportError> {
    super::write(scene, items, format, out, include, &Quiet)
}

/// A scene of two 4 x 3 images with masks of three instances, and a third image that was not segmented.
fn scene(root: &Path) -> SceneFolder {
    let scene = SceneFolder::create(root).unwrap();
    let meta = SceneMeta {
        version: VERSION,
        name: "room".into(),
        source: "x".into(),
        units: "metres".into(),
        scale_source: "x".into(),
        up: [0.0, 0.0, 1.0],
        floor_found: true,
        world_from_input: [[0.0; 4]; 4],
        images: vec!["b.jpg".into(), "a.png".into(), "c.png".into()],
        held_out: vec![],
        stages: vec![],
        program: "0.1".into(),
        models: vec![],
        warnings: vec![],
        typed_scale: None,
        figures: Value::Null,
    };
    scene.write_meta(&meta).unwrap();
    let bits = [0, 0, 1, 1, 0, 1, 1, 1, 0, 1, 0, 1].map(|b| b == 1);
    let corner = [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0].map(|b| b == 1);
    let mask = |instance_id, bits: &[bool]| Mask2d {
        instance_id,
        label: "raw".into(),
        score: 0.5,
        segmentation: Rle::encode(4, 3, bits),
    };
    let write = |stem: &str, name: &str, masks: Vec<Mask2d>| {
        scene.write_masks(stem, &FrameMasks { image: name.into(), width: 4, height: 3, masks }).unwrap();
    };
    write("b", "b.jpg", vec![mask(3, &bits), mask(1, &corner), mask(2, &corner)]);
    write("a", "a.png", vec![mask(1, &[false; 12]), mask(1, &bits)]);
    let instances = items().into_values().map(|r| r.instance).collect();
    scene.write_instances(&Instances { version: 1, instances }).unwrap();
    scene
}

fn items() -> BTreeMap<u32, Reviewed> {
    let item = |id, label: &str, state, verdict| {
        let obb = OrientedBox::upright(Point3::origin(), Vector3::repeat(1.0), 0.0);
        let instance = Instance {
            id,
            label: label.into(),
            caption: format!("the {label}"),
            score: 0.75,
            state,
            obb,
            views: vec![],
            best_view: "b".into(),
            evidence: Value::Null,
        };
        (id, Reviewed { verdict, ..Reviewed::new(instance) })
    };
    BTreeMap::from([
        item(1, "vase", InstanceState::Dropped, Verdict::Accepted),
        item(2, "chair", InstanceState::Kept, Verdict::Rejected),
        item(3, "chair", InstanceState::Verify, Verdict::Unreviewed),
        item(4, "lamp", InstanceState::Dropped, Verdict::Unreviewed),
    ])
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn coco_is_what_it_should_be() {
    let dir = tempfile::tempdir().unwrap();
    let (scene, out) = (scene(&dir.path().join("scene")), dir.path().join("out/coco"));
    let done = write(&scene, &items(), Format::Coco, &out, Include::Unreviewed).unwrap();
    assert_eq!((done.instances, done.images, done.annotations), (2, 2, 3));
    assert_eq!(done.files, [out.join("coco.json")]);
    let whole = json!({"size": [3, 4], "counts": "441O"});
    let expected = json!({
        "info": {"description": "room", "version": "0.1", "units": "metres"},
        "licenses": [],
        "images": [
            {"id": 1, "file_name": "b.jpg", "width": 4, "height": 3},
            {"id": 2, "file_name": "a.png", "width": 4, "height": 3}
        ],
        "categories": [
            {"id": 1, "name": "chair", "supercategory": "object"},
            {"id": 2, "name": "vase", "supercategory": "object"}
        ],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "segmentation": whole, "bbox": [1, 0, 3, 3], "area": 7,
             "iscrowd": 0, "instance_uid": 3, "score": 0.5, "caption": "the chair"},
            {"id": 2, "image_id": 1, "category_id": 2, "segmentation": {"size": [3, 4], "counts": "01;"},
             "bbox": [0, 0, 1, 1], "area": 1, "iscrowd": 0, "instance_uid": 1, "score": 0.5, "caption": "the vase"},
            {"id": 3, "image_id": 2, "category_id": 2, "segmentation": whole, "bbox": [1, 0, 3, 3], "area": 7,
             "iscrowd": 0, "instance_uid": 1, "score": 0.5, "caption": "the vase"}
        ]
    });
    assert_eq!(read(&out.join("coco.json")), expected);
}

/// pycocotools reads the file, decodes the masks, and finds their areas and boxes to be what the file says.
#[test]
fn coco_passes_pycocotools() {
    let importable = Command::new("python3").args(["-c", "import pycocotools.coco"]).output();
    if !importable.is_ok_and(|o| o.status.success()) {
        println!("skipped: python3 cannot import pycocotools");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let scene = scene(&dir.path().join("scene"));
    write(&scene, &items(), Format::Coco, dir.path(), Include::All).unwrap();
    let script = "import sys\nfrom pycocotools.coco import COCO\nfrom pycocotools import mask as M\n\
        c = COCO(sys.argv[1])\nassert len(c.getImgIds()) == 2 and len(c.getAnnIds()) == 4\n\
        for a in c.loadAnns(c.getAnnIds()):\n    m = c.annToMask(a); r = c.annToRLE(a)\n    \
        assert m.shape == (3, 4) and m.sum() == a['area'] == M.area(r), a\n    \
        assert list(M.toBbox(r)) == a['bbox'], a\n\
        assert (c.annToMask(c.loadAnns([1])[0]) == [[0,0,1,1],[0,1,1,1],[0,1,0,1]]).all()";
    let output = Command::new("python3").args(["-c", script]).arg(dir.path().join("coco.json")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn instances_carry_the_verdict() {
    let dir = tempfile::tempdir().unwrap();
    let (scene, items) = (scene(&dir.path().join("scene")), items());
    for (include, ids) in
        [(Include::Accepted, vec![1]), (Include::Unreviewed, vec![1, 3]), (Include::All, vec![1, 2, 3, 4])]
    {
        let done = write(&scene, &items, Format::Instances, dir.path(), include).unwrap();
        assert_eq!(done.instances, ids.len());
        let file = read(&dir.path().join("instances.json"));
        assert_eq!((&file["units"], &file["scale_source"]), (&json!("metres"), &json!("x")));
        let written = file["instances"].as_array().unwrap();
        assert_eq!(written.iter().map(|i| i["id"].as_u64().unwrap()).collect::<Vec<_>>(), ids);
        for i in written {
            let r = &items[&(i["id"].as_u64().unwrap() as u32)];
            assert_eq!(i["verdict"], serde_json::to_value(r.verdict).unwrap());
            assert_eq!(serde_json::from_value::<Instance>(i.clone()).unwrap(), r.instance);
        }
    }
}

#[test]
fn nothing_accepted_is_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let scene = scene(&dir.path().join("scene"));
    let mut items = items();
    items.remove(&1);
    for format in [Format::Coco, Format::Instances, Format::All] {
        let error = write(&scene, &items, format, &dir.path().join("out"), Include::Accepted).unwrap_err().to_string();
        assert!(error.contains("no accepted instances (2 unreviewed, 1 rejected)"), "{error}");
        assert!(error.contains("--include unreviewed or --include all"), "{error}");
    }
    assert!(!dir.path().join("out").exists());
    items.retain(|id, _| *id == 2);
    let error = write(&scene, &items, Format::Coco, dir.path(), Include::Unreviewed).unwrap_err().to_string();
    assert!(error.contains("--include unreviewed"), "{error}");
}

#[test]
fn splat_and_mesh_go_out() {
    let dir = tempfile::tempdir().unwrap();
    let (scene, out) = (scene(&dir.path().join("scene")), dir.path().join("out"));
    let error = export(&scene, Format::Splat, &out, Include::Accepted).unwrap_err().to_string();
    assert!(error.contains("splat.ply is not there"), "{error}");
    // The third cannot be seen, and the first quaternion is not of unit length.
    let splats = Gaussians {
        means: vec![[1.0, 2.0, 3.0], [2.0, 0.0, 0.0], [0.0; 3]],
        log_scales: vec![[-3.0; 3]; 3],
        quats: vec![[2.0, 0.0, 0.0, 0.0], [0.6, 0.0, 0.8, 0.0], [1.0, 0.0, 0.0, 0.0]],
        opacity_logits: vec![1.0, 2.0, -5.6],
        sh_degree: 0,
        sh: vec![[0.5; 3]; 3],
        antialiased: true,
    };
    splat::write_ply(&scene.splat_path(), &splats).unwrap();
    for (format, name) in [
        (Format::Splat, "splat.ply"),
        (Format::CompressedPly, "splat.compressed.ply"),
        (Format::Spz, "splat.spz"),
        (Format::Spz4, "splat.v4.spz"),
    ] {
        assert_eq!(export(&scene, format, &out, Include::Accepted).unwrap().files, [out.join(name)]);
        let back = splat::read(&out.join(name)).unwrap();
        assert!((back.len(), back.antialiased) == (2, true), "{name}");
        assert!(back.quats.iter().all(|q| (q.iter().map(|v| v * v).sum::<f32>() - 1.0).abs() < 1e-5), "{name}");
    }
    assert_eq!(splat::read_ply(&scene.splat_path()).unwrap(), splats);
    let done = write(&scene, &items(), Format::All, &out, Include::Accepted).unwrap();
    assert_eq!(done.files, ["coco.json", "instances.json", "splat.ply"].map(|n| out.join(n)));
    assert_eq!(done.missing, ["mesh.ply"]);
    let before = std::fs::read(scene.root().join("instances.json")).unwrap();
    let inside = scene.root().join("masks/..");
    let error = write(&scene, &items(), Format::All, &inside, Include::All).unwrap_err().to_string();
    assert!(error.contains("is the scene folder itself"), "{error}");
    assert_eq!(std::fs::read(scene.root().join("instances.json")).unwrap(), before);
    // The output cannot be a file.
    let file = dir.path().join("file");
    std::fs::write(&file, "x").unwrap();
    assert!(export(&scene, Format::Splat, &file, Include::All).unwrap_err().to_string().contains("file"));
}
