//! Commands that read a finished scene: `render`, `eval`, `export`.

use super::{Print, What};
use anyhow::{Context as _, Result, anyhow};
use holoscope::export::{self, Format, Include};
use holoscope::pipeline::SceneView;
use holoscope::scene::Job;
use holoscope::scene::folder::SceneFolder;
use holoscope::{eval, splat};
use serde_json::json;
use std::path::Path;

/// Progress of a command that has no stages, on stderr.
struct Lines(bool);

impl Job for Lines {
    fn tick(&self, _: usize, _: usize) -> Result<(), holoscope::scene::Cancelled> {
        Ok(())
    }

    fn warn(&self, message: String) {
        if !self.0 {
            eprintln!("warning: {message}");
        }
    }
}

/// `holoscope render`.
pub(super) fn render(scene: &Path, cameras: &Path, out: &Path, what: What, print: Print) -> Result<()> {
    let view = SceneView::open(&SceneFolder::open(scene)?)?;
    let wanted = view.cameras_of(cameras, &Lines(print.quiet))?;
    std::fs::create_dir_all(out).map_err(|e| anyhow!("cannot create {}: {e}", out.display()))?;
    let mut files = Vec::new();
    for (i, (stem, camera)) in wanted.iter().enumerate() {
        if !print.quiet {
            eprintln!("{stem} ({} of {})", i + 1, wanted.len());
        }
        let path = out.join(format!("{stem}.png"));
        let image = match what {
            What::Rgb => view.rgb(camera),
            What::Depth => view.depth(camera),
            What::Normal => view.normal(camera),
            What::Instance => view.instance(camera)?,
        };
        image.save(&path).map_err(|e| anyhow!("cannot write {}: {e}", path.display()))?;
        files.push(path);
    }
    if print.json {
        println!("{}", json!({ "files": files }));
    } else {
        println!("{} pictures in {}", files.len(), out.display());
    }
    Ok(())
}

/// `holoscope eval`.
pub(super) fn eval(scene: &Path, gt: &Path, print: Print) -> Result<()> {
    let folder = SceneFolder::open(scene)?;
    let gaussians = folder.splat_path().is_file().then(|| splat::read_ply(&folder.splat_path())).transpose()?;
    let render = |camera: &_| gaussians.as_ref().map(|g| splat::render(g, camera).rgb);
    let report = eval::evaluate(&folder, gt, &render, &Lines(print.quiet))?;
    if print.json {
        println!("{}", serde_json::to_string_pretty(&report).context("the report cannot be written as JSON")?);
    } else {
        print!("{report}");
    }
    Ok(())
}

/// `holoscope export`.
pub(super) fn export(scene: &Path, format: Format, out: &Path, include: Include, print: Print) -> Result<()> {
    let exported = export::export(&SceneFolder::open(scene)?, format, out, include)?;
    if print.json {
        println!("{}", json!({ "files": exported.files, "instances": exported.instances }));
        return Ok(());
    }
    println!("{} instances in", exported.instances);
    for file in &exported.files {
        println!("  {}", file.display());
    }
    Ok(())
}
