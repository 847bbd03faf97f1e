//! PSNR of splats that any program trained, on photos of a COLMAP project, drawn by one renderer: so that programs can be
//! compared. The splats have to be in the frame of the project.
//!
//! usage: cargo bench --bench splat_psnr -- PROJECT EVERY SPLAT...
//! PROJECT  a folder with images/ and sparse/0, undistorted (PINHOLE)
//! EVERY    1: all photos; 8: the first of every eight, in the order of their names, as is usual for photos held out
//! Prints one line for each splat (PLY, compressed PLY or SPZ): its Gaussians, and the mean PSNR in dB.

use anyhow::{Context, Result, bail};
use holoscope::scene::folder::{ModelImage, read_model};
use holoscope::scene::{Camera, Lens};
use holoscope::splat;
use std::path::Path;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let [project, every, splats @ ..] = args.as_slice() else {
        println!("nothing to measure: cargo bench --bench splat_psnr -- PROJECT EVERY SPLAT...");
        return Ok(());
    };
    let every: usize = every.parse().with_context(|| format!("EVERY is {every}, not a number"))?;
    let views = views(Path::new(project), every.max(1))?;
    for splat in splats {
        let g = splat::read(Path::new(splat))?;
        let each = views.iter().map(|(camera, photo)| splat::psnr(&splat::render(&g, camera).rgb, photo));
        let mean = each.sum::<f32>() / views.len() as f32;
        println!("{splat}: {} Gaussians, {mean:.2} dB over {} photos", g.len(), views.len());
    }
    Ok(())
}

type View = (Camera, Vec<[f32; 3]>);

fn views(project: &Path, every: usize) -> Result<Vec<View>> {
    let model = read_model(&project.join("sparse/0"))?;
    let mut images: Vec<_> = model.images.values().collect();
    images.sort_by(|a, b| a.name.cmp(&b.name));
    let view = |image: &&ModelImage| -> Result<View> {
        let path = project.join("images").join(&image.name);
        let photo = image::open(&path).with_context(|| path.display().to_string())?.to_rgb8();
        let (intrinsics, lens) = model.cameras[&image.camera];
        if photo.dimensions() != (intrinsics.width, intrinsics.height) || lens != Lens::Pinhole {
            bail!("{} is not of the size of its camera, or has distortion", path.display());
        }
        let camera = Camera { intrinsics, c2w: image.w2c.inverse() };
        Ok((camera, photo.pixels().map(|p| p.0.map(|v| f32::from(v) / 255.0)).collect()))
    };
    images.iter().step_by(every).map(view).collect()
}
