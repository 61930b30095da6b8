#!/usr/bin/env bash
# Runs every fuzz target of the module for a while.
#
#   scripts/fuzz.sh [TIME [GO TEST FLAG...]]
#
# TIME is as for go test's -fuzztime, 50000x if not given: a number of inputs,
# not a time, because up to Go 1.26 a run that ends by time can fail with
# "context deadline exceeded" though no input did (go.dev/issue/75804). Targets are found by
# go test -list, so that a new one needs no line here. Finding none is a
# failure: it means that the search is broken. All targets are run even if one
# fails.
set -euo pipefail

go=${GO:-go}
time=${1:-50000x}
shift || true

# go test -list prints each package's targets and then a line "ok <package> …".
list=$($go test -list '^Fuzz' ./...) || { printf '%s\n' "$list" >&2; exit 1; }
targets=$(awk '
  $1 ~ /^Fuzz/ { names[++n] = $1 }
  $1 == "ok" { for (i = 1; i <= n; i++) print $2, names[i]; n = 0 }' <<<"$list")
if [[ -z $targets ]]; then
  echo "fuzz: no fuzz target found" >&2
  exit 1
fi

# Minimizing an input that is merely new can take up a whole short run: bound it
# to a few tries, so that the time goes into new inputs.
failed=0
while read -r package name; do
  echo "fuzz: $package $name for $time" >&2
  $go test -run '^$' -fuzz "^$name\$" -fuzztime "$time" -fuzzminimizetime 5x -timeout 10m "$@" "$package" </dev/null || failed=1
done <<<"$targets"
exit $failed
