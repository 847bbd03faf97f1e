#!/bin/sh
# Pictures of the real window for the README, 1440 x 900: screenshots/{room_a,lounge,tum_office}.png, and of each panel
# and tool on room_a: screenshots/panels/*.jpg.
#
#   sh tests/screenshots.sh [ROOM_A LOUNGE TUM_OFFICE]
#
# The arguments are finished scene folders; "-" leaves that picture as it is. Without arguments the scenes are made
# from ../shared/data, which takes as long as three runs. SELECT_room_a, SELECT_lounge and SELECT_tum_office choose the
# selected instance, HOLOSCOPE a program that is built already. Needs Xvfb (Debian: xvfb libgl1 libgl1-mesa-dri libegl1 libxkbcommon-x11-0).
set -eu
cd "$(dirname "$0")/.."

size=1440x900
. tests/common/screen.sh
# The pointer out of the way: what it is over lights up.
{ command -v xdotool >/dev/null && xdotool mousemove 1439 899; } || true

# picture NAME SCENE INSTANCE: opens a copy, so that the review of the scene stays untouched.
picture() {
    cp -r "$2" "$work/$1"
    rm -f "$work/$1/review.jsonl"
    shoot "$1" "$work/$1" "$3" '' png
    rm -rf "${work:?}/$1"
}

# shoot NAME SCENE INSTANCE WHAT ENDING: one picture, after WHAT was done (HOLOSCOPE_DO).
shoot() {
    mkdir -p "$(dirname "screenshots/$1")"
    HOLOSCOPE_SCREENSHOT=$work/picture.$5 HOLOSCOPE_SELECT=$3 HOLOSCOPE_DO=$4 timeout 180 "$holoscope" ${2:+"$2"}
    [ -s "$work/picture.$5" ] || { echo "no picture $1 was made" >&2; exit 1; }
    mv "$work/picture.$5" "screenshots/$1.$5"
    echo "screenshots/$1.$5: $(wc -c <"screenshots/$1.$5") bytes"
}

# panels SCENE: each panel and tool once, over a copy.
panels() {
    mkdir "$work/scenes-of"
    cp -r "$1" "$work/scenes-of/room_a"
    rm -f "$work/scenes-of/room_a"/review*
    one() { shoot "panels/$1" "$work/scenes-of/room_a" "${SELECT_room_a:-}" "$2" jpg; }
    one health 'panel:Scene health'
    one training 'panel:Training'
    one stages 'panel:Stages'
    one log 'panel:Log'
    one filter 'panel:Filter;filter:is:verify score:0.3..0.6'
    [ ! -e ../shared/data/room_a/boxes.json ] || one compare 'panel:Compare;truth:../shared/data/room_a'
    one box 'filter:;edit_box;focus'
    one split 'split;focus'
    one several 'filter:label:object;mark_all'
    one palette 'palette'
    one keys 'help'
    one export 'export'
    # The layout is kept, and a window whose photo another tab hides never has all there: this one has a layout of its own.
    (XDG_CONFIG_HOME=$work/apart && one models 'panel:Models')
    one film 'film'
    one demo 'demo_layout'
    one demo_off 'demo_layout'
    rm screenshots/panels/demo_off.jpg
    shoot panels/scenes "$work/scenes-of" '' 'panel:Scenes' jpg
    shoot panels/welcome '' '' '' jpg
}

# scene NAME INPUT: makes the scene of one of the given captures.
scene() {
    [ -e "$2" ] || { echo "$2 is not there: give three scene folders instead" >&2; exit 1; }
    "$holoscope" run "$2" --out "$work/scenes/$1" >&2
    echo "$work/scenes/$1"
}

case $# in
3) room_a=$1 lounge=$2 tum_office=$3 ;;
0)
    room_a=$(scene room_a "../shared/data/room_a/rgb")
    lounge=$(scene lounge ../shared/data/lounge)
    tum_office=$(scene tum_office ../shared/data/tum_office/rgb)
    ;;
*) echo "usage: sh tests/screenshots.sh [ROOM_A LOUNGE TUM_OFFICE]" >&2; exit 2 ;;
esac
[ "$room_a" = - ] || picture room_a "$room_a" "${SELECT_room_a:-}"
[ "$room_a" = - ] || panels "$room_a"
[ "$lounge" = - ] || picture lounge "$lounge" "${SELECT_lounge:-}"
[ "$tum_office" = - ] || picture tum_office "$tum_office" "${SELECT_tum_office:-}"
