//! How good the review desk's help with boxes and masks is, on a finished scene with ground truth.
//!
//! usage: cargo bench --bench edit -- SCENE TRUTH
//! TRUTH    a folder with boxes.json, poses.json and instance/
//! Prints, for halves of the instances by their ids, the mean IoU with the true boxes before and after "Fit to points": of
//! the boxes as found, and of boxes that are off (centre by 10 cm, sides by up to 30 %, yaw by 15 degrees), of found ones
//! and of true ones; beside it the same of the masks alone and of the splats in the box. Then the IoU with the true masks
//! of what a click on each object finds, in the photo that shows most of it: a mask of the scene, and a region grown.

use anyhow::{Context, Result};
use holoscope::eval::{Found, Outcome, true_objects};
use holoscope::instances::{Refit, Shot};
use holoscope::perception::View;
use holoscope::perception::grow::Ground;
use holoscope::review::{edit, masks};
use holoscope::scene::folder::SceneFolder;
use holoscope::scene::{Camera, FrameMasks, Gaussians, Instance, OrientedBox, Quiet};
use image::{ImageBuffer, Luma};
use nalgebra::{Point3, Vector3};
use std::collections::BTreeMap;
use std::path::Path;

/// Most photos of an instance, as in the window.
const SHOTS: usize = 24;
/// Pixels of an object in its best photo below which it is not clicked.
const LEAST: usize = 400;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let [scene, truth] = args.as_slice() else {
        println!("nothing to measure: cargo bench --bench edit -- SCENE TRUTH");
        return Ok(());
    };
    let scene = Scene::open(Path::new(scene))?;
    boxes(&scene, Path::new(truth))?;
    clicks(&scene, Path::new(truth))
}

struct Scene {
    folder: SceneFolder,
    images: Vec<String>,
    stems: Vec<String>,
    cameras: Vec<Option<Camera>>,
    masks: Vec<FrameMasks>,
    instances: Vec<Instance>,
}

impl Scene {
    fn open(root: &Path) -> Result<Self> {
        let folder = SceneFolder::open(root)?;
        let images = folder.read_meta()?.images;
        let cameras = folder.read_sparse(&images)?.cameras;
        let stem = |n: &String| Path::new(n).file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let stems: Vec<String> = images.iter().map(stem).collect();
        let masks = stems.iter().map(|s| folder.read_masks(s)).collect::<Result<Vec<_>, _>>()?;
        let instances = folder.read_instances()?.instances;
        Ok(Self { folder, images, stems, cameras, masks, instances })
    }

    fn shots(&self, instance: &Instance) -> Result<Vec<Shot>> {
        let mut views: Vec<_> = instance.views.iter().collect();
        views.sort_by(|a, b| (b.mask_score * b.visible_fraction).total_cmp(&(a.mask_score * a.visible_fraction)));
        let mut out = Vec::new();
        for v in views.into_iter().take(SHOTS) {
            let k = self.stems.iter().position(|s| *s == v.image).context("a view without a photo")?;
            let Some(camera) = self.cameras[k] else { continue };
            out.push(Shot { camera, depth: self.folder.read_depth(&v.image)?, masks: self.masks[k].clone() });
        }
        Ok(out)
    }
}

fn disturbed(b: &OrientedBox, rng: &mut fastrand::Rng) -> OrientedBox {
    let way = Vector3::from_fn(|_, _| rng.f64() - 0.5).normalize();
    let size = b.size.map(|s| s * (0.7 + 0.6 * rng.f64()));
    let turn = if rng.bool() { 15f64 } else { -15.0 };
    let out = edit::turned(b, &Vector3::z_axis(), turn.to_radians());
    OrientedBox { center: b.center + way * 0.1, size, ..out }
}

fn by_splats(cloud: &Gaussians, start: &OrientedBox) -> Option<OrientedBox> {
    let grown = OrientedBox { size: start.size.map(|s| 1.1 * s + 0.02), ..*start };
    let opaque = (0..cloud.len()).filter(|i| cloud.opacity_logits[*i] > -1.1);
    let points = opaque.map(|i| Point3::from(cloud.means[i]).cast());
    let inside: Vec<Point3<f64>> = points.filter(|p| grown.contains(p, 0.0) && p.z > 0.02).collect();
    edit::fitted(&inside, edit::yaw_pitch_roll(start)[0])
}

fn boxes(scene: &Scene, truth: &Path) -> Result<()> {
    let objects = true_objects(&scene.folder, truth, &Quiet)?;
    let found = scene.instances.iter().map(|i| Found { id: i.id, label: &i.label, score: i.score, obb: i.obb });
    let matching = objects.matched(found, 0.1, false);
    let cloud = holoscope::splat::read(&scene.folder.splat_path())?;
    let mut rng = fastrand::Rng::with_seed(5);
    // By half, then start, then before, fit, masks alone, splats.
    let mut sums = [[[0.0; 4]; 3]; 2];
    let mut n = [0usize; 2];
    for instance in &scene.instances {
        let Some(Outcome::Right(k)) = matching.outcomes.get(&instance.id).copied() else { continue };
        let want = objects.objects[k].obb;
        let half = (instance.id % 2) as usize;
        n[half] += 1;
        let refit = Refit::of(&scene.shots(instance)?, &[instance.id], 1.0);
        let starts = [instance.obb, disturbed(&instance.obb, &mut rng), disturbed(&want, &mut rng)];
        for (sum, start) in sums[half].iter_mut().zip(&starts) {
            let fit = refit.as_ref().and_then(|r| r.fit(start));
            let alone = refit.as_ref().and_then(Refit::by_masks);
            let all = [Some(*start), fit, alone, by_splats(&cloud, start)];
            for (s, b) in sum.iter_mut().zip(all) {
                *s += b.unwrap_or(*start).iou(&want);
            }
        }
    }
    println!("| half | boxes | of | before | fit | masks alone | splats |\n|---|---|---|---|---|---|---|");
    for half in 0..2 {
        for (sum, of) in sums[half].iter().zip(["as found", "found, disturbed", "true, disturbed"]) {
            let [before, fit, alone, splats] = sum.map(|s| s / n[half].max(1) as f64);
            println!("| {half} | {} | {of} | {before:.3} | {fit:.3} | {alone:.3} | {splats:.3} |", n[half]);
        }
    }
    Ok(())
}

