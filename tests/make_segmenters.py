#!/usr/bin/env python3
"""Writes tests/models/segmenters/ and tests/models/label_scores/: tiny graphs with the inputs and outputs of real
segmenters and of CLIP and SigLIP, whose results are known, and tokenizers with the numbers that the package tokenizers
gives for some texts.

They hold no trained weights. The files are in git; run this only after changing it (pip install onnx numpy tokenizers).

Of a photo the graphs keep the red of cells of four pixels. A mask is set in the cells that a prompt reaches (near a point,
inside a box) and whose red is above zero. Of a text they keep the numbers of its tokens. Features have one channel, where
the real ones have 32 to 256: their number is left open.
"""
import json
import pathlib

import numpy as np
from onnx import TensorProto as T
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from tokenizers import Regex

import make_models
from make_models import F, I, Graph

OUT = pathlib.Path(__file__).parent / "models"
make_models.OUT = OUT
CELL = 4
#: How far from a point a cell may be, pixels of the model, across and down.
NEAR = 5.0
#: Tokens of a text of the segmenters.
TOKENS = 8


def ports(kind, **shapes):
    return [(name, kind, shape) for name, shape in shapes.items()]


def red(g, picture, axis=1):
    """The red plane `[1, 1, H, W]`."""
    return g.Slice(picture, g.ints(0), g.ints(1), g.ints(axis))


def cells(g, plane, to_name=None):
    return g.AveragePool(plane, kernel_shape=[CELL, CELL], strides=[CELL, CELL], to_name=to_name)


def truth(g, condition):
    return g.Cast(condition, to=F)


def label_is(g, labels, label):
    return truth(g, g.Equal(labels, g.Cast(g.const(label), to=F)))


def column(g, tensor, k):
    """Column `k` of `[P, n]` as `[P, 1, 1]`."""
    return g.Reshape(g.Slice(tensor, g.ints(k), g.ints(k + 1), g.ints(1)), g.ints(-1, 1, 1))


def within(g, x, y, box):
    """1 where (x, y) is inside: box is four tensors that broadcast."""
    x0, y0, x1, y1 = box
    inside = g.And(g.And(g.Greater(x, x0), g.Less(x, x1)), g.And(g.Greater(y, y0), g.Less(y, y1)))
    return truth(g, inside)


def reached(g, x, y, coordinates, labels):
    """How many prompts reach each place: `coordinates` `[P, 2]`, `labels` `[P]` of any kind. Labels 2 and 3 are corners."""
    labels = g.Reshape(g.Cast(labels, to=F), g.ints(-1, 1, 1))
    px, py = column(g, coordinates, 0), column(g, coordinates, 1)
    near = g.Mul(truth(g, g.Less(g.Abs(g.Sub(x, px)), g.const(NEAR))), truth(g, g.Less(g.Abs(g.Sub(y, py)), g.const(NEAR))))
    total = lambda t: g.ReduceSum(t, g.ints(0), keepdims=1)
    on, off = total(g.Mul(near, label_is(g, labels, 1.0))), total(g.Mul(near, label_is(g, labels, 0.0)))
    corner = lambda p, label: total(g.Mul(p, label_is(g, labels, label)))
    box = [corner(px, 2.0), corner(py, 2.0), corner(px, 3.0), corner(py, 3.0)]
    return g.Sub(g.Add(on, within(g, x, y, box)), g.Mul(off, g.const(100.0)))


def grid(g, n):
    """Centres of the cells, pixels of the model: x `[1, 1, n]`, y `[1, n, 1]`."""
    centres = (np.arange(n) + 0.5) * CELL
    return g.const(centres.reshape(1, 1, n)), g.const(centres.reshape(1, n, 1))


def half(g, condition):
    """0.5 where, -0.5 where not: linear interpolation crosses zero in the middle between two cells."""
    return g.Sub(truth(g, condition), g.const(0.5))


def candidates(g, mask, shape, masks, scores):
    """Nothing, the mask, everything."""
    nothing = g.Sub(g.Mul(mask, g.const(0.0)), g.const(0.5))
    every = g.Add(g.Mul(mask, g.const(0.0)), g.const(0.5))
    g.Reshape(g.Concat(nothing, mask, every, axis=0), g.ints(*shape), to_name=masks)
    g.Identity(g.const(np.array([0.2, 0.9, 0.5]).reshape([1] * (len(shape) - 3) + [3])), to_name=scores)


