use holoscope::geometry::dense::{View, dense_depth};
use holoscope::scene::*;
use nalgebra::*;
use std::time::Instant;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let (name, every, part): (&str, usize, usize) = (&a[1], a[2].parse().unwrap(), a.get(3).map_or(0, |v| v.parse().unwrap()));
    let root = format!("/work/shared/data/{name}");
    let j: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(format!("{root}/poses.json")).unwrap()).unwrap();
    let f = |k: &str| j[k].as_f64().unwrap();
    let k = Intrinsics { width: f("width") as u32, height: f("height") as u32, fx: f("fx"), fy: f("fy"), cx: f("cx"), cy: f("cy") };
    let mut stems = vec![]; let mut cams = vec![]; let mut imgs = vec![]; let mut gts: Vec<DepthMap> = vec![];
    let frames = j["frames"].as_array().unwrap();
    let n = if part > 0 { part } else { frames.len() };
    for fr in frames.iter().take(n * every).step_by(every) {
        let s = fr["file"].as_str().unwrap().to_string();
        let m = Matrix4::from_fn(|r, c| fr["c2w"][r][c].as_f64().unwrap());
        let rot = UnitQuaternion::from_rotation_matrix(&Rotation3::from_matrix(&m.fixed_view::<3, 3>(0, 0).into_owned()));
        cams.push(Camera { intrinsics: k, c2w: Isometry3::from_parts(Translation3::new(m[(0, 3)], m[(1, 3)], m[(2, 3)]), rot) });
        imgs.push(image::open(format!("{root}/rgb/{s}.jpg")).unwrap().to_rgb8());
        let d = image::open(format!("{root}/depth/{s}.png")).unwrap().to_luma16();
        gts.push(DepthMap { width: d.width(), height: d.height(), data: d.pixels().map(|p| f32::from(p.0[0]) / 1000.0).collect() });
        stems.push(s);
    }
    let mut rng = fastrand::Rng::with_seed(1);
    let mut pts = vec![];
    for _ in 0..2500 * stems.len() / 48 {
        let i = rng.usize(..stems.len());
        let (x, y) = (rng.u32(5..k.width - 5), rng.u32(5..k.height - 5));
        // textured pixels only
        let g = |x: u32, y: u32| imgs[i].get_pixel(x, y).0.map(i32::from)[1];
        if (g(x + 2, y) - g(x - 2, y)).abs() + (g(x, y + 2) - g(x, y - 2)).abs() < 25 { continue; }
        let d = gts[i].at(x as i64, y as i64);
        if d <= 0.0 { continue; }
        let p = cams[i].unproject(x as f64 + 0.5, y as f64 + 0.5, d as f64);
        let mut track = vec![];
        for (c, cam) in cams.iter().enumerate() {
            if let Some((u, v, z)) = cam.project(&p) {
                let g = gts[c].at(u.floor() as i64, v.floor() as i64);
                if g > 0.0 && ((g as f64) / z - 1.0).abs() < 0.01 { track.push((c, [u as f32, v as f32])); }
            }
        }
        if track.len() >= 2 { pts.push(SparsePoint { position: p, color: [128; 3], track, error: 0.5 }); }
    }
    println!("{} views {} points", cams.len(), pts.len());
    let views: Vec<View> = imgs.iter().zip(&cams).map(|(image, camera)| View { image, camera: *camera }).collect();
    let t = Instant::now();
    let out = dense_depth(&views, &pts, 7, &Quiet).unwrap();
    println!("dense wall {:.1}", t.elapsed().as_secs_f32());
    let score = |least: f32| {
        for tau in [0.02f32, 0.05, 0.10] {
            let (mut pv, mut gv, mut hit) = (0usize, 0usize, 0usize);
            for (o, g) in out.iter().zip(&gts) {
                for i in 0..g.data.len() {
                    let gt = g.data[i] > 0.0; gv += gt as usize;
                    if gt && o.depth.data[i] > 0.0 && o.confidence[i] > least { pv += 1; hit += ((o.depth.data[i] - g.data[i]).abs() < tau) as usize; }
                }
            }
            let (p, r) = (hit as f64 / pv.max(1) as f64, hit as f64 / gv as f64);
            println!("conf>{least} tau {tau}: P {p:.4} R {r:.4} F1 {:.4}", 2.0 * p * r / (p + r));
        }
    };
    let mut rel: Vec<f32> = vec![];
    for (o, g) in out.iter().zip(&gts) { for i in 0..g.data.len() { if g.data[i] > 0.0 && o.confidence[i] > 0.5 { rel.push((o.depth.data[i] - g.data[i]) / g.data[i]); } } }
    rel.sort_by(f32::total_cmp);
    for q in [0.05, 0.25, 0.5, 0.75, 0.95] { print!("rel err q{q}: {:.4}  ", rel[((rel.len() - 1) as f32 * q) as usize]); } println!();
    score(0.5); score(0.0);
    let ds: Vec<DepthMap> = out.iter().map(|o| o.depth.clone()).collect();
    let t = Instant::now();
    let o = holoscope::geometry::tsdf::TsdfOptions::for_scene(&views, &ds);
    let mesh = holoscope::geometry::tsdf::tsdf_mesh(&views, &ds, &o, &Quiet).unwrap();
    println!("tsdf {o:?} {} tris {:.1} s", mesh.triangles.len(), t.elapsed().as_secs_f32());
    let t = Instant::now();
    let r: Vec<DepthMap> = cams.iter().map(|c| holoscope::geometry::raster::render_mesh_depth(&mesh, c)).collect();
    let (mut pv, mut gv, mut hit) = (0usize, 0usize, 0usize);
    for (o, g) in r.iter().zip(&gts) { for i in 0..g.data.len() { if g.data[i] > 0.0 { gv += 1; if o.data[i] > 0.0 { pv += 1; hit += ((o.data[i] - g.data[i]).abs() < 0.05) as usize; } } } }
    let (p, rr) = (hit as f64 / pv.max(1) as f64, hit as f64 / gv as f64);
    println!("mesh depth 5cm P {p:.4} R {rr:.4} F1 {:.4}, {:.1} s", 2.0 * p * rr / (p + rr), t.elapsed().as_secs_f32());
    let t = Instant::now();
    let c = holoscope::geometry::fusion::fuse(&views, &ds, 100_000);
    println!("fused {} in {:.1} s", c.positions.len(), t.elapsed().as_secs_f32());
    std::fs::create_dir_all("/tmp/densedev").unwrap();
    for q in 0..4 {
        let i = (stems.len() - 1) * q / 3;
        let (w, h) = (k.width, k.height);
        let mut im = image::RgbImage::new(w * 2, h * 2);
        for y in 0..h { for x in 0..w {
            let p = (y * w + x) as usize;
            let col = |d: f32| if d <= 0.0 { [0, 0, 0] } else { let t = (1.0 / d * 2.0).min(1.0); [(t * 255.0) as u8, ((1.0 - (2.0 * t - 1.0).abs()) * 255.0) as u8, ((1.0 - t) * 255.0) as u8] };
            im.put_pixel(x, y, *imgs[i].get_pixel(x, y));
            im.put_pixel(x + w, y, image::Rgb(col(out[i].depth.data[p])));
            im.put_pixel(x, y + h, image::Rgb(col(gts[i].data[p])));
            let (g, o) = (gts[i].data[p], out[i].depth.data[p]);
            let e = if g <= 0.0 { if o > 0.0 { [60, 60, 60] } else { [30, 30, 30] } } else if o <= 0.0 { [0, 0, 255] } else if (o - g).abs() < 0.05 { if out[i].confidence[p] > 0.5 { [0, 200, 0] } else { [120, 255, 120] } } else if out[i].confidence[p] > 0.5 { [255, 0, 0] } else { [255, 150, 0] };
            im.put_pixel(x + w, y + h, image::Rgb(e));
        } }
        im.save(format!("/tmp/densedev/{name}_{q}.png")).unwrap();
    }
}
