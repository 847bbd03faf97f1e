"""The plain baseline beside the embedded segmenter: Felzenszwalb and Huttenlocher's graph segmentation of the fused surface.

usage: python3 benches/felzenszwalb.py SCENE TRUTH SCORE_PY   (numpy, scipy, plyfile, pillow)

Vertices of mesh.ply, one a 4 cm cell, are joined to their 8 nearest neighbours with weight 1 - n_i . n_j, squared where the surface is convex
(Karpathy et al., ICRA 2013). Segments of 40 cells and more get the smallest upright rectangle around their footprint; the
score of a segment is its share of the largest. No structure is taken out, nothing is tuned. Scored with the functions of the independent scorer.
"""
import importlib.util
import json
import math
import sys
import numpy as np
from plyfile import PlyData
from scipy.spatial import ConvexHull, cKDTree

CELL, NEIGHBOURS, LEAST = 0.04, 8, 40


def segments(points, normals, k):
    """Felzenszwalb and Huttenlocher 2004: components whose inner difference plus k / size exceeds the edge between them."""
    _, near = cKDTree(points).query(points, NEIGHBOURS + 1)
    a = np.repeat(np.arange(len(points)), NEIGHBOURS)
    b = near[:, 1:].ravel()
    w = 1 - (normals[a] * normals[b]).sum(1)
    convex = (normals[b] * (points[b] - points[a])).sum(1) > 0
    w = np.where(convex, w * w, w)
    parent, size, inner = np.arange(len(points)), np.ones(len(points), int), np.zeros(len(points))

    def root(i):
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for e in np.argsort(w, kind="stable"):
        i, j = root(a[e]), root(b[e])
        if i != j and w[e] <= min(inner[i] + k / size[i], inner[j] + k / size[j]):
            parent[j] = i
            size[i] += size[j]
            inner[i] = w[e]
    return np.array([root(i) for i in range(len(points))])


def box(points):
    """Smallest upright box: centre, axes, size."""
    hull = points[ConvexHull(points[:, :2]).vertices, :2] if len(points) > 3 else points[:, :2]
    best = None
    for d in np.diff(np.r_[hull, hull[:1]], axis=0):
        t = math.atan2(d[1], d[0])
        r = np.array([[math.cos(t), math.sin(t)], [-math.sin(t), math.cos(t)]])
        q = hull @ r.T
        lo, hi = q.min(0), q.max(0)
        if best is None or np.prod(hi - lo) < best[0]:
            best = (np.prod(hi - lo), r, lo, hi)
    _, r, lo, hi = best
    z = points[:, 2]
    center = np.r_[(lo + hi) / 2 @ r, (z.min() + z.max()) / 2]
    axes = np.eye(3)
    axes[:2, :2] = r.T
    return center, axes, np.r_[np.maximum(hi - lo, 0.01), max(z.max() - z.min(), 0.01)]


def main(scene, truth, score_py, k=3.0):
    spec = importlib.util.spec_from_file_location("score", score_py)
    score = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(score)
    v = PlyData.read(f"{scene}/mesh.ply")["vertex"]
    points = np.stack([v["x"], v["y"], v["z"]], 1).astype(float)
    normals = np.stack([v["nx"], v["ny"], v["nz"]], 1).astype(float)
    _, first = np.unique((points // CELL).astype(int), axis=0, return_index=True)
    points, normals = points[first], normals[first]
    of = segments(points, normals, k)
    ids, counts = np.unique(of, return_counts=True)
    found = [(c, box(points[of == i])) for i, c in zip(ids, counts) if c >= LEAST]
    poses = {f["file"]: np.array(f["c2w"]) for f in json.load(open(f"{truth}/poses.json"))["frames"]}
    ours = score.read_sparse(f"{scene}/sparse/0")
    both = [f for f in poses if f in ours]
    s, r, t = score.umeyama(np.array([ours[f][0][:3, 3] for f in both]), np.array([poses[f][:3, 3] for f in both]))
    dets = [(c / counts.max(), "", (s * r @ b[0] + t, r @ b[1], s * b[2])) for c, b in found]
    gts = []
    for b in json.load(open(f"{truth}/boxes.json")):
        if not b["structural"]:
            c, n = math.cos(b["yaw"]), math.sin(b["yaw"])
            axes = np.array([[c, -n, 0], [n, c, 0], [0, 0, 1]])
            gts.append(({b["label"]}, (np.array(b["center"]), axes, np.array(b["size"]))))
    print(scene, len(dets), "segments", {f"AP{int(100 * x)}": score.ap(dets, gts, x, False) for x in (0.25, 0.5)})


if __name__ == "__main__":
    main(*sys.argv[1:4])
