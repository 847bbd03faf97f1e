//! From a model's outputs to boxes in the pixels of the picture that it saw.

use super::nms::Found;
use super::recognise::Layout;
use super::tokens::Prompt;
use crate::models::{ModelError, Outputs, Tensor};

/// What is asked of the outputs.
pub(super) struct Wanted<'a> {
    /// Boxes that are less sure are left out.
    pub(super) least: f64,
    /// Number of classes, where it is known.
    pub(super) classes: Option<usize>,
    /// What was asked for, where the model reads text.
    pub(super) prompt: Option<&'a Prompt>,
}

/// What the outputs say.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Decoded {
    pub(super) found: Vec<Found>,
    /// How many classes they have scores for, where they tell.
    pub(super) classes: Option<usize>,
    /// Whether boxes of one thing have been suppressed already, or never come.
    pub(super) finished: bool,
}

/// The boxes of a picture of width and height `canvas`.
pub(super) fn decode(
    layout: Layout,
    outputs: &Outputs,
    canvas: [usize; 2],
    wanted: &Wanted,
) -> Result<Decoded, ModelError> {
    match layout {
        Layout::BoxesAndScores => boxes_and_scores(outputs, wanted),
        Layout::OneTensor => super::yolo::one_tensor(outputs, canvas, wanted),
        Layout::Grid => super::yolo::grid(outputs, canvas, wanted),
        Layout::Queries { softmax } => queries(outputs, canvas, wanted, softmax),
        Layout::Listed { first } => listed(outputs, canvas, first),
        Layout::Tensorflow => tensorflow(outputs, canvas),
        Layout::Counted => counted(outputs),
        Layout::Tokens => tokens(outputs, canvas, wanted),
    }
}

/// Number of cells of strides 8, 16 and 32 in a picture of that width and height.
pub(super) fn cells((w, h): (usize, usize)) -> usize {
    [8, 16, 32].iter().map(|s| (w / s) * (h / s)).sum()
}

/// Centre and size to corners.
pub(super) fn corners([cx, cy, w, h]: [f64; 4]) -> [f64; 4] {
    [cx - w / 2.0, cy - h / 2.0, cx + w / 2.0, cy + h / 2.0]
}

/// Four numbers of a tensor.
pub(super) fn four(values: &[f32]) -> [f64; 4] {
    [0, 1, 2, 3].map(|k| values.get(k).map_or(f64::NAN, |v| f64::from(*v)))
}

/// Relative to the picture, made pixels.
fn in_pixels(relative: [f64; 4], [w, h]: [usize; 2]) -> [f64; 4] {
    let sides = [w as f64, h as f64];
    [0, 1, 2, 3].map(|k| relative[k] * sides[k % 2])
}

/// The logistic function.
fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn boxes_and_scores(outputs: &Outputs, wanted: &Wanted) -> Result<Decoded, ModelError> {
    let strange = || outputs.unexpected("boxes [1, N, 4] and scores [1, N, C]");
    let boxes = outputs.named(&["boxes"]).ok_or_else(strange)?;
    let scores = outputs.named(&["scores"]).ok_or_else(strange)?;
    let (&[1, n, 4], &[1, m, classes]) = (boxes.dims.as_slice(), scores.dims.as_slice()) else { return Err(strange()) };
    if n != m {
        return Err(strange());
    }
    let (boxes, scores) = (boxes.to_f32(), scores.to_f32());
    let mut found = Vec::new();
    for (bounds, scores) in boxes.chunks_exact(4).zip(scores.chunks_exact(classes.max(1))) {
        for (class, score) in scores.iter().map(|s| f64::from(*s)).enumerate().filter(|(_, s)| *s >= wanted.least) {
            found.push(Found { bounds: four(bounds), class, score });
        }
    }
    Ok(Decoded { found, classes: Some(classes), finished: false })
}

/// DETR (arXiv 2005.12872): softmax over the classes and one for nothing; its successors: a sigmoid a class.
fn queries(outputs: &Outputs, canvas: [usize; 2], wanted: &Wanted, softmax: bool) -> Result<Decoded, ModelError> {
    let strange = || outputs.unexpected("boxes [1, N, 4] and logits [1, N, C]");
    let boxes = outputs.named(&["pred_boxes", "dets"]).ok_or_else(strange)?;
    let logits = outputs.named(&["logits", "labels"]).ok_or_else(strange)?;
    let (&[1, n, 4], &[1, m, columns]) = (boxes.dims.as_slice(), logits.dims.as_slice()) else { return Err(strange()) };
    if n != m || columns == 0 || (softmax && columns < 2) {
        return Err(strange());
    }
    let (boxes, logits) = (boxes.to_f32(), logits.to_f32());
    let classes = columns - usize::from(softmax);
    let mut found = Vec::new();
    for (bounds, row) in boxes.chunks_exact(4).zip(logits.chunks_exact(columns)) {
        let most = row.iter().fold(f64::NEG_INFINITY, |m, x| m.max(f64::from(*x)));
        let sum: f64 = row.iter().map(|x| (f64::from(*x) - most).exp()).sum();
        let score = |x: f32| if softmax { (f64::from(x) - most).exp() / sum } else { sigmoid(f64::from(x)) };
        for (class, score) in row[..classes].iter().map(|x| score(*x)).enumerate().filter(|(_, s)| *s >= wanted.least) {
            found.push(Found { bounds: in_pixels(corners(four(bounds)), canvas), class, score });
        }
    }
    Ok(Decoded { found, classes: Some(classes), finished: true })
}

