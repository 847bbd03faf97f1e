#!/bin/sh
# The review desk in the real window: seconds from the start to the first picture, what panels and commands cost a frame
# while the camera turns (alone, and with a pipeline running beside it), memory, and how long a hundred decisions by real
# keys take.
#
#   sh benches/review.sh SCENE [PHOTOS]
#
# SCENE is finished; it is copied to 1,000,000 Gaussians and 300 instances. PHOTOS is what the pipeline beside it gets.
# Software OpenGL under Xvfb; needs xdotool and python3. HOLOSCOPE names a program that is built already. The machine must
# be quiet: the figures are wall clock, but for those that say processor time.
set -eu
cd "$(dirname "$0")/.."
scene=$1
photos=${2:-../shared/data/tum_office/rgb}
size=1440x900
. tests/common/screen.sh

turn() { HOLOSCOPE_ORBIT=8 timeout 300 "$holoscope" "$1" | sed 's/^/  /'; }
cp -r "$scene" "$work/scene"
rm -f "$work"/scene/review*
echo "The scene as it is:"
turn "$work/scene"
python3 benches/big_scene.py "$scene" "$work/large" --gaussians 1000000 --instances 300
echo "1,000,000 Gaussians, 300 instances:"
HOLOSCOPE_ORBIT=8 timeout 300 "$holoscope" "$work/large" >"$work/said" &
window=$! children=$!
peak=0
while kill -0 "$window" 2>/dev/null; do
    now=$(awk '/VmHWM/ { print $2 }' "/proc/$window/status" 2>/dev/null || true)
    child=$(pgrep -P "$window" || true)
    [ -z "$child" ] || now=$(awk '/VmHWM/ { print $2 }' "/proc/$child/status" 2>/dev/null || true)
    [ "${now:-0}" -le "$peak" ] || peak=$now
    sleep 0.2
done
sed 's/^/  /' "$work/said"
echo "  peak memory $((peak / 1024)) MiB"
if [ -e "$photos" ]; then
    "$holoscope" run "$photos" --out "$work/run" --quiet &
    pipeline=$! children=$!
    sleep 30
    echo "The same, a pipeline running beside it:"
    turn "$work/large"
    kill "$pipeline" 2>/dev/null || true
    wait "$pipeline" 2>/dev/null || true
fi

python3 benches/big_scene.py "$scene" "$work/keys" --instances 300
"$holoscope" "$work/keys" &
window=$! children=$!
id=
while [ -z "$id" ]; do id=$(xdotool search --onlyvisible --pid "$window" 2>/dev/null | head -1) || true; sleep 0.1; done
xdotool windowfocus "$id"
sleep 4
began=$(date +%s%N)
# shellcheck disable=SC2046 # one word a key
xdotool key --delay 20 $(for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do echo a r s 5 a; done)
while [ "$(wc -l <"$work/keys/review.jsonl")" -lt 100 ]; do sleep 0.02; done
echo "100 decisions by real keys, 20 ms between them: $((($(date +%s%N) - began) / 1000000)) ms"