def tracker(folder, side):
    n = side // CELL
    g = Graph()
    plane = red(g, "pixel_values")
    cells(g, plane, "image_embeddings.0")
    for k in (1, 2):
        g.ReduceMean(plane, axes=[2, 3], keepdims=1, to_name=f"image_embeddings.{k}")
    g.save(f"{folder}/vision_encoder.onnx", ports(F, pixel_values=["b", 3, side, side]),
           [("image_embeddings.0", F, ["b", "c", n, n]), ("image_embeddings.1", F, ["b", "c", "h1", "w1"]),
            ("image_embeddings.2", F, ["b", "c", "h2", "w2"])])
    g = Graph()
    x, y = grid(g, n)
    points = reached(g, x, y, g.Reshape("input_points", g.ints(-1, 2)), g.Reshape("input_labels", g.ints(-1)))
    boxes = g.Reshape("input_boxes", g.ints(-1, 4))
    box = [column(g, boxes, k) for k in range(4)]
    points = g.Add(points, g.ReduceSum(within(g, x, y, box), g.ints(0), keepdims=1))
    colour = g.Reshape("image_embeddings.0", g.ints(1, n, n))
    mask = half(g, g.And(g.Greater(points, g.const(0.0)), g.Greater(colour, g.const(0.0))))
    candidates(g, mask, (1, 1, 3, n, n), "pred_masks", "iou_scores")
    g.Identity(g.const([[[0.0]]]), to_name="object_score_logits")
    g.save(f"{folder}/prompt_encoder_mask_decoder.onnx",
           [("input_points", F, ["b", "o", "p", 2]), ("input_labels", I, ["b", "o", "p"]), ("input_boxes", F, ["b", "x", 4]),
            ("image_embeddings.0", F, ["b", "c0", "h0", "w0"]), ("image_embeddings.1", F, ["b", "c1", "h1", "w1"]),
            ("image_embeddings.2", F, ["b", "c2", "h2", "w2"])],
           [("iou_scores", F, ["b", "o", 3]), ("pred_masks", F, ["b", "o", 3, "h", "w"]),
            ("object_score_logits", F, ["b", "o", 1])])


def sam2(folder, side=32):
    n = side // CELL
    g = Graph()
    plane = red(g, "image")
    cells(g, plane, "high_res_feats_0")
    for name in ["high_res_feats_1", "image_embed"]:
        g.ReduceMean(plane, axes=[2, 3], keepdims=1, to_name=name)
    g.save(f"{folder}/sam2_tiny.encoder.onnx", ports(F, image=[1, 3, side, side]),
           [("high_res_feats_0", F, [1, "c", n, n]), ("high_res_feats_1", F, [1, "c", "h", "w"]), ("image_embed", F, [1, "c", "i", "j"])])
    g = Graph()
    x, y = grid(g, n)
    # The mask that might have been handed over is added: it has to be zero.
    handed = g.Add(g.ReduceMax("mask_input", keepdims=0), g.ReduceMax("has_mask_input", keepdims=0))
    points = reached(g, x, y, g.Reshape("point_coords", g.ints(-1, 2)), g.Reshape("point_labels", g.ints(-1)))
    points = g.Sub(points, handed)
    colour = g.Reshape("high_res_feats_0", g.ints(1, n, n))
    mask = half(g, g.And(g.Greater(points, g.const(0.0)), g.Greater(colour, g.const(0.0))))
    candidates(g, mask, (1, 3, n, n), "masks", "iou_predictions")
    g.save(f"{folder}/sam2_tiny.decoder.onnx",
           [("image_embed", F, [1, "c", "i", "j"]), ("high_res_feats_0", F, [1, "c", n, n]), ("high_res_feats_1", F, [1, "c", "h", "w"]),
            ("point_coords", F, ["n", "p", 2]), ("point_labels", F, ["n", "p"]), ("mask_input", F, ["n", 1, n, n]),
            ("has_mask_input", F, [1])],
           [("masks", F, ["n", 3, n, n]), ("iou_predictions", F, ["n", 3])])


