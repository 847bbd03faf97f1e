"""Structure from motion against pycolmap (incremental, exhaustive pairs, CPU, intrinsics given), in one run.

usage: poses.py HOLOSCOPE CAPTURE...
HOLOSCOPE  the program
CAPTURE    a folder with rgb/ and intrinsics.json or poses.json; poses.json also gives the true camera centres
Prints a table: registered photos, mean reprojection error, error of the camera centres, CPU seconds, and their ratio.
Needs pycolmap, numpy.
"""
import json, os, resource, shutil, subprocess, sys, tempfile
import numpy as np


def intrinsics(capture):
    name = 'intrinsics.json' if os.path.exists(f'{capture}/intrinsics.json') else 'poses.json'
    k = json.load(open(f'{capture}/{name}'))
    return {n: k[n] for n in ('width', 'height', 'fx', 'fy', 'cx', 'cy')}


def children_cpu():
    r = resource.getrusage(resource.RUSAGE_CHILDREN)
    return r.ru_utime + r.ru_stime


def timed(command):
    start = children_cpu()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return children_cpu() - start


COLMAP = """
import sys, json, pycolmap
photos, out, k = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
o = pycolmap.ImageReaderOptions(camera_model='PINHOLE', camera_params=','.join(str(k[n]) for n in ('fx', 'fy', 'cx', 'cy')))
pycolmap.extract_features(f'{out}/db', photos, camera_mode=pycolmap.CameraMode.SINGLE, reader_options=o, device=pycolmap.Device.cpu)
pycolmap.match_exhaustive(f'{out}/db', device=pycolmap.Device.cpu)
p = pycolmap.IncrementalPipelineOptions()
p.ba_refine_focal_length = p.ba_refine_principal_point = p.ba_refine_extra_params = False
models = pycolmap.incremental_mapping(f'{out}/db', photos, out, options=p)
best = max(models.values(), key=lambda m: m.num_reg_images())
best.write_text(out)
json.dump([best.num_reg_images(), best.compute_mean_reprojection_error()], open(f'{out}/result', 'w'))
"""


def centres(folder):
    rows = [l.split() for l in open(f'{folder}/images.txt') if l[0] != '#'][0::2]
    out = {}
    for t in rows:
        w, x, y, z = (float(v) for v in t[1:5])
        R = np.array([[1-2*(y*y+z*z), 2*(x*y-z*w), 2*(x*z+y*w)], [2*(x*y+z*w), 1-2*(x*x+z*z), 2*(y*z-x*w)],
                      [2*(x*z-y*w), 2*(y*z+x*w), 1-2*(x*x+y*y)]])
        out[os.path.splitext(t[9])[0]] = -R.T @ np.array([float(v) for v in t[5:8]])
    return out


def ate(found, capture, only=None):
    """Root mean square distance of the camera centres after a similarity alignment (Umeyama 1991), metres; of the photos
    `only`, where given."""
    if not os.path.exists(f'{capture}/poses.json'):
        return None
    truth = {f['file']: np.array(f['c2w'])[:3, 3] for f in json.load(open(f'{capture}/poses.json'))['frames']}
    names = [n for n in truth if n in found and (only is None or n in only)]
    A, B = np.array([found[n] for n in names]), np.array([truth[n] for n in names])
    a, b = A - A.mean(0), B - B.mean(0)
    U, S, Vt = np.linalg.svd(b.T @ a / len(A))
    D = np.diag([1, 1, np.sign(np.linalg.det(U @ Vt))])
    s = (S * np.diag(D)).sum() / a.var(0).sum()
    return float(np.sqrt((((s * a @ (U @ D @ Vt).T) - b) ** 2).sum(1).mean()))


def row(name, program, total, registered, error, off, cpu, ratio):
    off = '-' if off is None else f'{off * 1000:.1f} mm'
    print(f'| {name} | {program} | {registered}/{total} | {error:.3f} px | {off} | {cpu:.1f} | {ratio:.2f} |')


if __name__ == '__main__':
    print('| capture | program | registered | reprojection error | centres off by | CPU s | of pycolmap |\n|---|---|---|---|---|---|---|')
for capture in sys.argv[2:]:
    with tempfile.TemporaryDirectory() as tmp:
        k, name = intrinsics(capture), os.path.basename(os.path.normpath(capture))
        # Photos and intrinsics only: given poses must not help.
        shutil.copytree(f'{capture}/rgb', f'{tmp}/in/rgb')
        json.dump(k, open(f'{tmp}/in/intrinsics.json', 'w'))
        os.mkdir(f'{tmp}/colmap')
        total = len(os.listdir(f'{tmp}/in/rgb'))
        theirs = timed([sys.executable, '-c', COLMAP, f'{tmp}/in/rgb', f'{tmp}/colmap', json.dumps(k)])
        registered, error = json.load(open(f'{tmp}/colmap/result'))
        row(name, 'pycolmap', total, registered, error, ate(centres(f'{tmp}/colmap'), capture), theirs, 1)
        ours = timed([sys.argv[1], 'run', f'{tmp}/in', '--out', f'{tmp}/scene', '--until', 'poses', '--quiet'])
        figures = json.load(open(f'{tmp}/scene/scene.json'))['figures']
        found, peers = centres(f'{tmp}/scene/sparse/0'), centres(f'{tmp}/colmap')
        off = ate(found, capture)
        if off is not None and len(peers) < len(found):
            print(f'(on the {len(peers)} photos of pycolmap: holoscope {ate(found, capture, peers) * 1000:.1f} mm)')
        row(name, 'holoscope', total, figures['registered'], figures['reprojection_error_px'], off, ours, ours / theirs)
