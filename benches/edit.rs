//! How good the review desk's help with boxes and masks is, on a finished scene with ground truth.
//!
//! usage: cargo bench --bench edit -- [--clicks] [--true-depth] SCENE TRUTH [SCENE TRUTH]...
//! TRUTH         a folder with boxes.json, poses.json and instance/
//! --clicks      only the masks of prompts, not the boxes
//! --true-depth  masks from TRUTH/depth instead of the depth of the scene
//! Prints, for halves of the instances by their ids, the mean IoU with the true boxes before and after "Fit to points": of
//! the boxes as found, and of boxes that are off (centre by 10 cm, sides by up to 30 %, yaw by 15 degrees), of found ones
//! and of true ones; beside it the same of the masks alone and of the splats in the box. Then the IoU with the true masks
//! of what prompts find of each object, in the photo that shows most of it: the mask of the scene under a click, a click, the
//! same with a second click that is not of it (on the pixel farthest inside of what was wrong), the rectangle around the
//! true mask, and one with each side off by up to 5 % of the rectangle; and how long they took.

use anyhow::{Context, Result};
use holoscope::eval::{Found, Outcome, true_objects};
use holoscope::instances::{Refit, Shot};
use holoscope::perception::View;
use holoscope::perception::cut::Cutter;
use holoscope::perception::prompt::{PreparedPhoto, Prompt, PromptSegmenter};
use holoscope::review::{edit, masks};
use holoscope::scene::folder::{SceneFolder, read_depth_png};
use holoscope::scene::{Camera, FrameMasks, Gaussians, Instance, OrientedBox, Quiet, Rle};
use image::{ImageBuffer, Luma};
use nalgebra::{Point3, Vector3};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

/// Most photos of an instance, as in the window.
const SHOTS: usize = 24;
/// Pixels of an object in its best photo below which it is not clicked.
const LEAST: usize = 400;

/// A second click takes away what is wrong, where that is at least one part in so many of the object.
const WRONG: usize = 10;