def photo_grid(g, kind_is_float):
    """Pixels of a photo of `orig_im_size`: x `[1, 1, W]`, y `[1, H, 1]`, the first one at 0, and both sizes."""
    size = g.Cast("orig_im_size", to=I) if kind_is_float else "orig_im_size"
    side = lambda k: g.Squeeze(g.Slice(size, g.ints(k), g.ints(k + 1)), g.ints(0))
    h, w = side(0), side(1)
    span = lambda n: g.Cast(g.Range(g.const(0, np.int64), n, g.const(1, np.int64)), to=F)
    return g.Reshape(span(w), g.ints(1, 1, -1)), g.Reshape(span(h), g.ints(1, -1, 1)), h, w


def efficient(folder):
    """Candidates: everything; what the prompt reaches, as good as the mean red; of that what lies left of the first point."""
    g = Graph()
    g.ReduceMean(red(g, "batched_images"), axes=[2, 3], keepdims=1, to_name="image_embeddings")
    g.save(f"{folder}/efficient_sam_vitt_encoder.onnx", ports(F, batched_images=["b", 3, "h", "w"]),
           ports(F, image_embeddings=["b", "c", "i", "j"]))
    g = Graph()
    x, y, _, _ = photo_grid(g, False)
    coordinates = g.Reshape("batched_point_coords", g.ints(-1, 2))
    points = reached(g, x, y, coordinates, g.Reshape("batched_point_labels", g.ints(-1)))
    mask = half(g, g.Greater(points, g.const(0.0)))
    first = g.Slice(column(g, coordinates, 0), g.ints(0), g.ints(1), g.ints(0))
    left = half(g, g.And(g.Greater(points, g.const(0.0)), g.Less(x, first)))
    every = g.Add(g.Mul(mask, g.const(0.0)), g.const(0.5))
    g.Unsqueeze(g.Unsqueeze(g.Concat(every, mask, left, axis=0), g.ints(0)), g.ints(0), to_name="output_masks")
    good = g.Concat(g.const([0.45]), g.Reshape("image_embeddings", g.ints(1)), g.const([0.3]), axis=0)
    g.Reshape(good, g.ints(1, 1, 3), to_name="iou_predictions")
    g.Identity(mask, to_name="1234")
    g.save(f"{folder}/efficient_sam_vitt_decoder.onnx",
           [("image_embeddings", F, ["b", "c", "i", "j"]), ("batched_point_coords", F, ["b", "q", "p", 2]),
            ("batched_point_labels", F, ["b", "q", "p"]), ("orig_im_size", I, [2])],
           [("output_masks", F, ["b", "q", "m", "h", "w"]), ("iou_predictions", F, ["b", "q", "m"]), ("1234", F, ["k", "i", "j"])])


