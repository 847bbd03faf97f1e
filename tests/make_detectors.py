#!/usr/bin/env python3
"""Writes tests/models/detectors/**/*.onnx: tiny graphs with the inputs and outputs of real detectors.

Their boxes are constants, and their scores are values of single pixels of the picture that they are shown (`probe`): so a
test sees both what a box becomes and whether the photo was shown as the family wants it. No trained weights; the files are
in git; run this only after changing it (pip install onnx numpy).
"""
import numpy as np
from onnx import TensorProto as T
from onnx import checker, helper, save

from make_models import OUT, Graph

F, I, U8 = T.FLOAT, T.INT64, T.UINT8
FOLDER = OUT / "detectors"
SIDE = 64
# 8 x 8 + 4 x 4 + 2 x 2 cells of strides 8, 16 and 32.
CELLS = 84
NAMES = "{0: 'chair', 1: 'couch', 2: 'tv'}"


def probe(g, image, places, side=SIDE, last=False):
    """Values of a picture `[1, 3, side, side]` (or `[1, side, side, 3]`) at (channel, y, x)."""
    at = [(y * side + x) * 3 + c if last else (c * side + y) * side + x for c, y, x in places]
    return g.Gather(g.Reshape(image, g.ints(-1)), g.ints(*at), axis=0)


def write(g, file, inputs, outputs, notes=()):
    port = lambda p: helper.make_tensor_value_info(*p)
    graph = helper.make_graph(g.nodes, "test", [port(p) for p in inputs], [port(p) for p in outputs], g.weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, dict(notes))
    checker.check_model(model)
    (FOLDER / file).parent.mkdir(parents=True, exist_ok=True)
    save(model, FOLDER / file)


# Left, right and bar of a photo 128 x 64 that lies in the middle of 64 x 64: rows 16 to 48.
LETTERBOX = [(0, 32, 10), (1, 32, 54), (2, 4, 4)]


def yolo():
    photo = ("images", F, [1, 3, SIDE, SIDE])
    scores = lambda g: g.Reshape(probe(g, "images", LETTERBOX), g.ints(1, 3, 1))
    # v8: columns. Column 5 is the box; column 6 the same thing a pixel beside it, a tenth less sure.
    g = Graph()
    boxes, sure = np.zeros((1, 4, CELLS)), np.zeros((1, 1, CELLS))
    boxes[0, :, 5], boxes[0, :, 6] = (20, 32, 16, 8), (21, 32, 16, 8)
    sure[0, 0, 5], sure[0, 0, 6] = 1, 0.9
    g.Concat(g.const(boxes), g.Mul(scores(g), g.const(sure)), axis=1, to_name="output0")
    write(g, "yolov8.onnx", [photo], [("output0", F, [1, 7, CELLS])], {"names": NAMES, "stride": "32"})
    # v5: rows of three anchors a cell, with a score of 0.5 for there being a thing.
    g = Graph()
    rows, sure = np.zeros((1, 3 * CELLS, 5)), np.zeros((1, 3 * CELLS, 1))
    rows[0, 7], sure[0, 7] = (20, 32, 16, 8, 0.5), 1
    classes = g.Mul(g.Transpose(scores(g), perm=[0, 2, 1]), g.const(sure))
    g.Concat(g.const(rows), classes, axis=2, to_name="output0")
    write(g, "yolov5.onnx", [photo], [("output0", F, [1, 3 * CELLS, 8])], {"names": NAMES, "stride": "32"})
    # v10: finished rows; the last is of no use.
    g = Graph()
    row = lambda k: g.Concat(g.const([12.0, 28, 28, 36]), g.Gather(g.Reshape(scores(g), g.ints(3)), g.ints(k), axis=0),
                             g.const([float(k)]), axis=0)
    g.Reshape(g.Concat(row(0), row(1), row(2), g.const([0.0] * 6), axis=0), g.ints(1, 4, 6), to_name="output0")
    write(g, "yolov10.onnx", [photo], [("output0", F, [1, 4, 6])], {"names": NAMES, "stride": "32"})


