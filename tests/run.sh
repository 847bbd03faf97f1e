#!/bin/sh
# Everything that has to hold before a change goes in: format, lints, documentation, tests (the window's too).
# Installs what the tests need and the machine lacks. Works from any folder; stops at the first failure.
set -eu
cd "$(dirname "$0")/.."

say() { printf '\n== %s\n' "$*"; }
die() { printf '\ntests/run.sh: %s\n' "$*" >&2; exit 1; }

# What the window and its tests need at run time, and a C compiler as linker.
packages='gcc libc6-dev ffmpeg xvfb xauth xdotool libgl1 libgl1-mesa-dri libegl1 libxcursor1 libxi6 libx11-xcb1
libxkbcommon-x11-0 libvulkan1 mesa-vulkan-drivers python3 python3-venv'

if command -v dpkg-query >/dev/null 2>&1; then
    missing=''
    for package in $packages; do
        case "$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)" in
            *' installed') ;;
            *) missing="$missing $package" ;;
        esac
    done
    if [ -n "$missing" ] && [ "$(id -u)" -eq 0 ]; then
        say "Installing$missing"
        export DEBIAN_FRONTEND=noninteractive
        # shellcheck disable=SC2086 # one word a package
        { apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing; } ||
            die "cannot install:$missing"
    elif [ -n "$missing" ]; then
        die "these packages are missing; install them and run this again:
    sudo apt-get install$missing"
    fi
else
    echo "Not a Debian system: a test whose tools are missing says so and is skipped."
fi

command -v cargo >/dev/null 2>&1 || PATH="$HOME/.cargo/bin:$PATH"
command -v cargo >/dev/null 2>&1 || die "cargo is missing: install Rust from https://rustup.rs"
for tool in fmt:rustfmt clippy:clippy; do
    cargo "${tool%%:*}" --version >/dev/null 2>&1 && continue
    say "Installing ${tool##*:}"
    rustup component add "${tool##*:}" || die "${tool##*:} is missing: rustup component add ${tool##*:}"
done

# Other implementations that results are compared with. Without them those tests say so and are skipped.
if command -v python3 >/dev/null 2>&1; then
    [ -x .venv/bin/python3 ] || python3 -m venv --system-site-packages .venv || echo "No .venv: python3 -m venv fails."
    if [ -x .venv/bin/python3 ]; then
        PATH="$PWD/.venv/bin:$PATH"
        for pair in numpy:numpy scipy:scipy PIL:pillow pycocotools:pycocotools pycolmap:pycolmap \
            plyfile:plyfile gsply:gsply zstandard:zstandard; do
            python3 -c "import ${pair%%:*}" 2>/dev/null ||
                python3 -m pip install --quiet --disable-pip-version-check "${pair##*:}" ||
                echo "No ${pair##*:} from PyPI: tests that compare with it are skipped."
        done
        # The library that runs models. It comes with Python's package and is used without Python.
        python3 -m pip show --quiet onnxruntime 2>/dev/null ||
            python3 -m pip install --quiet --disable-pip-version-check onnxruntime || true
        HOLOSCOPE_ONNXRUNTIME=${HOLOSCOPE_ONNXRUNTIME:-$(python3 -c '
import glob, importlib.util, os
spec = importlib.util.find_spec("onnxruntime")
found = glob.glob(os.path.join(spec.submodule_search_locations[0], "capi", "libonnxruntime.*")) if spec else []
print(sorted(found)[0] if found else "")')}
        export HOLOSCOPE_ONNXRUNTIME
    fi
fi
[ -n "${HOLOSCOPE_ONNXRUNTIME:-}" ] || die "the tests of models need ONNX Runtime, and PyPI's onnxruntime could not be
    installed: set HOLOSCOPE_ONNXRUNTIME to a libonnxruntime of version 1.23 or later"
export PATH
if command -v npm >/dev/null 2>&1 && [ ! -d .peers/node_modules ]; then
    npm install --prefix .peers --silent --no-audit --no-fund @playcanvas/splat-transform@3 @adobe/spz ||
        echo "No SplatTransform from npm: tests that compare with it are skipped."
fi

# A screen of its own: no window opens on the desktop, and keys go nowhere else.
screen=''
if command -v xvfb-run >/dev/null 2>&1; then
    screen='xvfb-run -a -s -screen\ 0\ 1600x1000x24'
fi

say 'Format'
cargo fmt --check
# All in the release profile, so that dependencies are built once for the lints and once for the rest.
say 'Lints'
cargo clippy --locked --release --all-targets -- -D warnings
say 'Documentation'
RUSTDOCFLAGS='-D warnings' cargo doc --locked --release --no-deps
say 'Tests'
out=$(mktemp)
trap 'rm -f "$out" "$out.status"' EXIT
{
    status=0
    eval "$screen cargo test --locked --release -- --show-output" || status=$?
    echo "$status" >"$out.status"
} 2>&1 | tee "$out"

skipped=$(grep -c '^skipped' "$out" || true)
awk -v skipped="$skipped" '/^test result:/ { passed += $4; failed += $6; ignored += $8 }
    END { printf "\n== Summary: %d tests passed, %d failed, %d ignored, %d skipped parts; format, lints and documentation are clean\n",
                 passed, failed, ignored, skipped }' "$out"
exit "$(cat "$out.status")"