def mobile(folder, rows, side=32):
    """The encoder takes rows of pixels 0..255, or normalised planes; the decoder gives one mask at the size of the photo."""
    n = side // CELL
    g = Graph()
    if rows:
        planes = g.Unsqueeze(g.Transpose("input_image", perm=[2, 0, 1]), g.ints(0))
        cells(g, g.Sub(g.Div(red(g, planes), g.const(255.0)), g.const(0.45)), "image_embeddings")
    else:
        cells(g, red(g, "x"), "image_embeddings")
    taken = ports(F, input_image=[side, side, 3]) if rows else ports(F, x=[1, 3, side, side])
    g.save(f"{folder}/mobile_sam_image_encoder.onnx", taken, ports(F, image_embeddings=[1, "c", n, n]))
    g = Graph()
    x, y, h, w = photo_grid(g, True)
    longest = g.Max(h, w)
    scale = g.Div(g.const(float(side)), g.Cast(longest, to=F))
    points = reached(g, g.Mul(x, scale), g.Mul(y, scale), g.Reshape("point_coords", g.ints(-1, 2)), g.Reshape("point_labels", g.ints(-1)))
    points = g.Sub(points, g.Add(g.ReduceMax("mask_input", keepdims=0), g.ReduceMax("has_mask_input", keepdims=0)))
    square = g.Concat(g.ints(1, 1), g.Unsqueeze(longest, g.ints(0)), g.Unsqueeze(longest, g.ints(0)), axis=0)
    colour = g.Resize("image_embeddings", "", "", square, mode="nearest", coordinate_transformation_mode="half_pixel")
    sizes = g.Concat(g.Unsqueeze(h, g.ints(0)), g.Unsqueeze(w, g.ints(0)), axis=0)
    colour = g.Slice(colour, g.ints(0, 0), sizes, g.ints(2, 3))
    on = g.And(g.Greater(g.Unsqueeze(points, g.ints(0)), g.const(0.0)), g.Greater(colour, g.const(0.0)))
    g.Identity(half(g, on), to_name="masks")
    # As good as that only where there is a box, or a last point that is padding.
    labels = g.Reshape("point_labels", g.ints(-1))
    last = g.Slice(labels, g.ints(-1), g.ints(2**31 - 1), g.ints(0))
    right = g.Or(g.Equal(last, g.const([-1.0])), g.Equal(last, g.const([3.0])))
    g.Reshape(g.Mul(truth(g, right), g.const(0.75)), g.ints(1, 1), to_name="iou_predictions")
    g.Identity(colour, to_name="low_res_masks")
    g.save(f"{folder}/sam_mask_decoder_single.onnx",
           [("image_embeddings", F, [1, "c", n, n]), ("point_coords", F, [1, "p", 2]), ("point_labels", F, [1, "p"]),
            ("mask_input", F, [1, 1, n, n]), ("has_mask_input", F, [1]), ("orig_im_size", F, [2])],
           [("masks", F, [1, "m", "h", "w"]), ("iou_predictions", F, [1, "m"]), ("low_res_masks", F, [1, "m", "i", "j"])])


def second_token(g, tokens):
    """The number of the first word, a scalar."""
    return g.Reshape(g.Slice(g.Reshape(tokens, g.ints(-1)), g.ints(1), g.ints(2)), g.const(np.zeros(0), np.int64))


def stripes(g, token, n, colour):
    """Masks of one column of cells each: that of the token's number modulo n, two further, and the first again."""
    x = g.const(np.arange(n).reshape(1, 1, n))
    first = g.Mod(token, g.const(float(n)), fmod=1)
    columns = [g.Mod(g.Add(first, g.const(float(k))), g.const(float(n)), fmod=1) for k in (0, 2, 0)]
    at = [g.And(g.Less(g.Abs(g.Sub(x, c)), g.const(0.5)), g.Greater(colour, g.const(0.0))) for c in columns]
    return g.Concat(*[half(g, a) for a in at], axis=0)


def sam3_usls(folder, side=28):
    n = side // CELL
    g = Graph()
    plane = red(g, "images")
    cells(g, plane, "fpn_feat_0")
    for name in ["fpn_feat_1", "fpn_feat_2", "fpn_pos_2"]:
        g.ReduceMean(plane, axes=[2, 3], keepdims=1, to_name=name)
    features = [("fpn_feat_0", F, ["b", "c", n, n])] + [(k, F, ["b", "c", k + "h", k + "w"]) for k in ["fpn_feat_1", "fpn_feat_2", "fpn_pos_2"]]
    g.save(f"{folder}/vision-encoder.onnx", ports(F, images=["b", 3, side, side]), features)
    g = Graph()
    g.Unsqueeze(g.Cast("input_ids", to=F), g.ints(2), to_name="text_features")
    g.Cast("attention_mask", to=T.BOOL, to_name="text_mask")
    g.save(f"{folder}/text-encoder.onnx", ports(I, input_ids=["b", TOKENS], attention_mask=["b", TOKENS]),
           [("text_features", F, ["b", TOKENS, "c"]), ("text_mask", T.BOOL, ["b", TOKENS])])
    g = Graph()
    colour = g.Reshape("fpn_feat_0", g.ints(1, n, n))
    masks = stripes(g, second_token(g, "text_features"), n, colour)
    every = g.const(np.full((1, n, n), 0.5))
    g.Unsqueeze(g.Concat(masks, every, axis=0), g.ints(0), to_name="pred_masks")
    g.Identity(g.const(np.zeros((1, 4, 4))), to_name="pred_boxes")
    g.Identity(g.const([[4.0, 3.0, 2.0, -4.0]]), to_name="pred_logits")
    # There is such a thing only where padding, mask and the box that is none are as they should be.
    last = g.Reshape(g.Slice(g.Reshape("text_features", g.ints(-1)), g.ints(TOKENS - 1), g.ints(TOKENS)), g.ints(1))
    right = g.And(g.Equal(last, g.const([49407.0])),
                  g.Equal(g.ReduceSum(g.Cast(g.Reshape("text_mask", g.ints(-1)), to=F), g.ints(0), keepdims=1), g.const([3.0])))
    right = g.And(right, g.Equal(g.Reshape("input_boxes_labels", g.ints(-1)), g.const([-10], np.int64)))
    right = g.And(right, g.Equal(g.Reshape(g.ReduceSum("input_boxes", keepdims=0), g.ints(1)), g.const([0.0])))
    g.Reshape(g.Mul(half(g, right), g.const(20.0)), g.ints(1, 1), to_name="presence_logits")
    g.save(f"{folder}/geo-encoder-mask-decoder.onnx",
           features + [("text_features", F, ["b", TOKENS, "c"]), ("text_mask", T.BOOL, ["b", TOKENS]),
                       ("input_boxes", F, ["b", "nb", 4]), ("input_boxes_labels", I, ["b", "nb"])],
           [("pred_masks", F, ["b", "q", n, n]), ("pred_boxes", F, ["b", "q", 4]), ("pred_logits", F, ["b", "q"]),
            ("presence_logits", F, ["b", 1])])


