//! Which part of which segmenter a signature is of.

use crate::models::{Element, Port, Signature};

/// Kinds of segmenters, by how their graphs are cut and called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// SAM 3 with text, as exported for usls: `images`; `input_ids`; `fpn_feat_0..2`, `text_features` to `pred_masks`.
    Sam3Usls,
    /// SAM 3 with text, as exported by wkentaro/sam3-onnx and samexporter: `image`; `tokens`; `backbone_fpn_0..2`,
    /// `language_features` to `masks`.
    Sam3Original,
    /// SAM 3's tracker and SAM 2 as transformers exports them: `pixel_values` to `image_embeddings.0..2`.
    Tracker,
    /// SAM 2 as samexporter exports it: `image` to `high_res_feats_0`, `high_res_feats_1`, `image_embed`.
    Sam2,
    /// EfficientSAM: `batched_images`; `batched_point_coords`.
    EfficientSam,
    /// MobileSAM, and others with the decoder of the first SAM: one image to `image_embeddings`; `point_coords`,
    /// `orig_im_size`.
    MobileSam,
}

impl Family {
    /// The word of `models/catalogue.toml`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Sam3Usls => "sam3-usls",
            Self::Sam3Original => "sam3-original",
            Self::Tracker => "sam-tracker",
            Self::Sam2 => "sam2",
            Self::EfficientSam => "efficient-sam",
            Self::MobileSam => "mobile-sam",
        }
    }

    /// Name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sam3Usls => "SAM 3 with text (usls)",
            Self::Sam3Original => "SAM 3 with text (wkentaro, samexporter)",
            Self::Tracker => "SAM 2 or SAM 3's tracker (transformers)",
            Self::Sam2 => "SAM 2 (samexporter)",
            Self::EfficientSam => "EfficientSAM",
            Self::MobileSam => "MobileSAM",
        }
    }

    /// Whether it finds things by their names; the others take points and boxes.
    pub fn takes_text(self) -> bool {
        matches!(self, Self::Sam3Usls | Self::Sam3Original)
    }
}

/// What a graph does in a segmenter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It looks at a photo.
    Image,
    /// It reads a text.
    Text,
    /// It makes masks.
    Decoder,
}

impl Role {
    /// Name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Image => "image encoder",
            Self::Text => "text encoder",
            Self::Decoder => "mask decoder",
        }
    }
}

/// The part that a signature is of; `None` where it is none of them.
pub fn recognise(signature: &Signature) -> Option<(Family, Role)> {
    let takes = |names: &[&str]| names.iter().all(|n| signature.input(n).is_some());
    let gives = |names: &[&str]| names.iter().all(|n| signature.gives(n));
    if takes(&["fpn_feat_2", "text_features", "text_mask"]) && gives(&["pred_masks", "pred_logits"]) {
        return Some((Family::Sam3Usls, Role::Decoder));
    }
    if takes(&["backbone_fpn_2", "language_features"]) && gives(&["scores", "masks"]) {
        return Some((Family::Sam3Original, Role::Decoder));
    }
    if takes(&["image_embeddings.0", "image_embeddings.2", "input_points"]) && gives(&["pred_masks", "iou_scores"]) {
        return Some((Family::Tracker, Role::Decoder));
    }
    if takes(&["image_embed", "high_res_feats_0", "point_coords"]) && gives(&["masks", "iou_predictions"]) {
        return Some((Family::Sam2, Role::Decoder));
    }
    if takes(&["image_embeddings", "batched_point_coords", "batched_point_labels"]) && gives(&["output_masks"]) {
        return Some((Family::EfficientSam, Role::Decoder));
    }
    if takes(&["image_embeddings", "point_coords", "point_labels", "orig_im_size"]) && gives(&["masks"]) {
        return Some((Family::MobileSam, Role::Decoder));
    }
    if takes(&["input_ids"]) && gives(&["text_features", "text_mask"]) {
        return Some((Family::Sam3Usls, Role::Text));
    }
    if takes(&["tokens"]) && gives(&["text_attention_mask", "text_memory"]) {
        return Some((Family::Sam3Original, Role::Text));
    }
    image_encoder(signature).map(|family| (family, Role::Image))
}

fn image_encoder(signature: &Signature) -> Option<Family> {
    let [picture] = signature.inputs.as_slice() else { return None };
    let gives = |names: &[&str]| names.iter().all(|n| signature.gives(n));
    let planes = picture.dims.len() == 4 && of_colours(picture, 1);
    let floats = picture.element.is_float();
    // Three planes without a batch, or rows of pixels with three colours each.
    let (flat_planes, rows) = (picture.dims.len() == 3 && of_colours(picture, 0), rows_of_pixels(picture));
    if gives(&["fpn_feat_0", "fpn_feat_1", "fpn_feat_2"]) && planes && floats {
        Some(Family::Sam3Usls)
    } else if gives(&["backbone_fpn_0", "backbone_fpn_1", "backbone_fpn_2"]) && (planes || flat_planes) {
        (floats || picture.element == Element::U8).then_some(Family::Sam3Original)
    } else if gives(&["image_embeddings.0", "image_embeddings.1", "image_embeddings.2"]) && planes && floats {
        Some(Family::Tracker)
    } else if gives(&["high_res_feats_0", "high_res_feats_1", "image_embed"]) && planes && floats {
        Some(Family::Sam2)
    } else if !gives(&["image_embeddings"]) || signature.gives("image_positional_embeddings") || !floats {
        // The positional embeddings belong to the first SAM as transformers cuts it, whose decoder is another one.
        None
    } else if picture.name == "batched_images" && planes {
        Some(Family::EfficientSam)
    } else {
        (planes || rows).then_some(Family::MobileSam)
    }
}

fn of_colours(port: &Port, axis: usize) -> bool {
    port.dims.get(axis).is_some_and(|d| d.is_none_or(|d| d == 3))
}

/// Whether an input is `[H, W, 3]`.
pub(super) fn rows_of_pixels(port: &Port) -> bool {
    port.dims.len() == 3 && port.dims[2] == Some(3)
}
