#!/usr/bin/env bash
# Runs every fuzz target of the module for a while.
#
#   scripts/fuzz.sh [TIME [GO TEST FLAG...]]
#
# TIME is for each target: 10s or 10m, or a number of inputs such as 50000x.
# Targets are found by go test -list, so that a new one needs no line here;
# PACKAGES (./... if unset) says where, TARGETS (^Fuzz if unset) which.
# Finding none is a failure: it means that the search is broken. All targets are
# run even if one fails.
#
# A time is kept in rounds of a number of inputs each, as many as the round
# before shows to fit: up to Go 1.26 a run that go test ends by time can fail with
# "context deadline exceeded" though no input did (go.dev/issue/75804).
set -euo pipefail

go=${GO:-go}
time=${1:-10s}
shift || true
flags=()
json=
for flag in "$@"; do
  if [[ $flag == -json ]]; then json=1; else flags+=("$flag"); fi
done

seconds=0
inputs=
case $time in
  *x) inputs=${time%x} ;;
  *m) seconds=$((60 * ${time%m})) ;;
  *s) seconds=${time%s} ;;
  *) echo "fuzz: $time is neither 10s, 10m nor 50000x" >&2; exit 2 ;;
esac

# go test -list prints each package's targets and then a line "ok <package> …".
list=$($go test -list "${TARGETS:-^Fuzz}" "${PACKAGES:-./...}") || { printf '%s\n' "$list" >&2; exit 1; }
targets=$(awk '
  $1 ~ /^Fuzz/ { names[++n] = $1 }
  $1 == "ok" { for (i = 1; i <= n; i++) print $2, names[i]; n = 0 }' <<<"$list")
if [[ -z $targets ]]; then
  echo "fuzz: no fuzz target found" >&2
  exit 1
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
corpus=$($go env GOCACHE)/fuzz
binary=$work/fuzz.test
dir=
package=
name=

# round tries so many inputs; what it says goes to $work/said. Minimizing an
# input that is merely new can take up a whole short run: it is bounded to a few
# tries, so that the time goes into new inputs.
round() {
  (cd "$dir" && exec "$binary" -test.paniconexit0 -test.timeout=20m -test.run='^$' -test.fuzz="^$name\$" -test.v${json:+=test2json} \
    -test.fuzzcachedir="$corpus/$package" -test.fuzzminimizetime=5x -test.fuzztime="${1}x") >"$work/said" 2>&1 </dev/null
}

# fuzz tries the target for the whole time. Rounds are as long as the rate of
# all before allows, and at least a hundred inputs.
fuzz() {
  local start=$EPOCHREALTIME left next=${inputs:-1000} done=0
  while :; do
    round "$next" || return 1
    done=$((done + next))
    [[ -n $inputs ]] && return 0
    read -r left next < <(awk -v a="$start" -v b="$EPOCHREALTIME" -v n="$done" -v s="$seconds" 'BEGIN {
      took = b - a; next_ = int((s - took) * n / took); if (next_ < 100) next_ = 100
      print s - took, next_ }')
    awk -v left="$left" -v s="$seconds" 'BEGIN { exit !(left < 0.1 * s) }' && return 0
  done
}

failed=0
built=
while read -r package name; do
  echo "fuzz: $package $name for $time" >&2
  if [[ $package != "$built" ]]; then
    dir=$($go list -f '{{.Dir}}' "$package")
    $go test -c -fuzz '^Fuzz' -o "$binary" ${flags[@]+"${flags[@]}"} "$package" || { failed=1; built=; continue; }
    built=$package
  fi
  lines=3
  fuzz || { failed=1; lines=100; } # the reason stands anywhere, and a worker's stack may follow it
  if [[ -n $json ]]; then
    $go tool test2json -p "$package" <"$work/said"
  else
    tail -n "$lines" "$work/said"
  fi
  if [[ $lines != 3 ]]; then
    input=$(sed -n 's/^ *Failing input written to //p' "$work/said" | tail -n 1)
    echo "fuzz: $package $name failed${input:+; its input is $dir/$input}" >&2
  fi
done <<<"$targets"
exit $failed
