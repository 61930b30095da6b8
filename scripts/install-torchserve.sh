#!/usr/bin/env bash
# Puts TorchServe, a Java runtime for its frontend, and a Python with a CPU
# torch and transformers for its workers into one folder, without installing or
# changing anything outside that folder.
#
#   scripts/install-torchserve.sh DIR
#
# Java, Python and torch are those of the Debian archive's "trixie" suite;
# TorchServe and what else is pure Python come from PyPI, at the versions of
# torchserve-requirements.txt. Afterwards there are
#
#   DIR/torchserve  as "torchserve" is called elsewhere; it finds the next two
#   DIR/python      with torch, transformers, Pillow, aiohttp, prometheus_client
#   DIR/java
#   DIR/version     what they say of themselves
#
# About 250 MB are fetched and 1.4 GB kept. A second call with a working DIR
# does nothing. DIR may be anywhere and must stay there; root is not needed
# unless DIR asks for it.
#
# Needs apt-get, dpkg and Debian's archive keys (package
# debian-archive-keyring), which every Debian has, and a way to PyPI, as pip's
# own configuration tells it. On a Debian machine the mirror is the one that the
# machine's own apt sources name. Elsewhere (Ubuntu), or to use another one:
#
#   EVABENCH_DEBIAN_MIRROR=http://mirror.example/debian scripts/install-torchserve.sh DIR
#
# Note: PyPI's torch for x86_64 is built for CUDA: gigabytes, and it does not
# import without NVIDIA's packages. Debian's is built for CPUs.
set -euo pipefail

packages=(python3-torch python3-pip libopenblas0-pthread openjdk-21-jre-headless) suite=trixie
# shellcheck source=scripts/debian-root.sh
. "$(dirname "$0")/debian-root.sh"
script=$(readlink -f "$0")
requirements=$(dirname "$script")/torchserve-requirements.txt
readonly script requirements

# relink makes the absolute links below folder $1 relative to it: Java's folder
# points at /etc for its settings.
relink() {
  local root=$1 link
  find "$root" -type l -lname '/*' -print0 | while IFS= read -r -d '' link; do
    ln -sfn "$(realpath -ms --relative-to="$(dirname "$link")" "$root$(readlink "$link")")" "$link"
  done
}

# wrap writes the three programs of folder $1.
wrap() {
  local dir=$1 loader lib jvm python head
  loader=$(loader "$dir")
  lib=$(dirname "$loader")
  jvm=$(find "$dir/root/usr/lib/jvm" -maxdepth 1 -type d -name 'java-21-openjdk-*' | head -n 1)
  python=$(find "$dir/root/usr/bin" -name 'python3.[0-9]*' -type f | head -n 1)
  [[ -n $jvm && -n $python ]] || die "the unpacked packages hold no Java or no Python"
  head="#!/bin/sh
# Made by install-torchserve.sh.
here=\$(dirname \"\$(readlink -f \"\$0\")\")
lib=\$here${lib#"$dir"}"
  # The BLAS that torch finds first must be a fast one: which it is would be an
  # alternative of the system's, and Debian's plain one is slower by far.
  cat >"$dir/python" <<WRAPPER
$head
export PYTHONHOME="\$here/root/usr" PYTHONNOUSERSITE=1
export PYTHONPATH="\$here/site\${PYTHONPATH:+:\$PYTHONPATH}"
exec "\$here${loader#"$dir"}" --argv0 "\$here/python" --library-path "\$lib:\$lib/openblas-pthread:\$here/root/usr/lib" "\$here${python#"$dir"}" "\$@"
WRAPPER
  # Java's own helper for starting processes is a program of the foreign suite,
  # which the machine's loader cannot run; VFORK does without it.
  cat >"$dir/java" <<WRAPPER
$head
jvm=\$here${jvm#"$dir"}
exec "\$here${loader#"$dir"}" --argv0 "\$jvm/bin/java" --library-path "\$lib:\$jvm/lib" "\$jvm/bin/java" -Djdk.lang.Process.launchMechanism=VFORK "\$@"
WRAPPER
  cat >"$dir/torchserve" <<WRAPPER
$head
unset JAVA_HOME
export PATH="\$here:\$PATH"
exec "\$here/python" -m ts.model_server "\$@"
WRAPPER
  chmod +x "$dir/python" "$dir/java" "$dir/torchserve"
}

# versions writes what the programs of folder $1 say of themselves.
versions() {
  local dir=$1
  "$dir/java" -version 2>&1 | head -n 1 &&
    "$dir/torchserve" --version &&
    HF_HUB_OFFLINE=1 "$dir/python" - <<'PYTHON'
import platform, torch
import aiohttp, prometheus_client, psutil
from PIL import Image
from transformers import RTDetrV2ForObjectDetection, __version__
print("python", platform.python_version(), "torch", torch.__version__, "transformers", __version__)
PYTHON
}

# wanted names what is to be installed: another list, or another script, makes
# the folder anew.
wanted() { sha256sum <"$script"; sha256sum <"$requirements"; }

install() {
  local dir=$1
  rm -f "$dir/wanted"
  unpack_packages "$dir"
  relink "$dir/root"
  wrap "$dir"
  say "fetching TorchServe, transformers and what they need from PyPI"
  rm -rf "$dir/site"
  "$dir/python" -m pip --disable-pip-version-check install -q --no-cache-dir --no-deps --only-binary :all: \
    --root-user-action ignore --retries 5 --target "$dir/site" -r "$requirements" >&2 ||
    die "the packages of $requirements could not be fetched from PyPI"
  versions "$dir" >"$dir/version" 2>"$dir/version.log" ||
    die "what was unpacked does not run: $(cat "$dir/version" "$dir/version.log")"
  rm "$dir/version.log"
  wanted >"$dir/wanted"
}

main() {
  (($# == 1)) || { say "usage: $0 DIR"; exit 2; }
  mkdir -p "$1"
  local dir
  dir=$(cd "$1" && pwd)
  if [[ -e $dir/wanted ]] && wanted | cmp -s - "$dir/wanted" && versions "$dir" >"$dir/version.new" 2>/dev/null; then
    mv "$dir/version.new" "$dir/version"
    say "already there: $dir/torchserve"
  else
    install "$dir"
    say "installed $dir/torchserve"
  fi
  sed 's/^/install-torchserve: /' "$dir/version" >&2
}

main "$@"
