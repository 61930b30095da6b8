#!/usr/bin/env bash
# Makes the picture of a running sweep that the README shows: a real sweep of a simulated
# server in a real terminal (tmux), as it stands in the middle of a window.
#
#   scripts/picture-sweep.sh EVABENCH PICTURE [SCENARIO]
#
# The scenario is the preset pro6000x1 unless SCENARIO says otherwise, at 20 times the clock's
# speed. It waits for the second cell's window, takes the screen as it is, and ends the sweep.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2; }
(($# == 2 || $# == 3)) || { say "usage: $0 EVABENCH PICTURE [SCENARIO]"; exit 2; }
evabench=$(realpath "$1") picture=$(realpath -m "$2") scenario=${3:-pro6000x1} go=${GO:-go}
command -v tmux >/dev/null || { say "tmux is needed: apt-get install tmux"; exit 1; }

work=$(mktemp -d)
terminal=(tmux -S "$work/tmux")
trap '"${terminal[@]}" kill-server 2>/dev/null || true; rm -rf "$work"' EXIT
"${terminal[@]}" -f /dev/null new-session -d -x 110 -y 26 \
  "TERM=screen-256color PS1='$ ' '$evabench' sweep '$scenario' --yes --no-selftest --sim-scale 20 --out '$work/run' --json-events '$work/events'; sleep 5"

# The picture is taken 20 s into a step that is not the first.
for ((i = 0; i < 600; i++)); do
  if [[ -e $work/events ]] && (($(grep -c "\"step-begins\"" "$work/events" || true) >= 2)); then break; fi
  "${terminal[@]}" has-session 2>/dev/null || { say "the sweep ended early"; exit 1; }
  sleep 1
done
sleep 20
"${terminal[@]}" capture-pane -e -p >"$work/screen"
"${terminal[@]}" send-keys C-c
for ((i = 0; i < 60; i++)); do "${terminal[@]}" has-session 2>/dev/null || break; sleep 1; done

# Empty rows at the end are left out.
sed -e :a -e '/^\n*$/{$d;N;ba' -e '}' "$work/screen" >"$work/shown"
grep -q "$scenario\|cell" "$work/shown" || { cat "$work/shown" >&2; say "the screen shows no sweep"; exit 1; }
mkdir -p "$(dirname "$picture")"
"$go" run ./internal/screenshot "evabench sweep $scenario, running" <"$work/shown" >"$picture"
say "$picture: $(stat -c %s "$picture") bytes"
