#!/usr/bin/env python3
"""Writes tests/splats/: small splats, each written by another program, of the numbers of `known` in src/splat/file/tests.rs.

The files are in git; run this only after changing it:
    pip install numpy plyfile gsply
    npm install --prefix NODE @playcanvas/splat-transform @adobe/spz
    tests/make_splats.py NODE
"""
import pathlib
import subprocess
import sys
import tempfile

import gsply
import numpy as np
from plyfile import PlyData, PlyElement

OUT = pathlib.Path(__file__).parent / "splats"
NODE = pathlib.Path(sys.argv[1]).resolve() / "node_modules"


def known(n, degree):
    """Columns of the 3DGS PLY. SH are channel-major."""
    i = np.arange(n)[:, None]
    number = lambda *j: ((i * 7919 + np.array(j) * 104729 + i * np.array(j) * 31) % 1000) / 1000
    three = lambda j, scale, shift: number(j, j + 1, j + 2) * scale + shift
    quat = number(6, 7, 8, 9) - 0.45
    quat /= np.linalg.norm(quat, axis=1, keepdims=True)
    rest = (degree + 1) ** 2 - 1
    sh = [three(11 + 3 * k, 0.8, -0.4) for k in range(1, rest + 1)]
    columns = dict(zip("xyz", three(0, 4, -2).T))
    columns |= {f"f_dc_{c}": v for c, v in enumerate(three(11, 2, -1).T)}
    columns |= {f"f_rest_{c * rest + k}": sh[k][:, c] for c in range(3) for k in range(rest)}
    columns["opacity"] = number(10)[:, 0] * 6 - 2
    columns |= {f"scale_{k}": v for k, v in enumerate(three(3, 3, -6).T)}
    columns |= {f"rot_{k}": v for k, v in enumerate(quat.T)}
    return {name: np.asarray(v, np.float32) for name, v in columns.items()}


def write_ply(path, columns, comments=()):
    rows = np.empty(len(columns["x"]), dtype=[(name, "f4") for name in columns])
    for name, values in columns.items():
        rows[name] = values
    PlyData([PlyElement.describe(rows, "vertex")], byte_order="<", comments=list(comments)).write(path)


NIANTIC = """
import { readFileSync, writeFileSync } from 'node:fs';
const [, , library, input, out] = process.argv;
const spz = await (await import(library)).default();
const f = JSON.parse(readFileSync(input));
const cloud = { numPoints: f.positions.length / 3, shDegree: 3, extensions: [] };
for (const name of ['positions', 'scales', 'rotations', 'alphas', 'colors', 'sh']) cloud[name] = Float32Array.from(f[name]);
for (const version of [2, 3, 4]) {
    const options = { version, from: spz.CoordinateSystem.UNSPECIFIED, sh1Bits: 5, shRestBits: 4 };
    writeFileSync(`${out}/niantic.v${version}.spz`, spz.saveSpzToBuffer({ ...cloud, antialiased: version === 4 }, options));
}
"""


def niantic(columns, tmp):
    import json

    stack = lambda *names: np.stack([columns[n] for n in names], 1).ravel().tolist()
    rest = [f"f_rest_{c * 15 + k}" for k in range(15) for c in range(3)]
    fields = {
        "positions": stack("x", "y", "z"), "scales": stack("scale_0", "scale_1", "scale_2"),
        "rotations": stack("rot_1", "rot_2", "rot_3", "rot_0"), "alphas": stack("opacity"),
        "colors": stack("f_dc_0", "f_dc_1", "f_dc_2"), "sh": stack(*rest),
    }
    (tmp / "in.json").write_text(json.dumps(fields))
    (tmp / "pack.mjs").write_text(NIANTIC)
    subprocess.run(["node", tmp / "pack.mjs", NODE / "@adobe/spz/dist/spz.js", tmp / "in.json", OUT], check=True)


def splat_transform(*args):
    cli = NODE / "@playcanvas/splat-transform/bin/cli.mjs"
    subprocess.run(["node", cli, "--quiet", "--overwrite", *args], check=True)


def main():
    OUT.mkdir(exist_ok=True)
    small, large = known(40, 3), known(300, 1)
    write_ply(OUT / "plyfile.ply", small, ["made by plyfile", "SplatRenderMode: mip"])
    with tempfile.TemporaryDirectory() as tmp:
        tmp = pathlib.Path(tmp)
        write_ply(tmp / "large.ply", large)
        splat_transform(tmp / "large.ply", OUT / "splat-transform.compressed.ply")
        splat_transform(OUT / "plyfile.ply", OUT / "splat-transform.ply")
        splat_transform("--spz-version", "3", OUT / "plyfile.ply", OUT / "splat-transform.v3.spz")
        niantic(small, tmp)
    data = gsply.plyread(OUT / "plyfile.ply")
    gsply.plywrite(OUT / "gsply.compressed.ply", data, compressed=True)
    gsply.write_spz(OUT / "gsply.v4.spz", data, version=4)


main()
