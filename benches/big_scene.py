"""A scene with more in it: copies of its Gaussians and of its instances, a little beside each other.

    python3 benches/big_scene.py SCENE OUT [--gaussians N] [--instances N]

For how the window copes with large scenes; the copies mean nothing. Needs no package.
"""

import argparse
import json
import pathlib
import random
import shutil
import struct


def gaussians(path, n):
    data = path.read_bytes()
    end = data.index(b"end_header\n") + len(b"end_header\n")
    header = data[:end].decode()
    old = int(next(l for l in header.splitlines() if l.startswith("element vertex")).split()[2])
    size = (len(data) - end) // old
    rows = [bytearray(data[end + k * size : end + (k + 1) * size]) for k in range(old)]
    rng = random.Random(0)
    out = bytearray()
    for k in range(n):
        row = bytearray(rows[k % old])
        if k >= old:
            at = struct.unpack_from("<3f", row)
            struct.pack_into("<3f", row, 0, *(x + rng.uniform(-0.01, 0.01) for x in at))
        out += row
    path.write_bytes(header.replace(f"element vertex {old}", f"element vertex {n}").encode() + out)


def instances(scene, n):
    file = scene / "instances.json"
    data = json.loads(file.read_text())
    found = data["instances"]
    rng = random.Random(1)
    more = []
    for k in range(n):
        one = json.loads(json.dumps(found[k % len(found)]))
        if k >= len(found):
            one["id"] = 1000 + k
            one["score"] = round(rng.random(), 4)
            one["box"]["center"] = [x + rng.uniform(-0.5, 0.5) for x in one["box"]["center"]]
        more.append(one)
    file.write_text(json.dumps({**data, "instances": more}))
    copies = {}
    for one, like in zip(more, (found[k % len(found)]["id"] for k in range(n))):
        copies.setdefault(like, []).append(one["id"])
    for path in (scene / "masks").glob("*.json"):
        frame = json.loads(path.read_text())
        # A photo shows at most thirty things or so: not every copy has a mask in each.
        masks = []
        for mask in frame["masks"]:
            ids = copies.get(mask["instance_id"], [mask["instance_id"]])
            masks.append({**mask, "instance_id": ids[rng.randrange(len(ids))]})
        path.write_text(json.dumps({**frame, "masks": masks}))


def main():
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("scene", type=pathlib.Path)
    ask.add_argument("out", type=pathlib.Path)
    ask.add_argument("--gaussians", type=int)
    ask.add_argument("--instances", type=int)
    asked = ask.parse_args()
    shutil.copytree(asked.scene, asked.out, ignore=shutil.ignore_patterns("cache", "review*"))
    if asked.gaussians:
        gaussians(asked.out / "splat.ply", asked.gaussians)
    if asked.instances:
        instances(asked.out, asked.instances)


main()