def yolox():
    """Blue first, bytes, top left: the cell at column 1, row 0 of stride 16, half a cell in, 32 x 16 pixels."""
    g = Graph()
    rows, sure = np.zeros((1, CELLS, 5)), np.zeros((1, CELLS, 1))
    rows[0, 64 + 1], sure[0, 64 + 1] = (0.5, 0.5, np.log(2), 0, 0.5), 1
    scores = g.Mul(probe(g, "images", [(2, 16, 10), (1, 16, 54), (0, 60, 4)]), g.const(1 / 255))
    g.Concat(g.const(rows), g.Mul(g.Reshape(scores, g.ints(1, 1, 3)), g.const(sure)), axis=2, to_name="output")
    write(g, "yolox.onnx", [("images", F, [1, 3, SIDE, SIDE])], [("output", F, [1, CELLS, 8])])
    (FOLDER / "yolox.labels.txt").write_text("chair\ncouch\ntv\n")


def centernet():
    """Bytes, channels last, top left of black."""
    g = Graph()
    scores = g.Mul(probe(g, "images", [(0, 16, 10), (1, 16, 54)], last=True), g.const(1 / 255))
    row = lambda k, c: g.Concat(g.const([12.0, 8, 28, 16]), g.Gather(scores, g.ints(k), axis=0), g.const([float(c)]), axis=0)
    g.Reshape(g.Concat(row(0, 56), row(1, 57), axis=0), g.ints(1, 2, 6), to_name="detections")
    write(g, "centernet.onnx", [("images", F, [1, SIDE, SIDE, 3])], [("detections", F, [1, 2, 6])])


def queries():
    # RT-DETR, D-FINE: sizes are fed, boxes come in their pixels.
    g = Graph()
    size = g.Cast(g.Concat("orig_target_sizes", "orig_target_sizes", axis=1), to=F)
    g.Mul(g.const([[[0.25, 0.25, 0.5, 0.75], [0, 0, 1, 1]]]), g.Unsqueeze(size, g.ints(1)), to_name="boxes")
    g.Identity(g.const([[56, 62]], np.int64), to_name="labels")
    g.Reshape(probe(g, "images", [(0, 5, 10), (1, 60, 54)]), g.ints(1, 2), to_name="scores")
    write(g, "rtdetr.onnx", [("images", F, ["n", 3, SIDE, SIDE]), ("orig_target_sizes", I, ["n", 2])],
          [("labels", I, ["n", 2]), ("boxes", F, ["n", 2, 4]), ("scores", F, ["n", 2])])
    # RF-DETR: logits of COCO's identifiers; the value of a pixel by ImageNet's mean and deviation is one of them.
    g = Graph()
    at = np.zeros((1, 2, 91))
    at[0, 0, 62] = 1
    logit = g.Mul(g.Reshape(probe(g, "input", [(0, 5, 10)]), g.ints(1, 1, 1)), g.const(at))
    g.Add(logit, g.const(-20 * (1 - at)), to_name="labels")
    g.Identity(g.const([[[0.375, 0.5, 0.25, 0.5], [0.5, 0.5, 1, 1]]]), to_name="dets")
    write(g, "rfdetr.onnx", [("input", F, [1, 3, SIDE, SIDE])], [("dets", F, [1, 2, 4]), ("labels", F, [1, 2, 91])])
    # DETR: softmax over 91 identifiers and nothing; the size of the picture is a logit of the first query.
    g = Graph()
    logits = np.zeros((1, 2, 92))
    logits[0, 0, 62], logits[0, 1, 91] = np.log(3 * 91.0), 20
    used = g.Mul(g.Sub(g.Cast(g.ReduceMax("pixel_mask", keepdims=0), to=F), g.const(1.0)), g.const(9.0))
    shape = g.Cast(g.Slice(g.Shape("pixel_values"), g.ints(2), g.ints(4)), to=F)
    # (800, 1333) at most: a picture of another shape spoils it.
    right = g.ReduceSum(g.Abs(g.Sub(shape, g.const([666.0, 1332.0]))), keepdims=0)
    g.Sub(g.const(logits), g.Mul(g.Add(right, used), g.const(np.eye(92)[62].reshape(1, 1, 92))), to_name="logits")
    g.Identity(g.const([[[0.375, 0.5, 0.25, 0.5], [0.5, 0.5, 1, 1]]]), to_name="pred_boxes")
    write(g, "detr.onnx", [("pixel_values", F, ["b", 3, "h", "w"]), ("pixel_mask", I, ["b", "h", "w"])],
          [("logits", F, ["b", 2, 92]), ("pred_boxes", F, ["b", 2, 4])])


