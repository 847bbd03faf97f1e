//! `holoscope demo`: the main job on the bundled photos.

use super::{Print, run};
use anyhow::{Context as _, Result};
use holoscope::app::{self, Open};
use holoscope::pipeline::RunOptions;
use std::path::{Path, PathBuf};

/// The bundled photos travel inside the program, so that the demo works wherever the program is.
macro_rules! photos {
    ($($name:literal)*) => {
        [$(($name, include_bytes!(concat!("../../assets/demo/", $name)).as_slice())),*]
    };
}

const FILES: [(&str, &[u8]); 25] = photos!(
    "intrinsics.json"
    "0000.jpg" "0002.jpg" "0004.jpg" "0006.jpg" "0008.jpg" "0010.jpg" "0012.jpg" "0014.jpg"
    "0016.jpg" "0018.jpg" "0020.jpg" "0022.jpg" "0024.jpg" "0026.jpg" "0028.jpg" "0030.jpg"
    "0032.jpg" "0034.jpg" "0036.jpg" "0038.jpg" "0040.jpg" "0042.jpg" "0044.jpg" "0046.jpg"
);

/// Runs the demo: in the window where there is a display, headless otherwise.
pub(super) fn demo(out: &Path, print: Print) -> Result<()> {
    let photos = unpack()?;
    let options = RunOptions::default();
    match app::display_available() {
        Ok(()) => Ok(app::run(Open::Run { input: photos, out: out.to_owned(), options: Box::new(options) })?),
        Err(reason) => {
            if !print.quiet {
                eprintln!("No window: {reason}. The demo runs without one.");
            }
            run::run(&photos, out, &options, print)?;
            if !print.json {
                println!("To look at it and review it, where there is a display: holoscope {}", out.display());
            }
            Ok(())
        }
    }
}

/// Writes the bundled photos into the user's cache folder.
fn unpack() -> Result<PathBuf> {
    let base = directories::ProjectDirs::from("", "", "holoscope")
        .map_or_else(|| std::env::temp_dir().join("holoscope"), |dirs| dirs.cache_dir().to_owned());
    let folder = base.join("demo-photos");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    for (name, bytes) in FILES {
        let path = folder.join(name);
        if std::fs::read(&path).ok().as_deref() != Some(bytes) {
            std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(folder)
}
