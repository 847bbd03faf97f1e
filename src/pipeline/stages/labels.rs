//! Stages `masks` and `instances`: what is where, in the images and in 3D.

use super::geometry::{Geometry, METRE};
use super::learned::used;
use super::objects::{detector_state, find_objects};
use super::opinion::{label_scores, opinion_state};
use super::photos::image_names;
use super::splats::Surface;
use super::text_masks::{is_embedded, room_words, segmenter_state, text_segmenter};
use crate::instances::{self, Built, LiftOptions, Opinion, OpinionOptions, only_agreed};
use crate::perception::cloud::Cloud;
use crate::perception::files::Wanted;
use crate::perception::objects::{Object, ObjectOptions};
use crate::perception::segmenter;
use crate::perception::vlm::{Memory, Vlm};
use crate::perception::{self, View};
use crate::pipeline::run::{Bench, Run, RunError};
use crate::pipeline::{Stage, cache};
use crate::scene::{Capture, FrameMasks, Instances, Job as _};
use serde_json::json;
use std::sync::Arc;

/// Layout version of `instances.json`.
const INSTANCES_VERSION: u32 = 1;

/// The registered frames with their final depth.
struct Labelled<'a> {
    names: &'a [String],
    capture: &'a Capture,
    geometry: &'a Geometry,
    surface: &'a Surface,
}

impl<'a> Labelled<'a> {
    fn views(&self) -> Vec<View<'a>> {
        let Self { names, capture, geometry, surface } = *self;
        let frames = geometry.frames.iter().zip(&surface.depths);
        frames
            .filter_map(|(i, depth)| {
                let frame = &capture.frames[*i];
                let camera = geometry.sparse.cameras[*i]?;
                Some(View { name: &names[*i], stem: &frame.stem, image: &frame.image, camera, depth })
            })
            .collect()
    }
}

/// Masks of every registered frame: from a file, or from the embedded segmenter.
pub(in crate::pipeline) fn masks(
    run: &mut Run,
    capture: &Arc<Capture>,
    geometry: &Geometry,
    surface: &Surface,
) -> Result<Labels, RunError> {
    let names = image_names(capture);
    let views = Labelled { names: &names, capture, geometry, surface }.views();
    let found = run.stage(
        Stage::Masks,
        &json!({
            "masks": run.options.masks.as_ref().map(|m| (m, cache::fingerprint(m))),
            "detector": detector_state(run.options),
            "vlm": run.vlm.as_ref().map(|v| (v.address(), v.model())),
            "renamed": Memory::read(run.folder.root())?.renamed(),
            "segmenter": run.options.segmenter.as_deref().map(segmenter_state),
            "objects": ObjectOptions::default(),
        }),
        |bench| {
            let masks = views.iter().map(|v| bench.folder.cache().read_masks(v.stem)).collect::<Result<Vec<_>, _>>()?;
            Ok(Labels { masks, objects: cache::read_objects(bench.folder)? })
        },
        |bench| make_masks(bench, &views),
    )?;
    run.publish(|live| live.masks.store(Some(Arc::new(by_frame(&found.masks, capture, geometry, &names)))));
    Ok(found)
}

/// What stage `masks` finds.
pub(in crate::pipeline) struct Labels {
    /// One entry per registered frame.
    masks: Vec<FrameMasks>,
    /// Named objects, each with the id of its masks.
    objects: Vec<(u32, Object)>,
}

fn make_masks(bench: &mut Bench, views: &[View]) -> Result<Labels, RunError> {
    let mut objects = Vec::new();
    let text = text_segmenter(bench)?;
    let masks = match (&bench.options.masks, &text) {
        (Some(path), _) => {
            let wanted: Vec<Wanted> = views
                .iter()
                .map(|v| Wanted { name: v.name, stem: v.stem, width: v.image.width(), height: v.image.height() })
                .collect();
            perception::files::read(path, &wanted, bench.job)?
        }
        (None, Some(text)) => segmenter::segment(&**text, views, &room_words(), bench.job)?,
        (None, None) => {
            let cloud = Cloud::fuse(views, METRE, bench.job)?;
            let mut masks = perception::geometric::segment(&cloud, views, METRE, bench.options.seed, bench.job)?;
            objects = find_objects(bench, &cloud, views, &mut masks)?;
            masks
        }
    };
    match (&bench.options.masks, text) {
        (None, Some(text)) => used(bench, "masks", Some((text.name(), text.provider()))),
        (masks, _) => {
            let source = masks.as_ref().map_or("embedded geometric segmenter".into(), |p| p.display().to_string());
            used(bench, "masks", None);
            bench.meta.models.push(format!("masks: {source}"));
        }
    }
    for (view, masks) in views.iter().zip(&masks) {
        bench.folder.cache().write_masks(view.stem, masks)?;
        bench.folder.write_masks(view.stem, masks)?;
    }
    cache::write_objects(bench.folder, &objects)?;
    bench.figure("masks", json!(masks.iter().map(|m| m.masks.len()).sum::<usize>()));
    Ok(Labels { masks, objects })
}