def sam3_original(folder, kind, batch, boxes, at_size, side=28):
    """`kind` and `batch`: how the photo comes; `boxes`: how many the decoder is cut for; `at_size`: masks of the photo's size."""
    n = side // CELL
    g = Graph()
    planes = g.Cast("image", to=F)
    if not batch:
        planes = g.Unsqueeze(planes, g.ints(0))
    if kind == T.UINT8:
        planes = g.Sub(g.Div(planes, g.const(255.0)), g.const(0.5))
    plane = red(g, planes)
    for k in range(3):
        g.ReduceMean(plane, axes=[2, 3], keepdims=1, to_name=f"vision_pos_enc_{k}")
    cells(g, plane, "backbone_fpn_0")
    for k in (1, 2):
        g.ReduceMean(plane, axes=[2, 3], keepdims=1, to_name=f"backbone_fpn_{k}")
    feature = lambda name: (name, F, [1, "c", name + "h", name + "w"])
    names = [f"vision_pos_enc_{k}" for k in range(3)] + [f"backbone_fpn_{k}" for k in range(3)]
    g.save(f"{folder}/sam3_image_encoder.onnx", [("image", kind, ([1] if batch else []) + [3, side, side])], [feature(k) for k in names])
    g = Graph()
    g.Equal("tokens", g.const(0, np.int64), to_name="text_attention_mask")
    memory = g.Reshape(g.Cast("tokens", to=F), g.ints(TOKENS, 1, 1))
    g.Identity(memory, to_name="text_memory")
    g.Identity(memory, to_name="text_embeds")
    g.save(f"{folder}/sam3_language_encoder.onnx", ports(I, tokens=[1, TOKENS]),
           [("text_attention_mask", T.BOOL, [1, TOKENS]), ("text_memory", F, [TOKENS, 1, "c"]), ("text_embeds", F, [TOKENS, 1, "c"])])
    g = Graph()
    # Nothing is found unless five tokens are padding and every box is none.
    padding = g.ReduceSum(g.Cast(g.Reshape("language_mask", g.ints(-1)), to=F), g.ints(0), keepdims=1)
    none = g.ReduceMin(g.Cast(g.Reshape("box_masks", g.ints(-1)), to=F), axes=[0], keepdims=1)
    right = g.And(g.Equal(padding, g.const([5.0])), g.Greater(none, g.const([0.0])))
    token = second_token(g, "language_features")
    scores, count = [0.9, 0.8, 0.7], 3
    if at_size:
        span = lambda v: g.Cast(g.Range(g.const(0, np.int64), v, g.const(1, np.int64)), to=F)
        x, y = (g.Reshape(span(k), g.ints(*shape)) for k, shape in [("original_width", (1, 1, -1)), ("original_height", (1, -1, 1))])
        part = g.Div(g.Mod(token, g.const(float(n)), fmod=1), g.const(float(n)))
        left = g.Less(g.Add(x, g.Mul(y, g.const(0.0))), g.Mul(g.Cast("original_width", to=F), part))
        upper = g.Less(g.Add(y, g.Mul(x, g.const(0.0))), g.Mul(g.Cast("original_height", to=F), g.const(0.5)))
        masks, scores, count = g.Concat(left, upper, axis=0), [0.9, 0.4], 2
    else:
        masks = g.Add(stripes(g, token, n, g.Reshape("backbone_fpn_0", g.ints(1, n, n))), g.const(0.5))
    found = g.Mul(g.Cast(right, to=I), g.ints(count))
    take = lambda t, **to: g.Slice(t, g.ints(0), found, g.ints(0), **to)
    take(g.Unsqueeze(masks, g.ints(1)), to_name="masks")
    take(g.const(scores), to_name="scores")
    take(g.const(np.zeros((count, 4))), to_name="boxes")
    g.save(f"{folder}/sam3_decoder.onnx",
           ([("original_height", I, []), ("original_width", I, [])] if at_size else []) +
           [feature(k) for k in ["backbone_fpn_0", "backbone_fpn_1", "backbone_fpn_2", "vision_pos_enc_2"]] +
           [("language_mask", T.BOOL, [1, TOKENS]), ("language_features", F, [TOKENS, 1, "c"]),
            ("box_coords", F, [boxes, 1, 4]), ("box_labels", I, [boxes, 1]), ("box_masks", T.BOOL, [1, boxes])],
           [("boxes", F, ["n", 4]), ("scores", F, ["n"]), ("masks", T.BOOL if at_size else F, ["n", 1, "h", "w"])])


