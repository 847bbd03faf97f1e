"""Camera poses of many captures at once, photos and intrinsics alone: what a change gains on one and loses on another.

usage: captures.py HOLOSCOPE DATA [--features MODEL] [--only NAME,...] [--pycolmap] [--seeds N] [--keep DIR]
HOLOSCOPE   the program
DATA        a folder with lounge, room_a, room_c, room_d and tum_office
--features  a model of features that is given to every run
--only      of the names below, separated by commas
--pycolmap  the same photos with pycolmap (incremental, exhaustive pairs), in the same run
--seeds     how many seeds, from 0; each has a row of its own
--keep      where the scenes are left
Prints a table: registered photos, reprojection error, error of the camera centres after a similarity, CPU seconds.
Needs numpy; pycolmap where it is asked for.
"""
import argparse, json, os, shutil, subprocess, sys, tempfile
sys.argv, given = [sys.argv[0], '-'], sys.argv[1:]
from poses import COLMAP, ate, centres, intrinsics, timed  # its own table is empty without captures

# Name: capture, every which photo.
CAPTURES = {'lounge/3': ('lounge', 3), 'lounge/5': ('lounge', 5), 'lounge/2': ('lounge', 2), 'lounge': ('lounge', 1),
            'room_a': ('room_a', 1), 'room_c': ('room_c', 1), 'room_d': ('room_d', 1), 'room_a/3': ('room_a', 3),
            'room_c/2': ('room_c', 2), 'room_d/2': ('room_d', 2), 'tum_office': ('tum_office', 1)}


def row(name, program, total, registered, error, off, cpu):
    off = '-' if off is None else f'{off * 1000:.2f} mm'
    print(f'| {name} | {program} | {registered}/{total} | {error:.3f} px | {off} | {cpu:.1f} |', flush=True)


def measure(name, options):
    capture, every = CAPTURES[name]
    capture = f'{options.data}/{capture}'
    with tempfile.TemporaryDirectory() as tmp:
        os.makedirs(f'{tmp}/in/rgb')
        photos = sorted(os.listdir(f'{capture}/rgb'))[::every]
        for photo in photos:
            shutil.copy(f'{capture}/rgb/{photo}', f'{tmp}/in/rgb/{photo}')
        k = intrinsics(capture)
        json.dump(k, open(f'{tmp}/in/intrinsics.json', 'w'))
        if options.pycolmap:
            os.mkdir(f'{tmp}/colmap')
            cpu = timed([sys.executable, '-c', COLMAP, f'{tmp}/in/rgb', f'{tmp}/colmap', json.dumps(k)])
            registered, error = json.load(open(f'{tmp}/colmap/result'))
            row(name, 'pycolmap', len(photos), registered, error, ate(centres(f'{tmp}/colmap'), capture), cpu)
        for seed in range(options.seeds):
            out = f'{options.keep or tmp}/{name.replace("/", "_")}_{seed}'
            shutil.rmtree(out, ignore_errors=True)
            features = ['--features', options.features] if options.features else []
            cpu = timed([options.holoscope, 'run', f'{tmp}/in', '--out', out, '--until', 'poses', '--quiet', '--seed',
                         str(seed), *features])
            figures = json.load(open(f'{out}/scene.json'))['figures']
            off = ate(centres(f'{out}/sparse/0'), capture)
            row(name, 'holoscope', len(photos), figures['registered'], figures['reprojection_error_px'], off, cpu)


parser = argparse.ArgumentParser()
parser.add_argument('holoscope')
parser.add_argument('data')
parser.add_argument('--features')
parser.add_argument('--only')
parser.add_argument('--pycolmap', action='store_true')
parser.add_argument('--seeds', type=int, default=1)
parser.add_argument('--keep')
options = parser.parse_args(given)
print('| capture | program | registered | reprojection error | centres off by | CPU s |\n|---|---|---|---|---|---|')
for name in (options.only.split(',') if options.only else CAPTURES):
    measure(name, options)
