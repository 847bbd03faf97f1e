//! Driver for development: trains on a capture with noisy ground-truth depth.
use holoscope::scene::*;
use holoscope::splat::*;
use nalgebra::*;
use std::collections::BTreeMap;
fn arg(name: &str, default: f32) -> f32 {
    std::env::args().find_map(|a| a.strip_prefix(&format!("{name}=")).map(|v| v.parse().unwrap())).unwrap_or(default)
}
fn main() {
    let root = std::path::PathBuf::from(std::env::args().nth(1).unwrap());
    let half = arg("div", 2.0) as u32;
    let poses: serde_json::Value = serde_json::from_slice(&std::fs::read(root.join("poses.json")).unwrap()).unwrap();
    let f = |k: &str| poses[k].as_f64().unwrap();
    let mut k = Intrinsics { width: f("width") as u32, height: f("height") as u32, fx: f("fx"), fy: f("fy"), cx: f("cx"), cy: f("cy") };
    let (w, h) = (k.width / half, k.height / half);
    k = k.resized(w, h);
    let mut rng = fastrand::Rng::with_seed(1);
    let mut frames = vec![];
    for fr in poses["frames"].as_array().unwrap() {
        let stem = fr["file"].as_str().unwrap().trim_end_matches(".jpg").trim_end_matches(".png").to_string();
        let m = Matrix4::from_fn(|i, j| fr["c2w"][i][j].as_f64().unwrap());
        let r = Rotation3::from_matrix(&m.fixed_view::<3, 3>(0, 0).into_owned());
        let c2w = Isometry3::from_parts(Translation3::new(m[(0, 3)], m[(1, 3)], m[(2, 3)]), UnitQuaternion::from_rotation_matrix(&r));
        let p = ["jpg", "png"].iter().map(|e| root.join(format!("rgb/{stem}.{e}"))).find(|p| p.exists()).unwrap();
        let img = image::open(p).unwrap().to_rgb8();
        let img = if half > 1 { image::imageops::resize(&img, w, h, image::imageops::FilterType::Triangle) } else { img };
        let d = image::open(root.join(format!("depth/{stem}.png"))).unwrap().to_luma16();
        let mut gt = DepthMap::unknown(w, h);
        let mut noisy = DepthMap::unknown(w, h);
        // blocks of 8x8 dropped, correlated noise
        let (bw, bh) = (w / 8 + 1, h / 8 + 1);
        let blocks: Vec<(bool, f32)> = (0..bw * bh).map(|_| (rng.f32() < 0.3, (rng.f32() + rng.f32() + rng.f32() - 1.5) * 2.0)).collect();
        for y in 0..h { for x in 0..w {
            let v = d.get_pixel((x * d.width() + d.width() / 2) / w, (y * d.height() + d.height() / 2) / h).0[0] as f32 / 1000.0;
            let i = (y * w + x) as usize;
            gt.data[i] = v;
            let (drop, e) = blocks[(y / 8 * bw + x / 8) as usize];
            if !drop && v > 0.0 { noisy.data[i] = v * (1.0 + 0.007 * e + 0.014 * (rng.f32() + rng.f32() + rng.f32() - 1.5)); }
        }}
        frames.push((img, Camera { intrinsics: k, c2w }, gt, noisy));
    }
    let held = |i: usize| i % 8 == 4;
    // fuse on a voxel grid
    let voxel = arg("voxel", 0.03);
    let mut grid: BTreeMap<[i32; 3], ([f32; 3], [f32; 3], [f32; 3], f32)> = BTreeMap::new();
    for (i, (img, cam, _, noisy)) in frames.iter().enumerate() {
        if held(i) { continue; }
        for y in (2..h - 2).step_by(2) { for x in (2..w - 2).step_by(2) {
            let z = |dx: i64, dy: i64| noisy.at(x as i64 + dx, y as i64 + dy);
            if z(0, 0) <= 0.0 { continue; }
            let at = |dx: i64, dy: i64| cam.unproject((x as i64 + dx) as f64 + 0.5, (y as i64 + dy) as f64 + 0.5, z(dx, dy) as f64);
            let p = at(0, 0);
            let ok = [(2, 0), (-2, 0), (0, 2), (0, -2)].iter().all(|&(a, b)| z(a, b) > 0.0);
            let n = if ok { (at(0, 2) - at(0, -2)).cross(&(at(2, 0) - at(-2, 0))).try_normalize(1e-12).unwrap_or_default() } else { Vector3::zeros() };
            let key = [0, 1, 2].map(|k| (p[k] as f32 / voxel).floor() as i32);
            let e = grid.entry(key).or_default();
            for k in 0..3 { e.0[k] += p[k] as f32; e.1[k] += n[k] as f32; e.2[k] += img.get_pixel(x, y).0[k] as f32; }
            e.3 += 1.0;
        }}
    }
    let (mut pos, mut nor, mut col) = (vec![], vec![], vec![]);
    for (_, (p, n, c, m)) in grid {
        if m < arg("min", 3.0) { continue; }
        pos.push(p.map(|v| v / m)); col.push(c.map(|v| (v / m) as u8));
        nor.push(Vector3::from(n).try_normalize(0.3 * m).map_or([0.0; 3], Into::into));
    }
    let spacing = vec![voxel; pos.len()];
    let init = seed(&pos, &nor, &col, &spacing, 0);
    let conf: Vec<f32> = vec![1.0; (w * h) as usize];
    let views: Vec<TrainView> = frames.iter().enumerate().map(|(i, (img, c, _, n))| TrainView { image: img, camera: *c, depth: Some((n, &conf)), held_out: held(i) }).collect();
    let mut o = TrainOptions::for_scene(views.len(), (w * h) as usize);
    o.steps = arg("steps", o.steps as f32) as usize;
    o.max_gaussians = arg("max", o.max_gaussians as f32) as usize;
    o.sh_degree = arg("sh", o.sh_degree as f32) as usize;
    o.rates.position = arg("pos", o.rates.position);
    o.rates.scale = arg("scale", o.rates.scale);
    o.rates.opacity = arg("op", o.rates.opacity);
    o.rates.color = arg("col", o.rates.color);
    o.rates.rotation = arg("rot", o.rates.rotation);
    o.rates.color_rest = arg("rest", o.rates.color_rest);
    o.grow_gradient = arg("gg", o.grow_gradient);
    o.grow = arg("grow", o.grow);
    o.depth_weight = arg("dw", o.depth_weight);
    o.depth_weight_end = arg("dwe", o.depth_weight_end);
    o.flat_weight = arg("flat", o.flat_weight);
    o.prune_opacity = arg("prune", o.prune_opacity);
    o.densify_every = arg("every", o.densify_every as f32) as usize;
    let f1 = |g: &Gaussians, what: &str| {
        let (mut pv, mut gv, mut hit, mut hit2, mut hite) = (0, 0, 0, 0, 0);
        for (_, c, gt, _) in frames.iter().step_by(6) {
            let r = render(g, c);
            let (p, _) = Cpu.forward(g, 0, c);
            for i in 0..gt.data.len() {
                let t = gt.data[i];
                gv += (t > 0.0) as usize;
                if t > 0.0 && r.depth[i] > 0.0 { pv += 1; hit += ((r.depth[i] - t).abs() < 0.05) as usize; hit2 += ((r.depth[i] - t).abs() < 0.02) as usize; hite += ((p.depth[i] / p.alpha[i] - t).abs() < 0.05) as usize; }
            }
        }
        let f = |hit: usize| { let (p, r) = (hit as f32 / pv as f32, hit as f32 / gv as f32); 2.0 * p * r / (p + r) };
        println!("{what} F1@5cm median {:.4} expected {:.4}  F1@2cm {:.4}", f(hit), f(hite), f(hit2));
    };
    let (mut pv, mut gv, mut hit) = (0, 0, 0);
    for (_, _, gt, n) in &frames { for i in 0..gt.data.len() { let t = gt.data[i]; gv += (t > 0.0) as usize; if t > 0.0 && n.data[i] > 0.0 { pv += 1; hit += ((n.data[i] - t).abs() < 0.05) as usize; } } }
    println!("noisy input: precision {:.3} recall {:.3}", hit as f32 / pv as f32, hit as f32 / gv as f32);
    println!("{} seeds, {} views {}x{}, {:?}", init.len(), views.len(), w, h, (o.steps, o.max_gaussians));
    let cpu = || { let s = std::fs::read_to_string("/proc/self/stat").unwrap(); let v: Vec<&str> = s.rsplit(')').next().unwrap().split_whitespace().collect(); v[11].parse::<f64>().unwrap() / 100.0 + v[12].parse::<f64>().unwrap() / 100.0 };
    let mut t = Trainer::new(&views, init, o);
    if arg("eval", 1.0) > 0.0 {
    println!("start held out {:?}", t.psnr_held_out());
    f1(&t.gaussians(), "seed");
    }
    let c0 = cpu();
    let every = arg("report", 300.0) as usize;
    let mut l = 0.0;
    while !t.finished() {
        let s = t.step();
        l += s.loss;
        if s.step % every == 0 || t.finished() { println!("{} loss {:.4} n {} cpu {:.1}", s.step, l / every as f32, t.gaussians().len(), cpu() - c0); l = 0.0; }
    }
    if arg("eval", 1.0) == 0.0 { return; }
    println!("held out {:?} train {:?} cpu {:.1}", t.psnr_held_out(), t.psnr_train(), cpu() - c0);
    f1(&t.gaussians(), "trained");
    write_ply(std::path::Path::new("/tmp/dev_splat.ply"), &t.gaussians()).unwrap();
    let r = render(&t.gaussians(), &views[4].camera);
    let b: Vec<u8> = r.rgb.iter().flatten().map(|v| (v * 255.0) as u8).collect();
    image::RgbImage::from_raw(w, h, b).unwrap().save("/tmp/dev_splat.png").unwrap();
}