fn main() -> Result<()> {
    let all: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| all.iter().any(|a| a == name);
    let folders: Vec<&Path> = all.iter().filter(|a| !a.starts_with("--")).map(Path::new).collect();
    if folders.is_empty() || folders.len() % 2 == 1 {
        println!("nothing to measure: cargo bench --bench edit -- SCENE TRUTH");
        return Ok(());
    }
    let mut sums = Sums::default();
    for pair in folders.chunks(2) {
        let scene = Scene::open(pair[0])?;
        if !has("--clicks") {
            boxes(&scene, pair[1])?;
        }
        let own = clicks(&scene, pair[1], has("--true-depth"))?;
        own.print(&pair[0].display().to_string());
        sums.take(own);
    }
    if folders.len() > 2 {
        sums.print("all");
    }
    Ok(())
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

/// What is measured of masks.
const KINDS: [&str; 5] =
    ["mask of the scene", "click", "click and negative click", "rectangle", "rectangle off by 5 %"];

/// IoU by kind, and seconds of preparing, of first and of later masks.
#[derive(Default)]
struct Sums {
    ious: [Vec<f64>; 5],
    seconds: [Vec<f64>; 3],
}

impl Sums {
    fn take(&mut self, other: Self) {
        self.ious.iter_mut().zip(other.ious).for_each(|(a, b)| a.extend(b));
        self.seconds.iter_mut().zip(other.seconds).for_each(|(a, b)| a.extend(b));
    }

    fn print(&self, name: &str) {
        println!("{name}:");
        let mean = |all: &[f64]| all.iter().sum::<f64>() / all.len().max(1) as f64;
        for (kind, all) in KINDS.iter().zip(&self.ious) {
            let good = all.iter().filter(|i| **i >= 0.5).count();
            println!("  {kind}: mean {:.3}, at least 0.5 in {good} of {}", mean(all), all.len());
        }
        for (what, all) in ["a photo made ready", "a click", "a rectangle"].iter().zip(&self.seconds) {
            let most = all.iter().fold(0.0f64, |a, b| a.max(*b));
            println!("  {what}: mean {:.1} ms, most {:.1} ms", 1e3 * mean(all), 1e3 * most);
        }
    }
}

/// The answer to a prompt as pixels, all false where there is none, and the seconds it took.
fn answer(photo: &dyn PreparedPhoto, prompt: &Prompt, pixels: usize) -> Result<(Vec<bool>, f64)> {
    let start = Instant::now();
    let found = photo.mask(prompt)?;
    let seconds = start.elapsed().as_secs_f64();
    Ok((found.map_or_else(|| vec![false; pixels], |m| m.mask.decode()), seconds))
}

fn clicks(scene: &Scene, truth: &Path, true_depth: bool) -> Result<Sums> {
    let boxes: serde_json::Value = serde_json::from_slice(&std::fs::read(truth.join("boxes.json"))?)?;
    let map = |s: &String| Ok(image::open(truth.join("instance").join(format!("{s}.png")))?.into_luma16());
    let maps = scene.stems.iter().map(map).collect::<Result<Vec<Ids>>>()?;
    let best = best_photos(&maps);
    let (mut sums, mut rng) = (Sums::default(), fastrand::Rng::with_seed(9));
    println!("\n| object | photo | {} |\n|---|---|---|---|---|---|---|", KINDS.join(" | "));
    for b in boxes.as_array().context("boxes.json is not a list")? {
        let id = b["id"].as_u64().and_then(|i| u16::try_from(i).ok()).context("an object has no id")?;
        let Some((k, _)) = best.get(&id).copied().filter(|b| b.1 >= LEAST) else { continue };
        let Some(camera) = scene.cameras[k].filter(|_| b["structural"] != true) else { continue };
        let bits: Vec<bool> = maps[k].pixels().map(|p| p.0[0] == id).collect();
        let depth = match true_depth {
            true => read_depth_png(&truth.join("depth").join(format!("{}.png", scene.stems[k])))?,
            false => scene.folder.read_depth(&scene.stems[k])?,
        };
        let image = image::open(scene.folder.image_path(&scene.images[k]))?.into_rgb8();
        let start = Instant::now();
        let photo = Cutter.prepare(&View { name: "", stem: "", image: &image, camera, depth: &depth })?;
        sums.seconds[0].push(start.elapsed().as_secs_f64());
        let ious = prompted(scene, k, &*photo, &bits, maps[k].width(), (&mut sums, &mut rng))?;
        let words: Vec<String> = ious.iter().map(|i| format!("{i:.2}")).collect();
        let label = b["label"].as_str().unwrap_or_default();
        println!("| {label} {id} | {} | {} |", scene.stems[k], words.join(" | "));
    }
    Ok(sums)
}

/// IoU of all kinds of prompts for one object, of which `bits` are the true pixels.
fn prompted(
    scene: &Scene,
    k: usize,
    photo: &dyn PreparedPhoto,
    bits: &[bool],
    width: u32,
    (sums, rng): (&mut Sums, &mut fastrand::Rng),
) -> Result<[f64; 5]> {
    let w = width as usize;
    let center = |at: usize| [(at % w) as f64 + 0.5, (at / w) as f64 + 0.5];
    let at = deepest(bits, w);
    let there = masks::under(&scene.masks[k], [(at % w) as u32, (at / w) as u32], |_| true);
    let mut prompt = Prompt { points: vec![(center(at), true)], rectangle: None };
    let (clicked, seconds) = answer(photo, &prompt, bits.len())?;
    sums.seconds[1].push(seconds);
    let wrong: Vec<bool> = clicked.iter().zip(bits).map(|(found, real)| *found && !real).collect();
    // Nobody clicks away what is hardly wrong.
    let size = |bits: &[bool]| bits.iter().filter(|b| **b).count();
    let again = if WRONG * size(&wrong) >= size(bits) {
        prompt.points.push((center(deepest(&wrong, w)), false));
        answer(photo, &prompt, bits.len())?.0
    } else {
        clicked.clone()
    };
    let bounds = Rle::encode(width, (bits.len() / w) as u32, bits).bounds().context("an object has no pixels")?;
    let exact = bounds.map(f64::from);
    let sides = [exact[2] - exact[0], exact[3] - exact[1]];
    let off: [f64; 4] = std::array::from_fn(|q| exact[q] + sides[q % 2] * 0.05 * (2.0 * rng.f64() - 1.0));
    let mut of_rectangle = |r: [f64; 4]| {
        let (found, seconds) = answer(photo, &Prompt { points: Vec::new(), rectangle: Some(r) }, bits.len())?;
        sums.seconds[2].push(seconds);
        Ok::<f64, anyhow::Error>(iou(&found, bits))
    };
    let [exact, off] = [of_rectangle(exact)?, of_rectangle(off)?];
    let out = [there.map_or(0.0, |m| iou(&m.decode(), bits)), iou(&clicked, bits), iou(&again, bits), exact, off];
    sums.ious.iter_mut().zip(out).for_each(|(all, i)| all.push(i));
    Ok(out)
}
