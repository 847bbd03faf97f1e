//! Which kind of detector a signature is of. Names, ranks and fixed sizes of inputs and outputs decide; where a declared size
//! is open, the returned tensor decides later (`decode`).

use super::look::Look;
use crate::models::{Element, Hints, Port, Signature};

/// Kinds of detectors, in the words of `models/catalogue.toml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `image` to `boxes` `[1, N, 4]` in pixels and `scores` `[1, N, C]`: the bundled NanoDet.
    NanoDet,
    /// `images` `[1, H, W, 3]` to `detections` `[1, N, 6]`.
    CenterNet,
    /// YOLOv5 to v11, with suppression in the graph or without, and YOLO-World with its classes baked in.
    Yolo,
    /// YOLOX: offsets within a grid, not decoded.
    Yolox,
    /// YOLO-World whose classes are an input of embeddings.
    YoloWorld,
    /// DETR, RT-DETR, D-FINE, RF-DETR: a number of queries, each a box or nothing.
    Detr,
    /// Suppression in the graph, classes counted from 1: TensorFlow's object detection, torchvision.
    Ssd,
    /// Boxes with scores for the tokens of a text.
    GroundingDino,
}

/// How the outputs are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// `boxes` `[1, N, 4]` in pixels and `scores` `[1, N, C]`.
    BoxesAndScores,
    /// One tensor; its sizes tell which of YOLO's layouts it has.
    OneTensor,
    /// One tensor `[1, A, 5 + C]` of YOLOX.
    Grid,
    /// Centres and sizes relative to the picture, and scores before the sigmoid or, with a last class for nothing, softmax.
    Queries { softmax: bool },
    /// `boxes` x0 y0 x1 y1, `labels`, `scores`, one a thing; the number of the first class.
    Listed { first: usize },
    /// `detection_boxes` y0 x0 y1 x1 relative to the picture, `detection_classes` from 1, `detection_scores`.
    Tensorflow,
    /// `num_dets`, boxes in pixels, scores, labels.
    Counted,
    /// Centres and sizes relative to the picture, and scores for 256 tokens.
    Tokens,
}

/// What a signature is recognised as.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Kind {
    pub(super) family: Family,
    pub(super) layout: Layout,
    pub(super) look: Look,
}

/// What would have been recognised.
pub(super) const EXPECTED: &str = "expected is a detector: NanoDet (image to boxes, scores), YOLOv5 to v11 or YOLOX (images to \
    one tensor), RT-DETR, D-FINE, RF-DETR or DETR (to logits or labels, and boxes), SSD (to detection_boxes, \
    detection_classes, detection_scores), YOLO-World, or Grounding DINO (with input_ids, attention_mask)";

/// The name without TensorFlow's `:0`.
fn plain(port: &Port) -> &str {
    port.name.split(':').next().unwrap_or(&port.name)
}

/// The port of one of these names.
pub(super) fn named<'p>(ports: &'p [Port], names: &[&str]) -> Option<&'p Port> {
    names.iter().find_map(|name| ports.iter().find(|p| plain(p) == *name))
}

/// The input that takes the photo: the first of rank 4 that is of floats or bytes.
pub(super) fn picture(signature: &Signature) -> Option<&Port> {
    signature.inputs.iter().find(|p| p.dims.len() == 4 && (p.element.is_float() || p.element == Element::U8))
}

/// The input of embeddings of texts: floats of rank 2 or 3 beside the picture.
pub(super) fn embeddings(signature: &Signature) -> Option<&Port> {
    signature.inputs.iter().find(|p| (2..=3).contains(&p.dims.len()) && p.element.is_float())
}

/// The kind of a signature; `None` where it is no detector that is known here. A note `family` beside the file goes before
/// what is only likely.
pub(super) fn recognise(signature: &Signature, hints: &Hints) -> Option<Kind> {
    let photo = picture(signature)?;
    let kind = |family, layout, look| Some(Kind { family, layout, look });
    let gives = |names: &[&str]| named(&signature.outputs, names);
    let takes = |names: &[&str]| named(&signature.inputs, names).is_some();
    if takes(&["input_ids"]) {
        let tokens = takes(&["attention_mask"]) && gives(&["logits"]).is_some();
        let boxes = gives(&["pred_boxes", "boxes"]).is_some();
        return if tokens && boxes { kind(Family::GroundingDino, Layout::Tokens, Look::Detr) } else { None };
    }
    let last = |p: &Port| p.dims.last().copied().flatten();
    if let (Some(boxes), Some(_), Some(_)) =
        (gives(&["detection_boxes"]), gives(&["detection_classes"]), gives(&["detection_scores"]))
    {
        return if boxes.dims.len() <= 3 { kind(Family::Ssd, Layout::Tensorflow, Look::Plain) } else { None };
    }
    if photo.dims[3] == Some(3) {
        let rows = matches!(signature.outputs.as_slice(), [one] if one.dims.len() == 3 && last(one) == Some(6));
        return if rows { kind(Family::CenterNet, Layout::OneTensor, Look::CenterNet) } else { None };
    }
    if photo.dims[1].is_some_and(|c| c != 3) || !photo.element.is_float() {
        return None;
    }
    if takes(&["orig_target_sizes"]) {
        let whole = gives(&["labels"]).is_some() && gives(&["boxes"]).is_some() && gives(&["scores"]).is_some();
        return if whole { kind(Family::Detr, Layout::Listed { first: 0 }, Look::Stretched) } else { None };
    }
    queries(signature, takes(&["pixel_mask"]))
        .or_else(|| several(signature, photo))
        .or_else(|| one_tensor(signature, photo, hints))
}

