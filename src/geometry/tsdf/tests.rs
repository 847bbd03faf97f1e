//! A sphere seen from all sides.
use super::surface::without_small_clusters;
use super::{TsdfOptions, tsdf_mesh};
use crate::geometry::dense::View;
use crate::geometry::fusion::fuse;
use crate::geometry::raster::render_mesh_depth;
use crate::scene::{Camera, DepthMap, Intrinsics, Quiet, TriMesh};
use image::{Rgb, RgbImage};
use nalgebra::{Isometry3, Point3, Vector3};
use std::collections::HashMap;

/// Cameras on a sphere of radius 3 about the origin, looking inwards.
fn cameras() -> Vec<Camera> {
    let intrinsics = Intrinsics { width: 160, height: 120, fx: 140.0, fy: 140.0, cx: 80.0, cy: 60.0 };
    let golden = std::f64::consts::PI * (3.0 - 5f64.sqrt());
    (0..24)
        .map(|i| {
            let z = 1.0 - 2.0 * (f64::from(i) + 0.5) / 24.0;
            let (r, a) = ((1.0 - z * z).sqrt(), golden * f64::from(i));
            let eye = Point3::new(r * a.cos(), r * a.sin(), z) * 3.0;
            Camera { intrinsics, c2w: Isometry3::face_towards(&eye, &Point3::origin(), &Vector3::new(0.1, 0.2, 1.0)) }
        })
        .collect()
}

/// Depth of the sphere of this radius about the origin.
fn sphere_depth(camera: &Camera, radius: f64) -> DepthMap {
    let k = camera.intrinsics;
    let mut map = DepthMap::unknown(k.width, k.height);
    for y in 0..k.height {
        for x in 0..k.width {
            let ray = camera.c2w.rotation * k.ray(f64::from(x) + 0.5, f64::from(y) + 0.5);
            let (o, a) = (camera.center().coords, ray.norm_squared());
            let (b, c) = (o.dot(&ray), o.norm_squared() - radius * radius);
            let root = b * b - a * c;
            if root > 0.0 {
                map.data[(y * k.width + x) as usize] = ((-b - root.sqrt()) / a) as f32;
            }
        }
    }
    map
}

fn fused() -> (Vec<Camera>, RgbImage, Vec<DepthMap>) {
    let cameras = cameras();
    let depths = cameras.iter().map(|c| sphere_depth(c, 1.0)).collect();
    (cameras, RgbImage::from_pixel(160, 120, Rgb([200, 100, 50])), depths)
}

fn views<'a>(cameras: &[Camera], image: &'a RgbImage) -> Vec<View<'a>> {
    cameras.iter().map(|c| View { image, camera: *c }).collect()
}

fn volume(mesh: &TriMesh) -> f64 {
    let p = |i: u32| Vector3::from(mesh.positions[i as usize]).cast::<f64>();
    mesh.triangles.iter().map(|t| p(t[0]).dot(&p(t[1]).cross(&p(t[2]))) / 6.0).sum()
}

#[test]
fn a_sphere_is_closed_round_and_faces_outwards() {
    let (cameras, image, depths) = fused();
    let views = views(&cameras, &image);
    let options = TsdfOptions::for_scene(&views, &depths);
    assert!((0.01..0.06).contains(&options.voxel), "{options:?}");
    let mesh = tsdf_mesh(&views, &depths, &options, &Quiet).unwrap();
    assert_eq!(mesh, tsdf_mesh(&views, &depths, &options, &Quiet).unwrap());
    for (p, n) in mesh.positions.iter().zip(&mesh.normals) {
        let (p, n) = (Vector3::from(*p), Vector3::from(*n));
        assert!((p.norm() - 1.0).abs() < 0.7 * options.voxel, "radius {}", p.norm());
        assert!(n.dot(&p.normalize()) > 0.9, "normal {n:?} at {p:?}");
    }
    let mean = mesh.positions.iter().map(|p| Vector3::from(*p).norm()).sum::<f32>() / mesh.positions.len() as f32;
    assert!((mean - 1.0).abs() < 0.1 * options.voxel, "mean radius {mean}");
    assert!(mesh.colors.iter().all(|c| *c == [200, 100, 50]));
    let expected = 4.0 / 3.0 * std::f64::consts::PI;
    assert!((volume(&mesh) / expected - 1.0).abs() < 0.015, "volume {}", volume(&mesh));
    let mut edges: HashMap<(u32, u32), i32> = HashMap::new();
    for t in &mesh.triangles {
        for (a, b) in [(t[0], t[1]), (t[1], t[2]), (t[2], t[0])] {
            *edges.entry((a.min(b), a.max(b))).or_default() += if a < b { 1 } else { -1 };
        }
    }
    // Closed and consistently wound: each edge is walked once in each direction.
    assert!(edges.values().all(|n| *n == 0));
}

