#!/bin/sh
# How quick the 3D view is in the real window at 1280 x 800: pictures a second while the camera turns, seconds until it
# is at full quality after that, and what frames of the window take.
#
#   sh benches/orbit.sh SCENE [SECONDS]
#
# On software OpenGL under Xvfb. HOLOSCOPE names a program that is built already; WIDE=1 gives nearly the whole window
# to the 3D view. The machine must be quiet: the figures are wall clock.
set -eu
cd "$(dirname "$0")/.."
scene=$1
seconds=${2:-8}
size=1280x800
. tests/common/screen.sh

cp -r "$scene" "$work/scene"
turn() {
    HOLOSCOPE_ORBIT=$1 timeout 300 "$holoscope" "$work/scene"
}
# Once round to have a layout to change: the window's size, and how wide its three columns are.
turn 0 >/dev/null
layout=$work/config/holoscope/layout-1.json
tr -d ' \n' <"$layout" | sed 's/"size":\[[^]]*\]/"size":[1280.0,800.0]/' >"$work/layout"
[ -z "${WIDE:-}" ] || sed -i 's/:0\.22/:0.001/; s/:0\.32/:0.001/; s/:0\.46/:0.998/; s/:0\.2\([,}]\)/:0.001\1/; s/:0\.8\([,}]\)/:0.999\1/' "$work/layout"
mv "$work/layout" "$layout"
turn "$seconds"