/// One entry a thing: corners, score and class, in three tensors of one length.
fn triples(boxes: &Tensor, scores: &Tensor, classes: &Tensor, count: usize) -> Option<Vec<Found>> {
    if boxes.len() != 4 * scores.len() || scores.len() != classes.len() {
        return None;
    }
    let (boxes, scores, classes) = (boxes.to_f32(), scores.to_f32(), classes.to_i64());
    let rows = boxes.chunks_exact(4).zip(scores.iter()).zip(classes).take(count);
    // A class below zero marks an entry that is not used.
    let found = rows.filter_map(|((bounds, score), class)| {
        Some(Found { bounds: four(bounds), class: usize::try_from(class).ok()?, score: f64::from(*score) })
    });
    Some(found.collect())
}

fn listed(outputs: &Outputs, canvas: [usize; 2], first: usize) -> Result<Decoded, ModelError> {
    let strange = || outputs.unexpected("boxes, labels and scores of one length");
    let get = |names: &[&str]| outputs.named(names).ok_or_else(strange);
    let (boxes, labels, scores) = (get(&["boxes", "bboxes"])?, get(&["labels", "classes"])?, get(&["scores"])?);
    let mut found = triples(boxes, scores, labels, usize::MAX).ok_or_else(strange)?;
    found.retain(|f| f.class >= first);
    found.iter_mut().for_each(|f| f.class -= first);
    // Some exports leave boxes relative to the picture.
    let relative = found.iter().all(|f| f.bounds.iter().all(|v| *v <= 1.5)) && canvas[0].max(canvas[1]) > 1;
    if relative {
        found.iter_mut().for_each(|f| f.bounds = in_pixels(f.bounds, canvas));
    }
    Ok(Decoded { found, classes: None, finished: true })
}

/// TensorFlow's object detection: y before x, classes from 1, as many as `num_detections` says.
fn tensorflow(outputs: &Outputs, canvas: [usize; 2]) -> Result<Decoded, ModelError> {
    let strange = || outputs.unexpected("detection_boxes, detection_classes and detection_scores of one length");
    let get = |name: &str| {
        let fits = |(n, _): &&(String, Tensor)| n.split(':').next() == Some(name);
        outputs.iter().find(fits).map(|(_, tensor)| tensor)
    };
    let all = (get("detection_boxes"), get("detection_scores"), get("detection_classes"));
    let (Some(boxes), Some(scores), Some(classes)) = all else { return Err(strange()) };
    let count = get("num_detections").and_then(|t| t.to_i64().first().copied());
    let count = count.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(0));
    let mut found = triples(boxes, scores, classes, count).ok_or_else(strange)?;
    found.retain(|f| f.class >= 1);
    for f in &mut found {
        let [y0, x0, y1, x1] = f.bounds;
        (f.bounds, f.class) = (in_pixels([x0, y0, x1, y1], canvas), f.class - 1);
    }
    Ok(Decoded { found, classes: None, finished: true })
}

/// MMYOLO's and TensorRT's exports with suppression in the graph.
fn counted(outputs: &Outputs) -> Result<Decoded, ModelError> {
    let strange = || outputs.unexpected("num_dets, boxes, scores and labels");
    let get = |names: &[&str]| outputs.named(names).ok_or_else(strange);
    let count = get(&["num_dets", "num_detections"])?.to_i64().first().map_or(0, |n| usize::try_from(*n).unwrap_or(0));
    let (boxes, scores) = (get(&["boxes", "det_boxes", "bboxes"])?, get(&["scores", "det_scores"])?);
    let found = triples(boxes, scores, get(&["labels", "det_classes", "classes"])?, count).ok_or_else(strange)?;
    Ok(Decoded { found, classes: None, finished: true })
}

/// Grounding DINO (arXiv 2303.05499): a query's score for a phrase is the mean of its scores for the phrase's tokens, as in
/// the evaluation on COCO of its authors; the query is of the phrase that it fits best.
fn tokens(outputs: &Outputs, canvas: [usize; 2], wanted: &Wanted) -> Result<Decoded, ModelError> {
    let strange = || outputs.unexpected("boxes [1, N, 4] and logits [1, N, T]");
    let boxes = outputs.named(&["pred_boxes", "boxes"]).ok_or_else(strange)?;
    let logits = outputs.named(&["logits"]).ok_or_else(strange)?;
    let (&[1, n, 4], &[1, m, columns]) = (boxes.dims.as_slice(), logits.dims.as_slice()) else { return Err(strange()) };
    let prompt = wanted.prompt.filter(|p| p.spans.iter().all(|s| s.end <= columns)).ok_or_else(strange)?;
    if n != m || columns == 0 {
        return Err(strange());
    }
    let (boxes, logits) = (boxes.to_f32(), logits.to_f32());
    // Some exports have the sigmoid in the graph; tokens that are not used are minus infinity without it.
    let done = logits.iter().all(|x| (0.0..=1.0).contains(x));
    let score = |x: f32| if done { f64::from(x) } else { sigmoid(f64::from(x)) };
    let mut found = Vec::new();
    for (bounds, row) in boxes.chunks_exact(4).zip(logits.chunks_exact(columns)) {
        let mut best = (0, 0.0f64);
        for (k, span) in prompt.spans.iter().enumerate().filter(|(_, s)| !s.is_empty()) {
            let mean = row[span.clone()].iter().map(|x| score(*x)).sum::<f64>() / span.len() as f64;
            if mean > best.1 {
                best = (k, mean);
            }
        }
        if best.1 >= wanted.least {
            let bounds = in_pixels(corners(four(bounds)), canvas);
            found.push(Found { bounds, class: prompt.first + best.0, score: best.1 });
        }
    }
    Ok(Decoded { found, classes: None, finished: true })
}