#[test]
fn the_mesh_renders_back_to_the_depth_it_came_from() {
    let (cameras, image, depths) = fused();
    let views = views(&cameras, &image);
    let mesh = tsdf_mesh(&views, &depths, &TsdfOptions::for_scene(&views, &depths), &Quiet).unwrap();
    let rendered = render_mesh_depth(&mesh, &cameras[5]);
    let (mut both, mut close) = (0, 0);
    for (a, b) in rendered.data.iter().zip(&depths[5].data).filter(|(a, b)| **a > 0.0 && **b > 0.0) {
        both += 1;
        close += usize::from((a - b).abs() < 0.03);
    }
    let seen = depths[5].data.iter().filter(|d| **d > 0.0).count();
    assert!(both as f64 > 0.97 * seen as f64 && close as f64 > 0.97 * both as f64, "{seen} {both} {close}");
}

#[test]
fn small_clusters_and_empty_maps_give_no_surface() {
    let (cameras, image, _) = fused();
    let views = views(&cameras, &image);
    let options = TsdfOptions { voxel: 0.05, truncation: 0.2, max_depth: 10.0 };
    let empty = vec![DepthMap::unknown(160, 120); views.len()];
    assert_eq!(tsdf_mesh(&views, &empty, &options, &Quiet).unwrap(), TriMesh::default());
    assert!(TsdfOptions::for_scene(&views, &empty).voxel > 0.0);
    let mut speck = empty.clone();
    for y in 58..62 {
        for x in 78..82 {
            speck[0].data[y * 160 + x] = 2.0;
        }
    }
    assert!(tsdf_mesh(&views, &speck, &options, &Quiet).unwrap().triangles.is_empty());
    assert_eq!(fuse(&views, &empty, 1000), Default::default());
}

#[test]
fn the_cloud_lies_on_the_sphere_with_about_as_many_points_as_asked() {
    let (cameras, image, depths) = fused();
    let views = views(&cameras, &image);
    let cloud = fuse(&views, &depths, 3000);
    assert_eq!(cloud, fuse(&views, &depths, 3000));
    assert!((2500..3600).contains(&cloud.positions.len()), "{}", cloud.positions.len());
    for (p, n) in cloud.positions.iter().zip(&cloud.normals) {
        let (p, n) = (Vector3::from(*p), Vector3::from(*n));
        assert!((p.norm() - 1.0).abs() < 0.02 && n.dot(&p.normalize()) > 0.8, "{p:?} {n:?}");
    }
    // Spacing is that of a cover of the sphere: its square times the count is near the area.
    let cover: f32 = cloud.spacing.iter().map(|s| s * s).sum();
    assert!((5.0..25.0).contains(&cover), "{cover}");
}

#[test]
fn a_slanted_triangle_has_the_depth_of_its_plane() {
    let camera = Camera {
        intrinsics: Intrinsics { width: 64, height: 48, fx: 50.0, fy: 50.0, cx: 32.0, cy: 24.0 },
        c2w: Isometry3::identity(),
    };
    // z = 2 + 0.5 x: one corner lies behind the camera, so it is clipped too.
    let corner = |x: f32, y: f32| [x, y, 2.0 + 0.5 * x];
    let mesh = TriMesh {
        positions: vec![corner(-6.0, -9.0), corner(9.0, -9.0), corner(2.0, 12.0)],
        normals: vec![[0.0, 0.0, -1.0]; 3],
        colors: vec![[0; 3]; 3],
        triangles: vec![[0, 1, 2]],
    };
    let map = render_mesh_depth(&mesh, &camera);
    let mut known = 0;
    for y in 0..48u32 {
        for x in 0..64u32 {
            let ray = camera.intrinsics.ray(f64::from(x) + 0.5, f64::from(y) + 0.5);
            let z = 2.0 / (1.0 - 0.5 * ray.x);
            let d = f64::from(map.at(x.into(), y.into()));
            if d > 0.0 {
                known += 1;
                assert!((d - z).abs() < 1e-4 * z, "{x} {y}: {d} not {z}");
            }
        }
    }
    assert!(known > 1500, "{known}");
    let broken = TriMesh { triangles: vec![[0, 1, 7]], ..mesh };
    assert_eq!(render_mesh_depth(&broken, &camera).coverage(), 0.0);
}

#[test]
fn only_large_clusters_and_triangles_with_an_area_are_kept() {
    let mut mesh = TriMesh::default();
    // A strip of so many triangles, away from the others.
    let mut strip = |triangles: u32, at: f32| {
        let first = mesh.positions.len() as u32;
        for i in 0..triangles + 2 {
            mesh.positions.push([at, (i / 2) as f32, (i % 2) as f32]);
            mesh.normals.push([1.0, 0.0, 0.0]);
            mesh.colors.push([i as u8, 0, 0]);
        }
        mesh.triangles.extend((first..first + triangles).map(|i| [i, i + 1, i + 2]));
    };
    strip(140, 0.0);
    strip(30_000, 1.0);
    strip(160, 2.0);
    strip(20, 3.0);
    mesh.triangles.push([200, 201, 201]);
    let kept = without_small_clusters(&mesh);
    assert_eq!((kept.triangles.len(), kept.positions.len()), (30_160, 30_164));
    assert!(kept.positions.iter().all(|p| p[0] == 1.0 || p[0] == 2.0));
    assert!(kept.triangles.iter().all(|t| t.iter().all(|v| (*v as usize) < kept.positions.len())));
    // Alone, what is small is the largest.
    mesh.triangles.retain(|t| t[0] < 142);
    assert_eq!(without_small_clusters(&mesh).triangles.len(), 140);
}
