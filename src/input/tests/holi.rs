//! Holi-Spatial results.

use super::layouts::laid;
use super::*;
use crate::scene::Rle;
use nalgebra::Vector3;
use serde_json::json as value;

fn boxes() -> serde_json::Value {
    // Turned by 90 degrees about z, its third axis pointing down: a left-handed matrix.
    let transform = [[0., -1., 0., 1.], [1., 0., 0., 2.], [0., 0., -1., 3.], [0., 0., 0., 1.]];
    let corner = |x: f64, y: f64, z: f64| value!({"x": x, "y": y, "z": z});
    let corners: Vec<_> = [-1.0, 1.0]
        .iter()
        .flat_map(|x| [-0.5, 0.5].map(|y| (*x, y)))
        .flat_map(|(x, y)| [0.0, 0.5].map(|z| corner(x + 4.0, y, z)))
        .collect();
    let mask = Rle::encode(4, 4, &[true; 16]).to_coco();
    value!([
        {"ins_id": "1", "label": "chair", "obb_transform": transform, "obb_extents": [0.5, 0.6, 0.7],
         "bounding_box": [], "images": ["/data/masks/s/a/chair.png", "/data/masks/s/b.jpg/chair_01.png"],
         "highest_confidence_mask": "/data/masks/s/b/chair_01.png",
         "mask_encodings": [{"size": [4, 4], "counts": mask}, "broken"], "description": "A red chair."},
        {"ins_id": "7", "label": "table", "bounding_box": corners, "images": [], "score": 0.95},
        {"ins_id": "3", "label": "lamp", "bounding_box": [1, 2], "images": []},
        {"ins_id": "4", "label": "rug", "obb_transform": transform, "obb_extents": [0.5, -0.6, 0.7]},
    ])
}

fn result() -> Vec<(String, Vec<u8>)> {
    let camera = |name: &str, x: f64| {
        value!({"id": 0, "img_name": name, "width": 64, "height": 48, "position": [x, 0.0, 1.0],
            "rotation": [[1, 0, 0], [0, 0, 1], [0, -1, 0]], "fy": 61.0, "fx": 60.0})
    };
    vec![
        ("point_cloud/iteration_7000/point_cloud.ply".into(), vec![]),
        ("point_cloud/iteration_30000/point_cloud.ply".into(), vec![]),
        ("mesh/tsdf_fusion.ply".into(), vec![]),
        ("cameras.json".into(), json(value!([camera("a", 0.0), camera("b.jpg", 1.0)]))),
        ("scene0001.json".into(), json(boxes())),
        ("images/a.png".into(), png(64, 48)),
        ("images/b.png".into(), png(64, 48)),
        ("images/c.png".into(), png(64, 48)),
    ]
}

#[test]
fn a_result_is_found_and_read() {
    let dir = laid(&result());
    let found = HoliResult::find(dir.path()).unwrap();
    assert!(found.splats.ends_with("iteration_30000/point_cloud.ply") && found.boxes.ends_with("scene0001.json"));
    assert!(found.mesh.as_ref().unwrap().ends_with("mesh/tsdf_fusion.ply"));
    let (in_ply, in_spz) = (found.splats.clone(), found.splats.with_extension("spz"));
    std::fs::rename(&in_ply, &in_spz).unwrap();
    assert_eq!(HoliResult::find(dir.path()).unwrap().splats, in_spz);
    std::fs::rename(&in_spz, &in_ply).unwrap();
    let mut warnings = Vec::new();
    let objects = found.objects(&mut warnings).unwrap();
    assert_eq!(objects.iter().map(|o| o.label.as_str()).collect::<Vec<_>>(), ["chair", "table"]);
    assert!(warnings.len() == 2 && warnings[0].contains("object 2"), "{warnings:?}");
    assert_eq!([objects[0].id, objects[1].id], [1, 7]);
    let chair = &objects[0];
    assert_eq!((chair.caption.as_str(), chair.score, chair.best_view.as_deref()), ("A red chair.", None, Some("b")));
    assert_eq!(
        chair.views.iter().map(|(s, m)| (s.as_str(), m.is_some())).collect::<Vec<_>>(),
        [("a", true), ("b", false)]
    );
    assert_eq!((chair.obb.center, chair.obb.size), (Point3::new(1., 2., 3.), Vector3::new(0.5, 0.6, 0.7)));
    assert!((chair.obb.rotation * Vector3::x() - Vector3::y()).norm() < 1e-9);
    let table = &objects[1];
    assert_eq!(
        (table.obb.center, table.obb.size, table.score),
        (Point3::new(4., 0., 0.25), Vector3::new(2., 1., 0.5), Some(0.95))
    );
    let c = loaded(&dir);
    assert_eq!(stems(&c), ["a", "b"], "c has no camera");
    let pose = c.frames[1].given_c2w.unwrap();
    assert!(c.has_poses() && pose.translation.x == 1.0 && (pose * Vector3::z() - Vector3::y()).norm() < 1e-9);
    assert_eq!(c.frames[0].intrinsics.fy, 61.0);
}

#[test]
fn a_result_without_photos_is_one_too() {
    let mut files = result();
    files.retain(|(n, _)| !n.starts_with("images") && n != "cameras.json");
    let c = loaded(&laid(&files));
    assert!(c.frames.is_empty() && c.warnings[0].contains("no photos"));
    files.retain(|(n, _)| n != "scene0001.json");
    assert!(error(laid(&files).path()).contains("no photos"));
}
