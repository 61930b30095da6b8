#!/usr/bin/env bash
# Makes what is given to people: one archive for each build, and their checksums.
#
#   scripts/release.sh VERSION FOLDER
#
#   evabench-VERSION-linux-amd64.tar.gz         with NVML: for the GPU server; needs the glibc of the
#                                               machine that built it, or newer (2.34 from Debian 12)
#   evabench-VERSION-linux-amd64-nonvml.tar.gz  one static file: load, simulator, reports, any Linux
#   evabench-VERSION-linux-arm64-nonvml.tar.gz  the same for arm64
#   SHA256SUMS
#
# Each archive holds the program, this project's licence, the texts of all licences
# of what is built in, the README and completions for three shells. The same commit
# and the same Go, C compiler and tar give the same bytes. The build with NVML takes
# cgo and a C compiler for amd64; NVIDIA's library itself is looked for when run.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2; }
(($# == 2)) || { say "usage: $0 VERSION FOLDER"; exit 2; }
version=$1 out=$2 go=${GO:-go}
[[ $version =~ ^[A-Za-z0-9][A-Za-z0-9._+-]*$ ]] || { say "VERSION \"$version\" is no name for a file"; exit 2; }

# go-nvml's header has functions that are deprecated, and cgo warns of each.
export CGO_CFLAGS=${CGO_CFLAGS:--O2 -g -Wno-deprecated-declarations}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
moment=$(git log -1 --format=%ct 2>/dev/null || echo 0)
mkdir -p "$out"

"$go" run ./internal/licences -write "$work/licences.md" -texts "$work/THIRD-PARTY.txt"
cmp -s "$work/licences.md" docs/licences.md || { say "docs/licences.md is not up to date: make licences"; exit 1; }

# build makes one program: FOLDER CGO GOARCH.
build() {
  mkdir -p "$1"
  CGO_ENABLED=$2 GOOS=linux GOARCH=$3 "$go" build -trimpath -ldflags "-s -w -X main.version=$version" -o "$1/evabench" ./cmd/evabench
}

# pack makes one archive of a folder in $work.
pack() {
  local folder=$work/$1
  cp LICENSE README.md "$work/THIRD-PARTY.txt" "$folder"
  cp -r "$work/completions" "$folder"
  chmod -R u=rwX,go=rX "$folder"
  tar -C "$work" --sort=name --mtime="@$moment" --owner=0 --group=0 --numeric-owner --format=ustar -cf - "$1" |
    gzip -9n >"$out/$1.tar.gz"
}

name=evabench-$version-linux
build "$work/$name-amd64-nonvml" 0 amd64
build "$work/$name-arm64-nonvml" 0 arm64
build "$work/$name-amd64" 1 amd64

# The completions are the program's own words, from whichever build runs here.
mkdir "$work/completions"
host="$work/$name-$("$go" env GOHOSTARCH)-nonvml/evabench"
for shell in bash zsh fish; do "$host" completion "$shell" >"$work/completions/evabench.$shell"; done
[[ $("$host" --version) == *"$version"* ]] || { say "the program does not say version $version"; exit 1; }

archives=()
for build in amd64 amd64-nonvml arm64-nonvml; do
  pack "$name-$build"
  archives+=("$name-$build.tar.gz")
done
(cd "$out" && sha256sum "${archives[@]}" >SHA256SUMS)
say "$out: ${archives[*]} SHA256SUMS"