/// Instances in 3D, and the masks that belong to them.
pub(in crate::pipeline) fn instances(
    run: &mut Run,
    capture: &Arc<Capture>,
    geometry: &Geometry,
    surface: &Surface,
    found: Labels,
) -> Result<(), RunError> {
    let names = image_names(capture);
    let views = Labelled { names: &names, capture, geometry, surface }.views();
    let built = run.stage(
        Stage::Instances,
        &json!({
            "vlm": run.vlm.as_ref().map(|v| json!({ "address": v.address(), "model": v.model() })),
            "label_scores": opinion_state(run.options)?,
            "lift": LiftOptions::default(),
        }),
        |bench| {
            let masks = views.iter().map(|v| bench.folder.read_masks(v.stem)).collect::<Result<Vec<_>, _>>()?;
            Ok(Built { instances: bench.folder.read_instances()?.instances, masks })
        },
        |bench| make_instances(bench, &views, &found),
    )?;
    run.publish(|live| {
        live.masks.store(Some(Arc::new(by_frame(&built.masks, capture, geometry, &names))));
        live.instances.store(Some(Arc::new(built.instances)));
    });
    Ok(())
}

fn make_instances(bench: &mut Bench, views: &[View], found: &Labels) -> Result<Built, RunError> {
    let mut cloud = Cloud::fuse(views, METRE, bench.job)?;
    let by_shape = is_embedded(bench.options)?;
    // The embedded segmenter's masks are drawn from this cloud, and outlines that depth gets wrong are not in them: leaving
    // pixels out would tear holes. Masks that are seen in the photos know nothing of depth.
    if !by_shape {
        let agreement = views.iter().map(|v| bench.folder.read_agreement(v.stem)).collect::<Result<Vec<_>, _>>()?;
        let sizes: Vec<(u32, u32)> = views.iter().map(|v| (v.depth.width, v.depth.height)).collect();
        let thinned = only_agreed(&mut cloud, &agreement, &sizes, &LiftOptions::default());
        bench.figure("photos_that_agree", json!(thinned));
    }
    let metric = bench.meta.units == "metres";
    let (scores, words) = (label_scores(bench)?, room_words());
    let opinion = scores.as_ref().map(|model| Opinion { model, words: &words, options: OpinionOptions::default() });
    let input = instances::Input {
        cloud: &cloud,
        views,
        masks: &found.masks,
        by_shape,
        objects: &found.objects,
        object_options: &ObjectOptions::default(),
        opinion: opinion.as_ref(),
        metre: METRE,
        metric,
    };
    let mut built = instances::build(&input, bench.job)?;
    used(bench, "label scores", scores.map(|m| (m.name().to_owned(), m.provider())));
    bench.meta.models.retain(|m| !m.starts_with("captions: "));
    let captions = bench.vlm.map_or("measured", Vlm::model);
    bench.meta.models.push(format!("captions: {captions}"));
    if let Some(vlm) = bench.vlm {
        let before = vlm.tally();
        instances::describe(vlm, views, &mut built, bench.job)?;
        let spent = vlm.tally().since(&before);
        bench.job.note(format!("{} at {} wrote captions: {spent}", vlm.model(), vlm.address()));
        bench.figure("captions", spent.figures());
    }
    for (view, masks) in views.iter().zip(&built.masks) {
        bench.folder.write_masks(view.stem, masks)?;
    }
    bench.folder.write_instances(&Instances { version: INSTANCES_VERSION, instances: built.instances.clone() })?;
    if built.instances.is_empty() {
        bench.job.warn("no instance was found".into());
    }
    Ok(built)
}

/// Masks by frame of the capture; frames that did not register have none.
fn by_frame(masks: &[FrameMasks], capture: &Capture, geometry: &Geometry, names: &[String]) -> Vec<FrameMasks> {
    let mut out: Vec<FrameMasks> = capture
        .frames
        .iter()
        .zip(names)
        .map(|(f, name)| FrameMasks {
            image: name.clone(),
            width: f.image.width(),
            height: f.image.height(),
            masks: Vec::new(),
        })
        .collect();
    for (i, m) in geometry.frames.iter().zip(masks) {
        out[*i] = m.clone();
    }
    out
}