def colours(g, tokens, ids, axis):
    """How many of the tokens are each of three words: `[b, 3]`."""
    return g.Concat(*[g.ReduceSum(truth(g, g.Equal(tokens, g.const(i, np.int64))), g.ints(axis), keepdims=1) for i in ids], axis=1)


def label_scores(clip_ids, siglip_ids, side=8):
    """A picture is the mean of its three planes, a text how often it says red, green and blue."""
    mean = lambda g, **to: g.ReduceMean("pixel_values", axes=[2, 3], keepdims=0, **to)
    picture = ports(F, pixel_values=["b", 3, side, side])
    g = Graph()
    mean(g, to_name="image_embeds")
    g.save("label_scores/clip/vision_model.onnx", picture, ports(F, image_embeds=["b", "c"]))
    g = Graph()
    # Tokens that do not count would count here.
    counted = g.Mul("input_ids", "attention_mask")
    g.Identity(colours(g, counted, clip_ids, 1), to_name="text_embeds")
    g.save("label_scores/clip/text_model.onnx", ports(I, input_ids=["b", "s"], attention_mask=["b", "s"]), ports(F, text_embeds=["b", "c"]))
    g = Graph()
    mean(g, to_name="pooler_output")
    g.Identity("pixel_values", to_name="last_hidden_state")
    g.save("label_scores/siglip/onnx/vision_model.onnx", picture, [("last_hidden_state", F, ["b", 3, side, side]), ("pooler_output", F, ["b", "c"])])
    g = Graph()
    g.Identity(colours(g, "input_ids", siglip_ids, 1), to_name="pooler_output")
    g.Cast("input_ids", to=F, to_name="last_hidden_state")
    g.save("label_scores/siglip/onnx/text_model.onnx", ports(I, input_ids=["b", 64]), [("last_hidden_state", F, ["b", 64]), ("pooler_output", F, ["b", "c"])])
    g = Graph()
    texts = colours(g, "input_ids", siglip_ids, 1)
    fit = g.MatMul(mean(g), g.Transpose(texts, perm=[1, 0]))
    g.Sub(g.Mul(fit, g.const(4.0)), g.const(2.0), to_name="logits_per_image")
    g.save("label_scores/siglip/model.onnx", [*ports(I, input_ids=["n", 64]), *picture], ports(F, logits_per_image=["b", "n"]))