def ssd():
    # TensorFlow: bytes of any size, y before x, identifiers from 1, the last entry beyond num_detections.
    g = Graph()
    first = g.Slice(g.Reshape("image_tensor:0", g.ints(-1)), g.ints(0), g.ints(1))
    score = g.Div(g.Cast(first, to=F), g.const(255.0))
    g.Reshape(g.Concat(score, g.const([0.75, 0.9]), axis=0), g.ints(1, 3), to_name="detection_scores:0")
    g.Identity(g.const([[[0.25, 0.5, 0.5, 1], [0, 0, 1, 0.5], [0, 0, 1, 1]]]), to_name="detection_boxes:0")
    g.Identity(g.const([[62.0, 90, 1]]), to_name="detection_classes:0")
    g.Identity(g.const([2.0]), to_name="num_detections:0")
    write(g, "ssd.onnx", [("image_tensor:0", U8, [1, "h", "w", 3])],
          [("detection_boxes:0", F, [1, 3, 4]), ("detection_classes:0", F, [1, 3]), ("detection_scores:0", F, [1, 3]),
           ("num_detections:0", F, [1])])


def yolo_world():
    """The score of a class is the first number of its embedding."""
    g = Graph()
    boxes, sure = np.zeros((1, 4, CELLS)), np.zeros((1, 1, CELLS))
    boxes[0, :, 5], sure[0, 0, 5] = (20, 32, 16, 8), 1
    first = g.Slice("txt_feats", g.ints(0), g.ints(1), g.ints(2))
    pixel = g.Reshape(probe(g, "images", LETTERBOX[:1]), g.ints(1, 1, 1))
    g.Concat(g.const(boxes), g.Mul(g.Mul(first, pixel), g.const(sure)), axis=1, to_name="output0")
    write(g, "world/yolo_world.onnx", [("images", F, [1, 3, SIDE, SIDE]), ("txt_feats", F, [1, "n", 4])],
          [("output0", F, [1, "m", CELLS])])
    (FOLDER / "world/labels.txt").write_text("floor lamp\nbean bag\n")
    np.save(FOLDER / "world/embeddings.npy", np.array([[3, 4, 0, 0], [0, 0, 0, 2]], np.float32))


def grounding_dino():
    """The first query fits the tokens of "potted plant", the second that of "chair" too little."""
    words = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n.\nchair\npot\n##ted\nplant\n"
    g = Graph()
    ids = g.Cast("input_ids", to=F)
    # Ids 6, 7, 8 have logits log 3, log 1, log 3: scores 0.75, 0.5, 0.75, mean 2/3.
    is_id = lambda k: g.Cast(g.Equal(ids, g.const(float(k))), to=F)
    plant = g.Add(g.Mul(g.Add(is_id(6), is_id(8)), g.const(np.log(3) + 20)), g.Mul(is_id(7), g.const(20.0)))
    chair = g.Mul(is_id(5), g.const(20 - np.log(9)))
    rows = g.Concat(g.Unsqueeze(plant, g.ints(1)), g.Unsqueeze(chair, g.ints(1)), axis=1)
    used = g.Cast(g.Unsqueeze(g.Mul("attention_mask", g.Sub(g.const(1, np.int64), "token_type_ids")), g.ints(1)), to=F)
    rows = g.Mul(g.Sub(rows, g.const(20.0)), used)
    length = g.Slice(g.Shape("input_ids"), g.ints(1), g.ints(2))
    pads = g.Concat(g.ints(0, 0, 0, 0, 0), g.Sub(g.ints(256), length), axis=0)
    g.Pad(rows, pads, g.const(np.float32("-inf")), to_name="logits")
    mean = g.Mul(g.ReduceMean("pixel_values", keepdims=0), g.Cast(g.Sub(g.const(1, np.int64), g.ReduceMin("pixel_mask", keepdims=0)), to=F))
    g.Add(g.const([[[0.375, 0.5, 0.25, 0.5], [0.5, 0.5, 1, 1]]]), mean, to_name="pred_boxes")
    write(g, "dino/model.onnx",
          [("pixel_values", F, ["b", 3, "h", "w"]), ("input_ids", I, ["b", "l"]), ("token_type_ids", I, ["b", "l"]),
           ("attention_mask", I, ["b", "l"]), ("pixel_mask", I, ["b", "h", "w"])],
          [("logits", F, ["b", 2, 256]), ("pred_boxes", F, ["b", 2, 4])])
    (FOLDER / "dino/vocab.txt").write_text(words)
    (FOLDER / "dino/labels.txt").write_text("chair\npotted plant\n")


if __name__ == "__main__":
    yolo()
    yolox()
    centernet()
    queries()
    ssd()
    yolo_world()
    grounding_dino()
    print(sum(f.stat().st_size for f in FOLDER.rglob("*.onnx")), "bytes")
