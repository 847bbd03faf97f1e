//! Tracks to instances: box, name, score, state, caption, views and the evidence for each.

use super::boxes::{Fitted, Surroundings, fit};
use super::labels::Synonyms;
use super::lift::Lifted;
use super::opinion::Second;
use super::{BuildError, Input, Track, caption, consensus, named, opinion};
use crate::perception::is_structural;
use crate::perception::objects::Object;
use crate::scene::{Instance, InstanceState, InstanceView, Job};
use rayon::prelude::*;
use serde_json::json;

/// Scores from which a thing is kept, and below which it is dropped.
const KEEP: f64 = 0.55;
pub(super) const DROP: f64 = 0.25;

/// What one track is worth.
pub(super) struct Draft<'a> {
    pub(super) track: usize,
    pub(super) label: String,
    label_share: f64,
    pub(super) fitted: Fitted,
    /// Where the box came from: points, or the photos that it was fitted to.
    pub(super) box_from: &'static str,
    pub(super) score: f64,
    /// Share of the box that photos do not see past, and what having no name is worth: factors of the score, 1 for objects.
    pub(super) solid: f64,
    pub(super) unnamed: f64,
    /// The named object that it is.
    pub(super) object: Option<&'a Object>,
    /// What the model that has a say in names said.
    pub(super) second: Option<Second>,
    terms: Terms,
    views: Vec<InstanceView>,
    best_view: String,
}

/// Terms of the score, each 0..1; the score is their product.
struct Terms {
    masks: f64,
    views: f64,
    found: f64,
    agreement: f64,
    points: f64,
}

/// Instances by falling score, ids from 1, and the index of the track of each.
pub(crate) fn instances(
    input: &Input,
    lifted: &[Lifted],
    tracks: &[Track],
    synonyms: &Synonyms,
    job: &dyn Job,
) -> Result<(Vec<Instance>, Vec<usize>), BuildError> {
    let around = Surroundings::of(input.cloud, input.views, input.metre);
    let drafts: Vec<Draft> =
        (0..tracks.len()).into_par_iter().filter_map(|t| draft(input, lifted, tracks, t, synonyms, &around)).collect();
    let mut drafts = named::combined(input, drafts);
    if input.by_shape {
        named::doubted(input, &mut drafts);
    }
    opinion::ask(input, lifted, tracks, &mut drafts, job)?;
    drafts.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.track.cmp(&b.track)));
    let order = drafts.iter().map(|d| d.track).collect();
    let all =
        drafts.iter().enumerate().map(|(i, d)| instance(input, lifted, tracks, &drafts, d, i as u32 + 1)).collect();
    Ok((all, order))
}

fn draft<'a>(
    input: &Input<'a>,
    lifted: &[Lifted],
    tracks: &[Track],
    t: usize,
    synonyms: &Synonyms,
    around: &Surroundings,
) -> Option<Draft<'a>> {
    let track = &tracks[t];
    let (mut label, mut label_share) = consensus::elect(track, lifted, synonyms);
    let mut fitted = fit(input.cloud, around, &track.voxels)?;
    let id = track.masks.first().map_or(0, |m| lifted[*m].id);
    let object = input.objects.iter().find(|o| id != 0 && o.0 == id).map(|o| &o.1);
    let (views, best_view, found) = views(input, lifted, track);
    let n = views.len() as f64;
    let mut scores: Vec<f64> = track.masks.iter().map(|m| lifted[*m].score).collect();
    scores.sort_by(f64::total_cmp);
    let area = track.voxels.len() as f64 * (input.cloud.voxel / input.metre).powi(2);
    let terms = Terms {
        masks: scores[scores.len() / 2],
        views: 1.0 - 0.75 * (-(n - 1.0) / 2.0).exp(),
        found: (0.3 + found).min(1.0),
        agreement: 0.4 + 0.6 * track.agreement,
        points: 0.3 + 0.7 * (1.0 - (-area / 0.02).exp()),
    };
    let mut score = (terms.masks * terms.views * terms.found * terms.agreement * terms.points).clamp(0.0, 1.0);
    let mut box_from = "points";
    if let Some(object) = object {
        let votes: f64 = object.votes.iter().map(|v| v.1).sum();
        label_share = object.votes.first().map_or(0.0, |v| v.1 / votes.max(1e-9));
        label.clone_from(&object.label);
        fitted.obb = object.upright.obb();
        score = named::probability(object.score);
        box_from = "photos";
    } else if input.by_shape {
        label = named::by_shape(&label, &fitted.obb, around.floor(), input.metre);
    }
    Some(Draft {
        track: t,
        label,
        label_share,
        fitted,
        box_from,
        score,
        solid: 1.0,
        unnamed: 1.0,
        object,
        second: None,
        terms,
        views,
        best_view,
    })
}

