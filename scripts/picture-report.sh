#!/usr/bin/env bash
# Makes the picture of a report that the README shows: the first screen of the
# page that a sweep of a simulated server wrote.
#
#   scripts/picture-report.sh EVABENCH CHROMIUM PICTURE [SCENARIO]
#
# EVABENCH is the program, CHROMIUM what scripts/install-chromium.sh made. The
# sweep is of three replicates of the preset pro6000x1 unless SCENARIO says otherwise,
# at 30 times the clock's speed (SCALE in the environment says another): 10 minutes on
# a machine that does nothing else. The picture is 1280 x 800 and below 300 KB.
set -euo pipefail

say() { printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2; }
(($# == 3 || $# == 4)) || { say "usage: $0 EVABENCH CHROMIUM PICTURE [SCENARIO]"; exit 2; }
evabench=$(realpath "$1") chromium=$(realpath "$2") picture=$3 scenario=${4:-}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [[ -z $scenario ]]; then
  scenario=$work/pro6000x1.yaml
  sed 's/^replicates: 1\b/replicates: 3/' "$(dirname "$0")/../scenarios/presets/pro6000x1.yaml" >"$scenario"
  grep -q '^replicates: 3' "$scenario" || { say "the preset has no line of replicates"; exit 1; }
fi
"$evabench" sweep "$scenario" --yes --sim-scale "${SCALE:-30}" --out "$work/run" >"$work/log" 2>&1 ||
  { tail -n 20 "$work/log" >&2; say "the sweep has no valid measurement; is this machine busy?"; exit 1; }
"$chromium" --window-size=1280,800 --virtual-time-budget=3000 \
  --screenshot="$work/report.png" "file://$work/run/report.html" >"$work/log" 2>&1

size=$(stat -c %s "$work/report.png")
((size < 300000)) || { say "the picture has $size bytes"; exit 1; }
mkdir -p "$(dirname "$picture")"
cp "$work/report.png" "$picture"
say "$picture: $size bytes"
