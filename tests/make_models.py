#!/usr/bin/env python3
"""Writes tests/models/*.onnx: tiny graphs with the inputs and outputs of real models, whose results are known numbers.

They hold no trained weights. The files are in git; run this only after changing it (pip install onnx numpy).
"""
import pathlib

import numpy as np
from onnx import TensorProto as T
from onnx import checker, helper, save

OUT = pathlib.Path(__file__).parent / "models"
F, H16, I = T.FLOAT, T.FLOAT16, T.INT64


class Graph:
    """Nodes with names of their own; `g.Add(a, b)` appends a node and returns the name of its output."""

    def __init__(self):
        self.nodes, self.weights, self.count = [], [], 0

    def name(self):
        self.count += 1
        return f"t{self.count}"

    def const(self, value, dtype=np.float32):
        name = self.name()
        array = np.asarray(value, dtype)
        kind = {np.dtype("float32"): F, np.dtype("int64"): I, np.dtype("float16"): H16}[array.dtype]
        raw = array.tobytes()
        self.weights.append(helper.make_tensor(name, kind, array.shape, raw, raw=True))
        return name

    def ints(self, *values):
        return self.const(values, np.int64)

    def __getattr__(self, op):
        def add(*inputs, out=1, to_name=None, **attributes):
            names = [to_name] if to_name else [self.name() for _ in range(out)]
            self.nodes.append(helper.make_node(op, list(inputs), names, **attributes))
            return names[0] if len(names) == 1 else names

        return add

    def save(self, file, inputs, outputs):
        port = lambda p: helper.make_tensor_value_info(p[0], p[1], p[2])
        graph = helper.make_graph(self.nodes, "test", [port(p) for p in inputs], [port(p) for p in outputs], self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        checker.check_model(model)
        save(model, OUT / file)


def channel(g, images, k, axis):
    """Channel `k`, that axis left out."""
    return g.Gather(images, g.const(k, np.int64), axis=axis)


def gauss(g, x, sigma):
    r = int(3 * sigma + 0.5)
    k = np.exp(-0.5 * (np.arange(-r, r + 1) / sigma) ** 2)
    k = (k / k.sum()).astype(np.float32)
    x = g.Pad(x, g.ints(0, 0, r, r, 0, 0, r, r), mode="edge")
    x = g.Conv(x, g.const(k.reshape(1, 1, 1, -1)))
    return g.Conv(x, g.const(k.reshape(1, 1, -1, 1)))


def xfeat(file, threshold, most=1500):
    """Blobs by the difference of two Gaussians; descriptors are the blurred 8 x 8 surroundings, three pixels apart."""
    g = Graph()
    grey = g.ReduceMean("images", axes=[1], keepdims=1)
    fine, coarse = gauss(g, grey, 1.2), gauss(g, grey, 2.0)
    blob = g.Abs(g.Sub(fine, coarse))
    peak = g.MaxPool(blob, kernel_shape=[5, 5], pads=[2, 2, 2, 2])
    is_peak = g.And(g.GreaterOrEqual(blob, peak), g.Greater(blob, g.const(threshold)))
    # Not at the border, where surroundings are missing.
    inner = g.Pad(g.Slice(g.Cast(is_peak, to=F), g.ints(14, 14), g.ints(-14, -14), g.ints(2, 3)),
                  g.ints(0, 0, 14, 14, 0, 0, 14, 14))
    found = g.Transpose(g.NonZero(inner), perm=[1, 0])
    strength = g.GatherND(blob, found)
    count = g.Min(g.Shape(strength), g.ints(most))
    scores, order = g.TopK(strength, count, out=2)
    g.Identity(scores, to_name="scores")
    found = g.Gather(found, order)
    yx = g.Slice(found, g.ints(2), g.ints(4), g.ints(1))
    y, x = (g.Slice(g.Cast(yx, to=F), g.ints(k), g.ints(k + 1), g.ints(1)) for k in (0, 1))
    g.Concat(x, y, axis=1, to_name="keypoints")
    eye = g.EyeLike(g.ConstantOfShape(g.ints(64, 64)), dtype=F)
    around = g.Pad(fine, g.ints(0, 0, 10, 10, 0, 0, 11, 11), mode="edge")
    patches = g.Conv(around, g.Reshape(eye, g.ints(64, 1, 8, 8)), dilations=[3, 3])
    at = g.Concat(g.Slice(found, g.ints(0), g.ints(1), g.ints(1)), yx, axis=1)
    d = g.GatherND(g.Transpose(patches, perm=[0, 2, 3, 1]), at)
    d = g.Sub(d, g.ReduceMean(d, axes=[1], keepdims=1))
    g.Div(d, g.Add(g.ReduceL2(d, axes=[1], keepdims=1), g.const(1e-6)), to_name="descriptors")
    g.save(file, [("images", F, [1, 3, "h", "w"])],
           [("keypoints", F, ["n", 2]), ("descriptors", F, ["n", 64]), ("scores", F, ["n"])])


def brightest(g, images, batch, k=4):
    """Whole pixel coordinates `[batch, k, 2]` (x, y) of the brightest pixels, and their brightness."""
    grey = g.ReduceMean(images, axes=[1], keepdims=0)
    width = g.Slice(g.Shape(grey), g.ints(2), g.ints(3))
    scores, at = g.TopK(g.Reshape(grey, g.ints(batch, -1)), g.ints(k), out=2)
    x, y = g.Mod(at, width), g.Div(at, width)
    return g.Concat(g.Unsqueeze(x, g.ints(2)), g.Unsqueeze(y, g.ints(2)), axis=2), scores


def pipelines():
    for file, channels, floats in [("superpoint_pipeline.onnx", 1, False), ("aliked_pipeline.onnx", 3, True)]:
        g = Graph()
        points, _ = brightest(g, "images", 2)
        if floats:
            g.Add(g.Cast(points, to=F), g.const(0.25), to_name="keypoints")
        else:
            g.Identity(points, to_name="keypoints")
        # The last would be of another pair, and the one before it is of no keypoint.
        g.Identity(g.const([[0, 2, 0], [0, 0, 1], [0, 3, 3], [0, 1, 9], [1, 0, 0]], np.int64), to_name="matches")
        g.Identity(g.const([0.9, 0.8, 0.7, 0.6, 0.5]), to_name="mscores")
        g.save(file, [("images", F, ["b", channels, "h", "w"])],
               [("keypoints", F if floats else I, ["b", 4, 2]), ("matches", I, ["m", 3]), ("mscores", F, ["m"])])
    g = Graph()
    for k in "01":
        points, _ = brightest(g, "image" + k, 1)
        g.Identity(points, to_name="kpts" + k)
    g.Identity(g.const([[0, 1], [1, 0]], np.int64), to_name="matches0")
    g.Identity(g.const([0.9, 0.8]), to_name="mscores0")
    g.save("end_to_end.onnx", [(f"image{k}", F, [1, 1, "h", "w"]) for k in "01"],
           [("kpts0", I, [1, 4, 2]), ("kpts1", I, [1, 4, 2]), ("matches0", I, ["s", 2]), ("mscores0", F, ["s"])])


def split():
    g = Graph()
    points, scores = brightest(g, "image", 1)
    g.Identity(points, to_name="keypoints")
    g.Identity(scores, to_name="scores")
    g.Cast(g.Concat(points, g.Sub(g.ints(100), points), axis=2), to=F, to_name="descriptors")
    g.save("split/disk.onnx", [("image", F, [1, 3, "h", "w"])],
           [("keypoints", I, [1, "n", 2]), ("scores", F, [1, "n"]), ("descriptors", F, [1, "n", 4])])
    # Each keypoint of the first with the nearest of the second, in the normalised coordinates, where that is near.
    g = Graph()
    away = g.Sub(g.Unsqueeze("kpts0", g.ints(2)), g.Unsqueeze("kpts1", g.ints(1)))
    distance = g.ReduceL2(away, axes=[3], keepdims=0)
    near = g.Less(g.ReduceMin(distance, axes=[2], keepdims=0), g.const(0.02))
    j = g.ArgMin(distance, axis=2, keepdims=0)
    at = g.Transpose(g.NonZero(g.Cast(near, to=F)), perm=[1, 0])
    i = g.Slice(at, g.ints(1), g.ints(2), g.ints(1))
    g.Concat(i, g.Unsqueeze(g.GatherND(j, at), g.ints(1)), axis=1, to_name="matches0")
    # Its descriptors are looked at too, so that no input is unused.
    sums = g.Add(g.ReduceSum("desc0", keepdims=0), g.ReduceSum("desc1", keepdims=0))
    g.Add(g.Mul(g.Cast(g.Squeeze(i, g.ints(1)), to=F), g.const(0.0)), sums, to_name="mscores0")
    g.save("split/disk_lightglue.onnx",
           [("kpts0", F, [1, "m", 2]), ("kpts1", F, [1, "n", 2]), ("desc0", F, [1, "m", "d"]), ("desc1", F, [1, "n", "d"])],
           [("matches0", I, ["s", 2]), ("mscores0", F, ["s"])])


def any_view():
    """depth = 5 + red + 0.1 green + 0.01 blue + number of views / 1000, of the normalised photo; confidence 4."""
    for file, names in [("da3_small/model.onnx", ["predicted_depth", "confidence", "extrinsics", "intrinsics"]),
                        ("DA3-SMALL.onnx", ["out.0", "out.1", "out.2", "out.3"])]:
        g = Graph()
        weigh = g.Mul("pixel_values", g.const(np.array([1, 0.1, 0.01]).reshape(1, 1, 3, 1, 1)))
        views = g.Cast(g.Slice(g.Shape("pixel_values"), g.ints(1), g.ints(2)), to=F)
        depth = g.Add(g.ReduceSum(weigh, g.ints(2), keepdims=0), g.Add(g.const(5.0), g.Mul(views, g.const(0.001))))
        g.Identity(depth, to_name=names[0])
        g.Add(g.Mul(depth, g.const(0.0)), g.const(4.0), to_name=names[1])
        shape = lambda r, c: g.Concat(g.Slice(g.Shape("pixel_values"), g.ints(0), g.ints(2)), g.ints(r, c), axis=0)
        matrices = [(3, 4), (3, 3)] if names[2] == "extrinsics" else [(3, 3), (3, 4)]
        for (r, c), name in zip(matrices, names[2:]):
            g.Expand(g.const(np.eye(r, c).reshape(1, 1, r, c)), shape(r, c), to_name=name)
        # As several exporters do, the sizes of the outputs are declared wrongly or not at all.
        g.save(file, [("pixel_values", F, ["b", "n", 3, "h", "w"])],
               [(names[0], F, ["b", "n", "h", "w"]), (names[1], F, ["b", "n", "h", "w"]),
                (names[2], F, ["b", "n", *matrices[0]]), (names[3], F, ["b", "n", *matrices[1]])])


def single():
    """Depth 6 + red of the normalised photo; Depth Anything 3 metric has a sky, 1 where blue is above its mean."""
    g = Graph()
    red, blue = (g.Unsqueeze(channel(g, "image", k, 1), g.ints(1)) for k in (0, 2))
    g.Add(red, g.const(6.0), to_name="depth")
    g.Cast(g.Greater(blue, g.const(0.0)), to=F, to_name="sky")
    g.save("DA3METRIC-LARGE.onnx", [("image", F, [1, 3, 70, 98])], [("depth", F, [1, 1, 70, 98]), ("sky", F, [1, 1, 70, 98])])
    for file, kind in [("depth_anything_v2_vits.onnx", F), ("depth_anything_v2_vits_fp16.onnx", H16)]:
        g = Graph()
        g.Add(channel(g, "pixel_values", 0, 1), g.Cast(g.const(6.0), to=kind), to_name="predicted_depth")
        g.save(file, [("pixel_values", kind, ["b", 3, "h", "w"])], [("predicted_depth", kind, ["b", "h", "w"])])
    # A slanted plane in metres, whatever the photo shows: 1 / depth = 0.4 - 0.1 (x / width).
    g = Graph()
    zero = g.Mul(channel(g, "image", 0, 1), g.const(0.0))
    across = g.CumSum(g.Add(zero, g.const(1.0)), g.const(2, np.int64))
    width = g.Cast(g.Slice(g.Shape(zero), g.ints(2), g.ints(3)), to=F)
    g.Reciprocal(g.Sub(g.const(0.4), g.Mul(g.Div(g.Sub(across, g.const(0.5)), width), g.const(0.1))), to_name="depth")
    g.save("metric_plane.onnx", [("image", F, [1, 3, "h", "w"])], [("depth", F, [1, "h", "w"])])


def moge():
    """A surface at 2 + red, its points 0.5 too near, for a focal length of the width; metric scale num_tokens / 1200."""
    g = Graph()
    red = channel(g, "image", 0, 1)
    zero = g.Mul(red, g.const(0.0))
    size = lambda a: g.Cast(g.Slice(g.Shape(zero), g.ints(a), g.ints(a + 1)), to=F)
    one = g.Add(zero, g.const(1.0))
    ray = lambda a: g.Div(g.Sub(g.Sub(g.CumSum(one, g.const(a, np.int64)), g.const(0.5)), g.Mul(size(a), g.const(0.5))), size(2))
    depth = g.Add(red, g.const(2.0))
    x, y = g.Mul(ray(2), depth), g.Mul(ray(1), depth)
    z = g.Sub(depth, g.const(0.5))
    last = g.ints(3)
    g.Concat(g.Unsqueeze(x, last), g.Unsqueeze(y, last), g.Unsqueeze(z, last), axis=3, to_name="points")
    g.Cast(g.Less(channel(g, "image", 2, 1), g.const(0.5)), to=F, to_name="mask")
    g.Unsqueeze(g.Div(g.Cast("num_tokens", to=F), g.const(1200.0)), g.ints(0), to_name="metric_scale")
    g.save("moge-2-vits.onnx", [("image", F, ["b", 3, "h", "w"]), ("num_tokens", I, [])],
           [("points", F, ["b", "h", "w", 3]), ("mask", F, ["b", "h", "w"]), ("metric_scale", F, ["b"])])


def vggt():
    """Depth 1 + red, of the photo as it is; confidence 1 + 3 green."""
    g = Graph()
    last, first = g.ints(3), g.ints(0)
    red, green = (channel(g, "input_images", k, 1) for k in (0, 1))
    g.Unsqueeze(g.Unsqueeze(g.Add(red, g.const(1.0)), last), first, to_name="depth")
    g.Unsqueeze(g.Add(g.Mul(green, g.const(3.0)), g.const(1.0)), first, to_name="depth_conf")
    views = g.Slice(g.Shape(red), g.ints(0), g.ints(1))
    g.Expand(g.const(np.zeros((1, 1, 9))), g.Concat(g.ints(1), views, g.ints(9), axis=0), to_name="pose_enc")
    g.save("vggt.onnx", [("input_images", F, ["n", 3, 518, 518])],
           [("pose_enc", F, ["m", 1, 9]), ("depth", F, ["m", 1, 518, 518, 1]), ("depth_conf", F, ["m", 1, 518, 518])])


def classifier():
    g = Graph()
    g.ReduceMean("image", axes=[2, 3], keepdims=0, to_name="logits")
    g.save("classifier.onnx", [("image", F, [1, 3, 224, 224])], [("logits", F, [1, 3])])


if __name__ == "__main__":
    for folder in ["split", "da3_small"]:
        (OUT / folder).mkdir(parents=True, exist_ok=True)
    xfeat("xfeat.onnx", 0.01)
    xfeat("xfeat_nothing.onnx", 9.0)
    pipelines()
    split()
    any_view()
    single()
    moge()
    vggt()
    classifier()
    print(sum(f.stat().st_size for f in OUT.rglob("*.onnx")), "bytes")
