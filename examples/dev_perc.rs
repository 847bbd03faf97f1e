//! Dev driver: dev_perc DATA OUT geo|sam [exact]
use holoscope::geometry::gravity::{estimate_metre, find_gravity};
use holoscope::instances;
use holoscope::perception::{View, cloud::Cloud, files, geometric};
use holoscope::scene::*;
use std::path::Path;
use std::time::Instant;

fn degrade(d: &mut DepthMap, rng: &mut fastrand::Rng) {
    let src = d.clone();
    for y in 0..d.height as i64 {
        for x in 0..d.width as i64 {
            let (mut s, mut n) = (0.0, 0.0);
            for (dy, dx) in (-1..=1).flat_map(|a| (-1..=1).map(move |b| (a, b))) {
                let v = src.at(x + dx, y + dy);
                if v > 0.0 {
                    s += v;
                    n += 1.0;
                }
            }
            let g: f32 = (0..12).map(|_| rng.f32()).sum::<f32>() - 6.0;
            let z = if n > 0.0 { s / n * (1.0 + 0.01 * g) } else { 0.0 };
            d.data[(y * d.width as i64 + x) as usize] = if rng.f32() < 0.2 { 0.0 } else { z };
        }
    }
}

fn main() {
    let a: Vec<String> = std::env::args().collect();
    let (data, out, mode) = (Path::new(&a[1]), Path::new(&a[2]), a[3].as_str());
    let p: serde_json::Value = serde_json::from_slice(&std::fs::read(data.join("poses.json")).unwrap()).unwrap();
    let g = |k: &str| p[k].as_f64().unwrap();
    let k = Intrinsics {
        width: g("width") as u32,
        height: g("height") as u32,
        fx: g("fx"),
        fy: g("fy"),
        cx: g("cx"),
        cy: g("cy"),
    };
    let mut rng = fastrand::Rng::with_seed(5);
    let (mut stems, mut names, mut images, mut cams, mut depths) = (vec![], vec![], vec![], vec![], vec![]);
    for f in p["frames"].as_array().unwrap() {
        let stem = f["file"].as_str().unwrap().to_owned();
        let m = nalgebra::Matrix4::from_fn(|r, c| f["c2w"][r][c].as_f64().unwrap());
        let r = nalgebra::Rotation3::from_matrix(&m.fixed_view::<3, 3>(0, 0).into_owned());
        let c2w = nalgebra::Isometry3::from_parts(
            nalgebra::Translation3::new(m[(0, 3)], m[(1, 3)], m[(2, 3)]),
            nalgebra::UnitQuaternion::from_rotation_matrix(&r),
        );
        images.push(image::open(data.join(format!("rgb/{stem}.jpg"))).unwrap().to_rgb8());
        let d = image::open(data.join(format!("depth/{stem}.png"))).unwrap().to_luma16();
        let mut d = DepthMap {
            width: d.width(),
            height: d.height(),
            data: d.pixels().map(|p| f32::from(p.0[0]) / 1000.0).collect(),
        };
        if a.len() < 5 {
            degrade(&mut d, &mut rng);
        }
        depths.push(d);
        cams.push(Camera { intrinsics: k, c2w });
        names.push(format!("{stem}.jpg"));
        stems.push(stem);
    }
    let t = Instant::now();
    let mk = |cams: &[Camera]| -> Vec<(usize, Camera)> { cams.iter().copied().enumerate().collect() };
    let views = |c: &[Camera]| -> Vec<View<'_>> {
        mk(c)
            .into_iter()
            .map(|(i, camera)| View { name: &names[i], stem: &stems[i], image: &images[i], camera, depth: &depths[i] })
            .collect()
    };
    let mut v = views(&cams);
    let cloud = Cloud::fuse(&v, 1.0, &Quiet).unwrap();
    eprintln!("cloud {} voxels {:.2}s", cloud.len(), t.elapsed().as_secs_f64());
    let gr = find_gravity(&cloud.positions, &cloud.normals, &cams, 0).unwrap();
    let tilt = gr.up.angle(&nalgebra::Vector3::z()).to_degrees();
    eprintln!(
        "gravity tilt {tilt:.3} deg floor {:?} metre {:.3} {:.2}s",
        gr.floor_offset,
        estimate_metre(&cams, Some(&gr), 2.5),
        t.elapsed().as_secs_f64()
    );
    let mut cloud = cloud;
    let align = gr.world_alignment();
    if gr.floor_offset.unwrap_or(0.0).abs() > 0.1 || tilt > 0.5 {
        cams = cams.iter().map(|c| align.camera(c)).collect();
        v = views(&cams);
        cloud = Cloud::fuse(&v, 1.0, &Quiet).unwrap();
    }
    eprintln!("aligned {:.2}s", t.elapsed().as_secs_f64());
    let masks = if mode == "geo" {
        geometric::segment(&cloud, &v, 1.0, 0, &Quiet).unwrap()
    } else {
        let w: Vec<_> =
            v.iter().map(|v| files::Wanted { name: v.name, stem: v.stem, width: k.width, height: k.height }).collect();
        files::read(&data.join("sam3"), &w, &Quiet).unwrap()
    };
    eprintln!("masks {} {:.2}s", masks.iter().map(|m| m.masks.len()).sum::<usize>(), t.elapsed().as_secs_f64());
    let input = instances::Input { cloud: &cloud, views: &v, masks: &masks, metre: 1.0, metric: true };
    let built = instances::build(&input, &Quiet).unwrap();
    eprintln!("instances {} {:.2}s", built.instances.len(), t.elapsed().as_secs_f64());
    for i in &built.instances {
        let (c, s) = (i.obb.center, i.obb.size);
        println!(
            "{:3} {:.2} {:?} {:22} n{:2} c({:.2} {:.2} {:.2}) s({:.2} {:.2} {:.2}) {}",
            i.id,
            i.score,
            i.state,
            i.label,
            i.views.len(),
            c.x,
            c.y,
            c.z,
            s.x,
            s.y,
            s.z,
            i.caption
        );
    }
    std::fs::create_dir_all(out.join("sparse/0")).unwrap();
    std::fs::create_dir_all(out.join("masks")).unwrap();
    std::fs::write(
        out.join("sparse/0/cameras.txt"),
        format!("1 PINHOLE {} {} {} {} {} {}\n", k.width, k.height, k.fx, k.fy, k.cx, k.cy),
    )
    .unwrap();
    let mut text = String::new();
    for (i, c) in cams.iter().enumerate() {
        let w = c.w2c();
        let (q, t) = (w.rotation, w.translation);
        text += &format!("{} {} {} {} {} {} {} {} 1 {}\n\n", i + 1, q.w, q.i, q.j, q.k, t.x, t.y, t.z, names[i]);
    }
    std::fs::write(out.join("sparse/0/images.txt"), text).unwrap();
    std::fs::write(
        out.join("instances.json"),
        serde_json::to_vec(&Instances { version: 1, instances: built.instances }).unwrap(),
    )
    .unwrap();
    for (s, m) in stems.iter().zip(&built.masks) {
        std::fs::write(out.join(format!("masks/{s}.json")), serde_json::to_vec(m).unwrap()).unwrap();
    }
}
