#!/usr/bin/env bash
# Puts llama-server (llama.cpp) from the Debian archive's "sid" suite into one
# folder, without installing or changing anything outside that folder.
#
#   scripts/install-llama-server.sh DIR
#
# Afterwards DIR/llama-server is a small wrapper that runs the real program
# through the loader and the C library that came with it, so the machine's own
# release does not matter. DIR/version holds what the program says of itself.
# A second call with a working DIR does nothing. DIR may be anywhere; root is
# not needed unless DIR asks for it.
#
# Needs apt-get, dpkg and Debian's archive keys (package
# debian-archive-keyring), which every Debian has. On a Debian machine the
# mirror is the one that the machine's own apt sources name. Elsewhere
# (Ubuntu), or to use another one:
#
#   EVABENCH_DEBIAN_MIRROR=http://mirror.example/debian scripts/install-llama-server.sh DIR
set -euo pipefail

readonly package=llama.cpp-tools
readonly attempts=4

say() { printf 'install-llama-server: %s\n' "$*" >&2; }
die() { say "$@"; exit 1; }

# mirror prints the Debian mirror to use: the user's, else the first address in
# the machine's apt sources (one-line and deb822 form, comments left out) whose
# path ends in /debian or in a mirror list's /debian.list.
mirror() {
  if [[ -n "${EVABENCH_DEBIAN_MIRROR:-}" ]]; then
    printf '%s\n' "$EVABENCH_DEBIAN_MIRROR"
    return
  fi
  local file files=()
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
    [[ ! -r $file ]] || files+=("$file")
  done
  ((${#files[@]})) || return 0
  awk '
    { sub(/#.*/, "") }
    /^[[:space:]]*deb[[:space:]]/ || /^[[:space:]]*URIs:/ || /^[[:space:]]/ {
      for (i = 1; i <= NF; i++)
        if ($i ~ /^(mirror\+)?(https?|file):\/\/.*\/debian(\.list)?\/?$/) { print $i; exit }
    }' "${files[@]}"
}

# keyring prints the file of Debian's archive keys. Where the machine has none
# (Ubuntu), the package that holds them is fetched through the machine's own,
# trusted sources and unpacked below $1.
keyring() {
  local root=$1 file
  for file in /usr/share/keyrings/debian-archive-keyring.{pgp,gpg} \
    "$root"/keyring/usr/share/keyrings/debian-archive-keyring.{pgp,gpg}; do
    if [[ -s $file ]]; then
      printf '%s\n' "$file"
      return
    fi
  done
  [[ ! -d $root/keyring ]] || return 0
  mkdir -p "$root/keyring"
  (cd "$root/keyring" && apt-get -q download debian-archive-keyring >&2 &&
    dpkg -x debian-archive-keyring_*.deb .) || return 0
  keyring "$root"
}

# private runs apt-get on lists, caches and sources of its own below $root, with
# an empty list of installed packages: apt then works out everything that the
# program needs, the C library included, and leaves the system's state alone.
private() {
  apt-get -q \
    -o Dir::State="$root/apt/state" \
    -o Dir::State::status="$root/apt/state/status" \
    -o Dir::Cache="$root/apt/cache" \
    -o Dir::Etc::sourcelist=/dev/null \
    -o Dir::Etc::sourceparts="$root/apt/sources" \
    -o Dir::Etc::preferences=/dev/null \
    -o Dir::Etc::preferencesparts=/dev/null \
    -o Acquire::Languages=none \
    -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false \
    -o Acquire::Retries=3 \
    -o Acquire::http::Timeout=30 \
    -o Acquire::Check-Valid-Until=false \
    -o APT::Sandbox::User=root \
    -o APT::Update::Post-Invoke-Success= \
    -o DPkg::Post-Invoke= \
    "$@"
  # Note: Check-Valid-Until is off because mirrors may serve a sid Release file
  # that has run past its date. Signatures are still checked. sid gets no
  # separate security suite, so an old index delays fixes but hides none.
}

# retry runs a command until it succeeds, at most $attempts times: an index
# that a mirror is just renewing does not match its checksum for a while.
retry() {
  local n
  for ((n = 1; n <= attempts; n++)); do
    if "$@"; then return; fi
    say "attempt $n of $attempts went wrong: $*"
    ((n == attempts)) || sleep $((n * 5))
  done
  return 1
}

# update refuses a half-read index: apt-get update ends with 0 after some
# failures, and says so only on its output.
update() {
  private update >&2 && private -s --no-install-recommends install "$package" >/dev/null
}

fetch() { private -y --no-install-recommends --download-only install "$package" >&2; }

# backend prints the fastest CPU backend among those in folder $1 that this
# machine can run. The names are those of ggml's build variants.
backend() {
  local folder=$1 name required flag ok flags
  flags=" $(sed -n 's/^flags[[:space:]]*: //p;/^flags/q' /proc/cpuinfo) "
  while read -r name required; do
    ok=yes
    for flag in $required; do
      [[ $flags == *" $flag "* ]] || ok=no
    done
    if [[ $ok == yes && -e $folder/libggml-cpu-$name.so ]]; then
      printf '%s\n' "$folder/libggml-cpu-$name.so"
      return
    fi
  done <<'VARIANTS'
skylakex avx512f avx512cd avx512vl avx512dq avx512bw avx2 fma f16c bmi2
haswell avx2 fma f16c bmi2
sandybridge avx
sse42 sse4_2
x64
VARIANTS
  # Another architecture: take the plainest that is there.
  find "$folder" -name 'libggml-cpu*.so' | sort | head -n 1
}

# wrap writes DIR/llama-server.
wrap() {
  local dir=$1 loader lib best
  loader=$(find "$dir/root/usr/lib" -name 'ld-linux*.so.*' | sort | head -n 1)
  [[ -n $loader ]] || die "the unpacked packages hold no loader"
  lib=$(dirname "$loader")
  best=$(backend "$lib/ggml/backends0")
  [[ -n $best ]] || die "the unpacked packages hold no CPU backend"
  cat >"$dir/llama-server.new" <<WRAPPER
#!/bin/sh
# Made by install-llama-server.sh.
here=\$(dirname "\$(readlink -f "\$0")")
lib=\$here${lib#"$dir"}
export GGML_BACKEND_PATH="\$here${best#"$dir"}"
exec "\$here${loader#"$dir"}" --library-path "\$lib:\$lib/llama" "\$here/root/usr/bin/llama-server" "\$@"
WRAPPER
  chmod +x "$dir/llama-server.new"
}

works() { "$1" --version >"$2" 2>&1; }

install() {
  local dir=$1 root uri key deb
  command -v apt-get >/dev/null && command -v dpkg >/dev/null ||
    die "needs apt-get and dpkg (Debian or Ubuntu)"
  root=$(mktemp -d "$dir/.fetch.XXXXXX")
  # shellcheck disable=SC2064 # the folder of now
  trap "rm -rf '$root'" EXIT

  uri=$(mirror)
  [[ -n $uri ]] || die "this machine's apt sources name no Debian mirror; set EVABENCH_DEBIAN_MIRROR to one (http://…/debian)"
  key=$(keyring "$root")
  [[ -n $key ]] || die "no Debian archive keys; install the package debian-archive-keyring"
  mkdir -p "$root"/apt/{state/lists/partial,cache/archives/partial,sources}
  : >"$root/apt/state/status"
  printf 'Types: deb\nURIs: %s\nSuites: sid\nComponents: main\nSigned-By: %s\n' \
    "$uri" "$key" >"$root/apt/sources/sid.sources"

  say "reading the index of sid from $uri"
  retry update || die "the index of sid could not be read from $uri; EVABENCH_DEBIAN_MIRROR can name another mirror"
  say "fetching $package and what it needs"
  retry fetch || die "the packages could not be fetched"

  rm -rf "$dir/root"
  mkdir "$dir/root"
  for deb in "$root"/apt/cache/archives/*.deb; do
    dpkg -x "$deb" "$dir/root"
  done
  wrap "$dir"
  works "$dir/llama-server.new" "$dir/version.new" ||
    die "the unpacked program does not run: $(cat "$dir/version.new")"
  mv "$dir/version.new" "$dir/version"
  mv "$dir/llama-server.new" "$dir/llama-server"
}

main() {
  (($# == 1)) || { say "usage: $0 DIR"; exit 2; }
  mkdir -p "$1"
  local dir
  dir=$(cd "$1" && pwd)
  if [[ -x $dir/llama-server ]] && works "$dir/llama-server" "$dir/version.new"; then
    mv "$dir/version.new" "$dir/version"
    say "already there: $dir/llama-server"
  else
    install "$dir"
    say "installed $dir/llama-server"
  fi
  sed 's/^/install-llama-server: /' "$dir/version" >&2
}

main "$@"