/// DETR and its kin by their two outputs.
fn queries(signature: &Signature, masked: bool) -> Option<Kind> {
    let rank3 = |names: &[&str]| named(&signature.outputs, names).filter(|p| p.dims.len() == 3 && p.element.is_float());
    let kind = |softmax, look| Some(Kind { family: Family::Detr, layout: Layout::Queries { softmax }, look });
    if let (Some(logits), Some(_)) = (rank3(&["logits"]), rank3(&["pred_boxes"])) {
        // DETR itself has COCO's 91 identifiers and one class for nothing.
        let first = masked || logits.dims[2] == Some(92);
        return kind(first, if first { Look::Detr } else { Look::Stretched });
    }
    match (rank3(&["labels"]), rank3(&["dets"])) {
        (Some(_), Some(_)) => kind(false, Look::StretchedImageNet),
        _ => None,
    }
}

/// Detectors with a tensor for boxes and others for scores and classes.
fn several(signature: &Signature, photo: &Port) -> Option<Kind> {
    let rank = |names: &[&str]| named(&signature.outputs, names).map(|p| p.dims.len());
    let kind = |family, layout, look| Some(Kind { family, layout, look });
    let scores = rank(&["scores", "det_scores"]);
    let labels = rank(&["labels", "det_classes", "classes"]);
    let boxes = rank(&["boxes", "det_boxes", "bboxes"]);
    if rank(&["num_dets", "num_detections"]).is_some() && boxes.and(scores).and(labels).is_some() {
        return kind(Family::Yolo, Layout::Counted, Look::Yolo);
    }
    match (boxes, scores, labels) {
        (Some(3), Some(3), None) if photo.name == "image" => {
            kind(Family::NanoDet, Layout::BoxesAndScores, Look::NanoDet)
        }
        (Some(3), Some(3), None) => kind(Family::Yolo, Layout::BoxesAndScores, Look::Yolo),
        (Some(2), Some(1), Some(1)) => kind(Family::Ssd, Layout::Listed { first: 1 }, Look::Plain),
        _ => None,
    }
}

/// YOLO and YOLOX: one tensor of boxes, with another of rank 4 where the model also segments.
fn one_tensor(signature: &Signature, photo: &Port, hints: &Hints) -> Option<Kind> {
    let (first, rest) = signature.outputs.split_first()?;
    let segments = rest.iter().all(|p| p.dims.len() == 4);
    let texts = embeddings(signature).is_some();
    let alone = signature.inputs.len() == 1 + usize::from(texts);
    if !(2..=3).contains(&first.dims.len()) || !first.element.is_float() || !segments || !alone {
        return None;
    }
    let note = hints.family.as_deref().unwrap_or_default();
    let exporter = signature.note("names").is_some() || signature.note("stride").is_some();
    let called = ["output", "detection", "dets", "preds"].iter().any(|n| first.name.starts_with(n));
    if !(exporter || called || note.starts_with("yolo")) {
        return None;
    }
    let kind = |family, layout, look| Some(Kind { family, layout, look });
    if texts {
        return kind(Family::YoloWorld, Layout::OneTensor, Look::Yolo);
    }
    // YOLOX has one box a cell with a score of its own, and is exported without notes as `output`; YOLOv6 is like it but
    // decoded, and says `outputs`.
    let cells = fixed(photo).is_some_and(|size| first.dims.get(1) == Some(&Some(super::decode::cells(size))));
    match note {
        "yolox" => kind(Family::Yolox, Layout::Grid, Look::Yolox),
        "" if !exporter && cells && first.name == "output" => kind(Family::Yolox, Layout::Grid, Look::Yolox),
        _ => kind(Family::Yolo, Layout::OneTensor, Look::Yolo),
    }
}

/// Width and height of a picture, where the file fixes both.
pub(super) fn fixed(photo: &Port) -> Option<(usize, usize)> {
    match photo.dims.as_slice() {
        [_, h, w, Some(3)] => Some(((*w)?, (*h)?)),
        [.., h, w] => Some(((*w)?, (*h)?)),
        _ => None,
    }
}