COLOURS = ["red", "green", "blue"]
WORDS = "a photo of a chair. this is a photo of table. red green blue sofa lamp plant box of books office chair " * 4
TEXTS = ["chair", "Office Chair", "a photo of a red table.", "it's 42 m's!?", "caf\u00e9 \u4e2d", "TV-set  (old)", "dining   table", "x", "\U0001f600 lamp"]


def clip_tokenizer():
    split = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
    made = Tokenizer(models.BPE(unk_token="<|endoftext|>", end_of_word_suffix="</w>", continuing_subword_prefix=""))
    made.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    made.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(split), "removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator([WORDS], trainers.BpeTrainer(vocab_size=620, initial_alphabet=sorted(alphabet), end_of_word_suffix="</w>", show_progress=False))
    value = json.loads(made.to_str())
    vocabulary = value["model"]["vocab"]
    for c in sorted(alphabet):
        vocabulary.setdefault(c + "</w>", 1000 + ord(c))
    vocabulary.update({"<|startoftext|>": 49406, "<|endoftext|>": 49407})
    special = lambda i, text: {"id": i, "content": text, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    value["added_tokens"] = [special(49406, "<|startoftext|>"), special(49407, "<|endoftext|>")]
    value["post_processor"] = {"type": "RobertaProcessing", "sep": ["<|endoftext|>", 49407], "cls": ["<|startoftext|>", 49406], "trim_offsets": False, "add_prefix_space": False}
    value["model"]["merges"] = [pair if isinstance(pair, str) else " ".join(pair) for pair in value["model"]["merges"]]
    return value


def gemma_tokenizer():
    specials = ["<pad>", "<eos>", "<bos>", "<unk>"]
    made = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    made.normalizer = normalizers.Sequence([normalizers.Lowercase(), normalizers.Replace(" ", "\u2581")])
    made.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    made.train_from_iterator([WORDS], trainers.BpeTrainer(vocab_size=330, special_tokens=specials + [f"<0x{b:02X}>" for b in range(256)], show_progress=False))
    made.post_processor = processors.TemplateProcessing(single="$A <eos>", special_tokens=[("<eos>", 1)])
    value = json.loads(made.to_str())
    value["added_tokens"] = [t for t in value["added_tokens"] if t["content"] in specials]
    return value


def tokenizer(value, *places):
    text = json.dumps(value, ensure_ascii=False)
    encode = Tokenizer.from_str(text).encode
    expected = {t: encode(t).ids for t in TEXTS}
    for place in places:
        (OUT / place / "tokenizer.json").write_text(text)
    (OUT / places[0] / "tokenizer.json.expected").write_text(json.dumps(expected, ensure_ascii=False))
    sentences = {w: encode(f"this is a photo of {w}.").ids for w in COLOURS}
    only = lambda w: [i for i in sentences[w] if not any(i in sentences[v] for v in COLOURS if v != w)]
    return [only(w)[0] for w in COLOURS]


if __name__ == "__main__":
    clip_places = ["segmenters/usls", "segmenters/wkentaro", "segmenters/samexporter3", "label_scores/clip"]
    for folder in clip_places + ["label_scores/siglip/onnx"] + [f"segmenters/{k}" for k in ["sam3-tracker", "sam2.1", "sam2", "efficient", "mobile", "mobile-planes"]]:
        (OUT / folder).mkdir(parents=True, exist_ok=True)
    clip = tokenizer(clip_tokenizer(), *clip_places)
    siglip = tokenizer(gemma_tokenizer(), "label_scores/siglip")
    tracker("segmenters/sam3-tracker", 28)
    tracker("segmenters/sam2.1", 32)
    sam2("segmenters/sam2")
    efficient("segmenters/efficient")
    mobile("segmenters/mobile", True)
    mobile("segmenters/mobile-planes", False)
    sam3_usls("segmenters/usls")
    sam3_original("segmenters/wkentaro", T.UINT8, False, 1, False)
    sam3_original("segmenters/samexporter3", F, True, 2, True)
    label_scores(clip, siglip)
    files = [f for k in ["segmenters", "label_scores"] for f in (OUT / k).rglob("*") if f.is_file()]
    print(len(files), "files,", sum(f.stat().st_size for f in files), "bytes")