type Ids = ImageBuffer<Luma<u16>, Vec<u16>>;

/// By object, the photo that shows most of it.
fn best_photos(maps: &[Ids]) -> BTreeMap<u16, (usize, usize)> {
    let mut best: BTreeMap<u16, (usize, usize)> = BTreeMap::new();
    for (k, map) in maps.iter().enumerate() {
        let mut area: BTreeMap<u16, usize> = BTreeMap::new();
        map.pixels().for_each(|p| *area.entry(p.0[0]).or_default() += 1);
        for (id, a) in area {
            let e = best.entry(id).or_default();
            *e = if a > e.1 { (k, a) } else { *e };
        }
    }
    best
}

/// The pixel of a mask that is farthest from its edge, in city blocks.
fn deepest(bits: &[bool], w: usize) -> usize {
    let h = bits.len() / w;
    let mut d: Vec<usize> = bits.iter().map(|b| if *b { usize::MAX / 2 } else { 0 }).collect();
    for i in 0..d.len() {
        let (left, up) = (if i % w == 0 { 0 } else { d[i - 1] }, if i < w { 0 } else { d[i - w] });
        d[i] = d[i].min(left.min(up) + 1);
    }
    for i in (0..d.len()).rev() {
        let (right, down) = (if i % w == w - 1 { 0 } else { d[i + 1] }, if i / w == h - 1 { 0 } else { d[i + w] });
        d[i] = d[i].min(right.min(down) + 1);
    }
    (0..d.len()).max_by_key(|i| (d[*i], std::cmp::Reverse(*i))).unwrap_or(0)
}

fn iou(a: &[bool], b: &[bool]) -> f64 {
    let count = |f: fn(bool, bool) -> bool| a.iter().zip(b).filter(|(a, b)| f(**a, **b)).count() as f64;
    count(|a, b| a && b) / count(|a, b| a || b).max(1.0)
}

fn clicks(scene: &Scene, truth: &Path) -> Result<()> {
    let boxes: serde_json::Value = serde_json::from_slice(&std::fs::read(truth.join("boxes.json"))?)?;
    let map = |s: &String| Ok(image::open(truth.join("instance").join(format!("{s}.png")))?.into_luma16());
    let maps = scene.stems.iter().map(map).collect::<Result<Vec<Ids>>>()?;
    let best = best_photos(&maps);
    let (mut of_scene, mut grown) = (Vec::new(), Vec::new());
    println!("\n| object | photo | mask of the scene | region grown |\n|---|---|---|---|");
    for b in boxes.as_array().context("boxes.json is not a list")? {
        let id = b["id"].as_u64().and_then(|i| u16::try_from(i).ok()).context("an object has no id")?;
        let Some((k, _)) = best.get(&id).copied().filter(|b| b.1 >= LEAST) else { continue };
        let Some(camera) = scene.cameras[k].filter(|_| b["structural"] != true) else { continue };
        let bits: Vec<bool> = maps[k].pixels().map(|p| p.0[0] == id).collect();
        let w = maps[k].width() as usize;
        let at = deepest(&bits, w);
        let there = masks::under(&scene.masks[k], [(at % w) as u32, (at / w) as u32], |_| true);
        of_scene.push(there.map_or(0.0, |m| iou(&m.decode(), &bits)));
        let depth = scene.folder.read_depth(&scene.stems[k])?;
        let image = image::open(scene.folder.image_path(&scene.images[k]))?.into_rgb8();
        let ground = Ground::of(&View { name: "", stem: "", image: &image, camera, depth: &depth });
        let region = ground.grow([(at % w) as f64 + 0.5, (at / w) as f64 + 0.5], 1.0);
        grown.push(region.map_or(0.0, |m| iou(&m.decode(), &bits)));
        let (a, g) = (of_scene[of_scene.len() - 1], grown[grown.len() - 1]);
        println!("| {} {id} | {} | {a:.2} | {g:.2} |", b["label"].as_str().unwrap_or_default(), scene.stems[k]);
    }
    for (name, all) in [("mask of the scene", of_scene), ("region grown", grown)] {
        let n = all.len().max(1) as f64;
        let good = all.iter().filter(|i| **i >= 0.5).count();
        println!("{name}: mean {:.3}, at least 0.5 in {good} of {}", all.iter().sum::<f64>() / n, all.len());
    }
    Ok(())
}
