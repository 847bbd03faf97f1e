# For scripts that open the window, from the repository's folder: `size=1440x900; . tests/common/screen.sh`.
#
# Gives them $holoscope, the program ($HOLOSCOPE, or built now); $work, an empty folder; and a screen of that size with a
# configuration of its own, so that nothing of the user's is changed. All of it goes when the script ends, with the
# processes in $children.
command -v Xvfb >/dev/null || { echo "Xvfb is missing: install the Debian package xvfb" >&2; exit 1; }
if [ -n "${HOLOSCOPE:-}" ]; then
    holoscope=$HOLOSCOPE
else
    cargo build --release --quiet
    holoscope=${CARGO_TARGET_DIR:-target}/release/holoscope
fi
work=$(mktemp -d)
server='' children=''
trap 'for p in $children $server; do kill "$p" 2>/dev/null || true; done; rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# It finds a free number and says which; it does not start anew when its last client has gone.
Xvfb -displayfd 3 -screen 0 "${size}x24" -noreset 3>"$work/display" >"$work/xvfb.log" 2>&1 &
server=$!
tries=0
while [ ! -s "$work/display" ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 50 ] || { echo "Xvfb does not start:" >&2; cat "$work/xvfb.log" >&2; exit 1; }
    sleep 0.1
done
DISPLAY=:$(cat "$work/display")
XDG_CONFIG_HOME=$work/config
LIBGL_ALWAYS_SOFTWARE=1
export DISPLAY XDG_CONFIG_HOME LIBGL_ALWAYS_SOFTWARE
unset WAYLAND_DISPLAY || true
