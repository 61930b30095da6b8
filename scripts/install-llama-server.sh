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

packages=(llama.cpp-tools) suite=sid
# shellcheck source=scripts/debian-root.sh
. "$(dirname "$0")/debian-root.sh"

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
  loader=$(loader "$dir")
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
  local dir=$1
  unpack_packages "$dir"
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