/// Views with masks, the best of them (largest area x centring x visibility), and the share of the views that show
/// most of the thing that also have a mask of it.
fn views(input: &Input, lifted: &[Lifted], track: &Track) -> (Vec<InstanceView>, String, f64) {
    let n = track.voxels.len() as f64;
    let (mut out, mut best) = (Vec::new(), (-1.0, String::new()));
    let (mut with, mut showing) = (0.0, 0.0);
    for (i, view) in input.views.iter().enumerate() {
        let masks: Vec<&Lifted> = track.masks.iter().map(|m| &lifted[*m]).filter(|m| m.view == i).collect();
        let hits = &input.cloud.seen[i];
        let mine: Vec<_> = hits.iter().filter(|h| track.voxels.binary_search(&h.voxel).is_ok()).collect();
        let visible = mine.len() as f64 / n;
        if visible > 0.3 {
            showing += 1.0;
            with += f64::from(u8::from(!masks.is_empty()));
        }
        if masks.is_empty() {
            continue;
        }
        let m = mine.len().max(1) as f64;
        let (w, h) = (f64::from(view.depth.width), f64::from(view.depth.height));
        let (cx, cy) = mine.iter().fold((0.0, 0.0), |c, p| (c.0 + f64::from(p.x) / m, c.1 + f64::from(p.y) / m));
        let centred = (1.0 - (2.0 * cx / w - 1.0).abs()).max(0.05) * (1.0 - (2.0 * cy / h - 1.0).abs()).max(0.05);
        let area: usize = masks.iter().map(|m| m.area).sum();
        let rank = area as f64 * centred.sqrt() * visible;
        if rank > best.0 {
            best = (rank, view.stem.to_owned());
        }
        out.push(InstanceView {
            image: view.stem.to_owned(),
            mask_score: masks.iter().map(|m| m.score).fold(0.0, f64::max),
            visible_fraction: visible.min(1.0),
        });
    }
    (out, best.1, if showing > 0.0 { with / showing } else { 1.0 })
}

fn instance(input: &Input, lifted: &[Lifted], tracks: &[Track], drafts: &[Draft], d: &Draft, id: u32) -> Instance {
    let track = &tracks[d.track];
    let under = d.fitted.stands.filter(|s| !s.is_floor).and_then(|s| beneath(drafts, d, s.z, input.metre));
    let (caption, colors) = caption::describe(&d.label, &d.fitted, under, input.cloud, input.metric);
    let sure = d.score >= KEEP || (is_structural(&d.label) && d.score >= DROP);
    let state = match d.score {
        _ if sure => InstanceState::Kept,
        s if s < DROP => InstanceState::Dropped,
        _ => InstanceState::Verify,
    };
    let evidence = json!({
        "score": score_evidence(d),
        "label": label_evidence(d, track, lifted),
        "box": { "source": d.box_from },
        "caption": {"source": "measured", "colors": colors, "stands_on": under,
            "on_floor": d.fitted.stands.is_some_and(|s| s.is_floor), "at_wall": d.fitted.at_wall},
        "masks": track.masks.len(),
        "points": track.voxels.len(),
    });
    Instance {
        id,
        label: d.label.clone(),
        caption,
        score: round(d.score),
        state,
        obb: d.fitted.obb,
        views: d.views.clone(),
        best_view: d.best_view.clone(),
        evidence,
    }
}

fn round(x: f64) -> f64 {
    (x * 1e4).round() / 1e4
}

/// Where the name came from, and what a second opinion was.
fn label_evidence(d: &Draft, track: &Track, lifted: &[Lifted]) -> serde_json::Value {
    let mut votes: std::collections::BTreeMap<&str, usize> = Default::default();
    track.masks.iter().for_each(|m| *votes.entry(&lifted[*m].label).or_default() += 1);
    let mut evidence = match d.object {
        None => json!({ "source": "vote of the masks", "share": round(d.label_share), "votes": votes }),
        Some(o) => {
            json!({ "source": "detector", "share": round(d.label_share), "photos": o.sightings.len(), "must_show": o.visible_in,
                "votes": o.votes.iter().map(|v| json!([v.0, round(v.1)])).collect::<Vec<_>>() })
        }
    };
    if let (Some(second), Some(entries)) = (&d.second, evidence.as_object_mut()) {
        if let Some(first) = &second.instead_of {
            entries.insert("source".into(), json!("label scores"));
            entries.insert("instead_of".into(), json!(first));
        }
        let said = json!({ "model": second.model, "label": second.label, "share": round(second.share), "photos": second.photos });
        entries.insert("label_scores".into(), said);
    }
    evidence
}

/// How the score came about.
fn score_evidence(d: &Draft) -> serde_json::Value {
    let t = &d.terms;
    match d.object {
        None => json!({ "formula": "product of the terms", "masks": round(t.masks), "views": round(t.views),
            "found_where_visible": round(t.found), "agreement": round(t.agreement), "points": round(t.points), "not_seen_past": round(d.solid), "has_no_name": round(d.unnamed) }),
        Some(o) => {
            json!({ "formula": "1 - exp(-detector / 0.2)", "detector": round(o.score), "filled": round(o.filled) })
        }
    }
}

/// Name of the thing whose top is at height `z` under another.
fn beneath<'a>(drafts: &'a [Draft], d: &Draft, z: f64, metre: f64) -> Option<&'a str> {
    let foot = d.fitted.obb.center;
    drafts
        .iter()
        .filter(|o| o.track != d.track && !is_structural(&o.label) && o.score >= DROP)
        .filter(|o| o.fitted.obb.volume() > d.fitted.obb.volume())
        .find(|o| {
            let b = &o.fitted.obb;
            let q = b.to_local(&foot);
            let top = b.center.z + 0.5 * b.size.z;
            q.x.abs() < 0.5 * b.size.x && q.y.abs() < 0.5 * b.size.y && (top - z).abs() < 0.08 * metre
        })
        .map(|o| o.label.as_str())
}
