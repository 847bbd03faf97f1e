//! How small the splats of finished scenes become in each format, and what that costs in their pictures.
//!
//! usage: cargo bench --bench splat_formats -- SCENE...
//! Prints a Markdown table: bytes a Gaussian, their part of the PLY's, PSNR of the pictures against those of the PLY, and
//! PSNR against the photos with what is lost of it. At most 24 frames, evenly chosen, at most every other; SPZ is fitted
//! to the views of the others.

use anyhow::{Context, Result, bail};
use holoscope::scene::folder::SceneFolder;
use holoscope::scene::{Camera, Gaussians};
use holoscope::splat::{self, SplatFormat};
use std::path::Path;

/// Pictures that are drawn of a scene.
const PICTURES: usize = 24;

type Pixels = Vec<[f32; 3]>;

fn main() -> Result<()> {
    let scenes: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    if scenes.is_empty() {
        println!("no scene given: cargo bench --bench splat_formats -- SCENE...");
        return Ok(());
    }
    println!("| scene | Gaussians | format | bytes each | of PLY | PSNR to PLY's picture | to photos | lost |");
    println!("|---|---|---|---|---|---|---|---|");
    scenes.iter().try_for_each(|s| measure(Path::new(s)))
}

fn measure(root: &Path) -> Result<()> {
    let folder = SceneFolder::open(root)?;
    let names = folder.read_meta()?.images;
    let cameras = folder.read_sparse(&names)?.cameras;
    let registered: Vec<(&String, Camera)> = names.iter().zip(cameras).filter_map(|(n, c)| Some((n, c?))).collect();
    let chosen: Vec<_> = registered.iter().step_by(registered.len().div_ceil(PICTURES).max(2)).collect();
    // Those that are not looked at here: what is lost in them is not what the files were fitted to.
    let every = registered.len().div_ceil(PICTURES).max(2);
    let informing: Vec<Camera> =
        registered.iter().enumerate().filter(|(i, _)| i % every != 0).map(|(_, (_, camera))| *camera).collect();
    let photos = chosen.iter().map(|(name, camera)| photo(&folder.image_path(name), camera));
    let photos: Vec<Pixels> = photos.collect::<Result<_>>()?;
    let draw = |g: &Gaussians| -> Vec<Pixels> { chosen.iter().map(|(_, c)| splat::render(g, c).rgb).collect() };
    let g = splat::read_ply(&folder.splat_path())?;
    let original = draw(&g);
    let before = mean(&original, &photos);
    let ply = std::fs::metadata(folder.splat_path())?.len() as f64 / g.len() as f64;
    let scene = root.file_name().unwrap_or_default().to_string_lossy();
    println!("| {scene} | {} | splat.ply | {ply:.1} | 1 | | {before:.2} | |", g.len());
    let dir = tempfile::tempdir()?;
    for format in [SplatFormat::Ply, SplatFormat::CompressedPly, SplatFormat::Spz3, SplatFormat::Spz4] {
        let path = dir.path().join(format.file_name());
        splat::write(&path, &g, format, &informing)?;
        let back = splat::read(&path)?;
        let each = std::fs::metadata(&path)?.len() as f64 / back.len() as f64;
        let pictures = draw(&back);
        let (same, after) = (mean(&pictures, &original), mean(&pictures, &photos));
        println!(
            "| {scene} | {} | {format:?} | {each:.2} | 1/{:.2} | {same:.2} | {after:.2} | {:.3} dB |",
            back.len(),
            ply / each,
            before - after
        );
    }
    Ok(())
}

fn photo(path: &Path, camera: &Camera) -> Result<Pixels> {
    let image = image::open(path).with_context(|| path.display().to_string())?.to_rgb8();
    let k = camera.intrinsics;
    if image.dimensions() != (k.width, k.height) {
        bail!("{} is not of its camera's {} x {} pixels", path.display(), k.width, k.height);
    }
    Ok(image.pixels().map(|p| p.0.map(|v| f32::from(v) / 255.0)).collect())
}

/// Mean PSNR over pictures, dB; equal pictures count as 100.
fn mean(a: &[Pixels], b: &[Pixels]) -> f64 {
    let each = a.iter().zip(b).map(|(a, b)| f64::from(splat::psnr(a, b).min(100.0)));
    each.sum::<f64>() / a.len().max(1) as f64
}
