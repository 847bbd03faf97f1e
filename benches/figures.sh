#!/bin/sh
# The figures of README.md: the whole pipeline on three captures, default settings, seed 0, every 8th frame held out.
# usage: benches/figures.sh DATA OUT      DATA: a folder with tum_office, lounge, room_a, and ../tools/score.py beside it
set -eu
data=$1
out=$2
cd "$(dirname "$0")/.."
cargo build --release
program=target/release/holoscope
mkdir -p "$out/room_a_photos"

measure() {
    name=$1
    truth=$2
    shift 2
    echo "== $name"
    "$program" run "$@" --out "$out/$name" --holdout 8 --quiet
    cat "$out/$name/timings.json"
    [ ! -f "$truth/poses.json" ] || python3 "$data/../tools/score.py" "$out/$name" "$truth"
}

# From pixels: photos and intrinsics, without the poses beside them.
cp -r "$data/room_a/rgb" "$out/room_a_photos/"
cp assets/demo/intrinsics.json "$out/room_a_photos/"
measure tum_office "$data/tum_office" "$data/tum_office"
measure lounge "$data/lounge" "$data/lounge"
measure room_a "$data/room_a" "$out/room_a_photos"
# The same scene with the masks of a segmenter: only the last two stages run again.
cp -r "$out/room_a" "$out/room_a_sam3"
measure room_a_sam3 "$data/room_a" "$out/room_a_photos" --masks "$data/room_a/sam3"
