//! Stage `frames`: photos in.

use crate::perception::files::{self, Wanted};
use crate::pipeline::run::{Run, RunError};
use crate::pipeline::{RunOptions, Stage};
use crate::scene::{Capture, Frame, Job};
use serde_json::json;
use std::sync::Arc;

/// Loads the photos and copies them into the scene folder. They are read in every run: their content is the key.
pub(in crate::pipeline) fn frames(run: &mut Run) -> Result<Arc<Capture>, RunError> {
    run.begin(Stage::Frames);
    let job = run.worker.job(Stage::Frames);
    let capture = Arc::new(crate::input::load(&run.input, run.options.max_frames, &job)?);
    check_masks(run.options, &capture, &job)?;
    run.publish(|live| live.capture.store(Some(Arc::clone(&capture))));
    let names = image_names(&capture);
    let depends = json!({ "max_frames": run.options.max_frames, "content": content_hash(&capture) });
    run.stage(
        Stage::Frames,
        &depends,
        |bench| {
            let whole = names.iter().all(|n| bench.folder.image_path(n).is_file());
            if whole { Ok(()) } else { Err(RunError::Option("a photo is missing from images/".into())) }
        },
        |bench| {
            crate::input::copy_images(&capture, bench.folder, bench.job)?;
            bench.meta.images.clone_from(&names);
            bench.figure("photos", json!(names.len()));
            for warning in &capture.warnings {
                bench.job.warn(warning.clone());
            }
            Ok(())
        },
    )?;
    Ok(capture)
}

/// Reads the masks of another program once before the long work, so that what is wrong with them is told now and not after
/// the splats are trained. The stage that uses them reads them again, for the frames that have a camera then.
fn check_masks(options: &RunOptions, capture: &Capture, job: &dyn Job) -> Result<(), RunError> {
    let Some(path) = options.masks.as_deref().filter(|_| options.until.is_none_or(|until| until >= Stage::Masks))
    else {
        return Ok(());
    };
    let names = image_names(capture);
    let frames = capture.frames.iter().zip(&names);
    let wanted: Vec<Wanted> = frames
        .map(|(f, name)| Wanted { name, stem: &f.stem, width: f.image.width(), height: f.image.height() })
        .collect();
    files::read(path, &wanted, job)?;
    Ok(())
}

/// File names of the photos in `images/`, in order of capture.
pub(super) fn image_names(capture: &Capture) -> Vec<String> {
    capture.frames.iter().map(Frame::file_name).collect()
}

/// A hash of everything in a capture that later stages use.
fn content_hash(capture: &Capture) -> String {
    let mut hash = blake3::Hasher::new();
    for frame in &capture.frames {
        hash.update(frame.stem.as_bytes());
        hash.update(frame.image.as_raw());
        let k = &frame.intrinsics;
        hash.update(format!("{k:?} {:?}", frame.given_c2w).as_bytes());
        for depth in frame.sensor_depth.iter().flat_map(|map| &map.data) {
            hash.update(&depth.to_le_bytes());
        }
        hash.update(frame.mask.as_ref().map_or(&[][..], |m| m.as_raw()));
    }
    hash.update(&[u8::from(capture.intrinsics_known), u8::from(capture.metric)]);
    hash.finalize().to_hex().to_string()
}
