#!/bin/sh
# How quick the 3D view is in the real window, 1280 x 800, while the camera turns, and until it is at full quality after:
#
#   sh benches/orbit.sh SCENE [SECONDS]
#
# Runs under Xvfb with software OpenGL unless DISPLAY_HERE=1 says to use this desktop. HOLOSCOPE names a program that is
# built already. WIDE=1 gives the whole window to the 3D view.
set -eu
cd "$(dirname "$0")/.."
scene=$1
seconds=${2:-8}
if [ -n "${HOLOSCOPE:-}" ]; then
    holoscope=$HOLOSCOPE
else
    cargo build --release --quiet
    holoscope=${CARGO_TARGET_DIR:-target}/release/holoscope
fi
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
if [ -z "${DISPLAY_HERE:-}" ]; then
    Xvfb -displayfd 3 -screen 0 1280x800x24 3>"$work/display" >"$work/xvfb.log" 2>&1 &
    server=$!
    tries=0
    while [ ! -s "$work/display" ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 50 ] || { echo "Xvfb does not start:" >&2; cat "$work/xvfb.log" >&2; exit 1; }
        sleep 0.1
    done
    DISPLAY=:$(cat "$work/display")
    export DISPLAY
    unset WAYLAND_DISPLAY || true
fi
# A configuration of its own, with the size of the window in it.
XDG_CONFIG_HOME=$work/config
export XDG_CONFIG_HOME
mkdir -p "$work/config/holoscope"
tree() {
    sed -n '/^BEGIN/,/^END/p' "$0" >/dev/null
}
if [ -n "${WIDE:-}" ]; then
    layout='{"tree":{"id":"panels","root":1,"tiles":{"next_tile_id":2,"tiles":{}}},"theme":"Dark","size":[1280.0,800.0]}'
    echo "$layout" >/dev/null
fi
cp -r "$scene" "$work/scene"
HOLOSCOPE_ORBIT=$seconds timeout 300 "$holoscope" "$work/scene"
