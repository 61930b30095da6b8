#!/usr/bin/env bash
# Puts the Docker daemon, containerd, runc and the docker command of the machine's
# own Debian or Ubuntu release into one folder, without installing or changing
# anything outside it.
#
#   scripts/install-docker.sh DIR
#
# Afterwards DIR/bin holds the programs. "DIR/dockerd STATE" runs a daemon in the
# foreground that keeps all that it has below the folder STATE, listens at
# STATE/docker.sock and changes no firewall rule. To run it takes root, cgroups
# and, for published ports, network bridges; to install takes neither.
# A second call with a working DIR does nothing.
set -euo pipefail

say() { printf 'install-docker: %s\n' "$*" >&2; }
die() { say "$@"; exit 1; }

# Since Debian 13 the command is a package of its own. The libraries are those
# that a small image may lack; they fit the machine's own C library.
packages=(docker.io docker-cli containerd runc libdevmapper1.02.1 libseccomp2 libsystemd0)

fetch() { # fetch DIR: unpacks into DIR/root
  local dir=$1 debs=$1/debs name
  rm -rf "$debs"
  mkdir -p "$debs"
  for name in "${packages[@]}"; do
    if [[ $(LC_ALL=C apt-cache policy "$name" 2>/dev/null) =~ Candidate:\ [^\(] ]]; then
      (cd "$debs" && apt-get -q download "$name" >&2) || die "cannot fetch $name; is apt's list of packages there (apt-get update)?"
    fi
  done
  rm -rf "$dir/root"
  mkdir -p "$dir/root"
  for name in "$debs"/*.deb; do
    [[ -e $name ]] || die "apt knows none of ${packages[*]}; apt-get update may help"
    dpkg-deb -x "$name" "$dir/root"
  done
  rm -r "$debs"
}

links() { # links DIR: DIR/bin
  local dir=$1 name found
  rm -rf "$dir/bin"
  mkdir -p "$dir/bin"
  for name in docker dockerd docker-proxy containerd containerd-shim-runc-v2 runc; do
    found=$(find "$dir/root" \( -type f -o -type l \) -path '*bin/'"$name" | sort | head -n 1)
    [[ -n $found ]] || die "the packages hold no $name"
    ln -s "..${found#"$dir"}" "$dir/bin/$name"
  done
}

wrapper() { # wrapper DIR: DIR/dockerd
  cat >"$1/dockerd" <<'WRAPPER'
#!/bin/sh
# Made by install-docker.sh: a daemon of its own, below the folder that is given.
set -eu
here=$(dirname "$(readlink -f "$0")")
mkdir -p "$1"
state=$(cd "$1" && pwd)
shift
export PATH="$here/bin:$PATH"
export LD_LIBRARY_PATH="$(find "$here/root" -name 'lib*.so.*' -exec dirname {} + | sort -u | tr '\n' ':')"
exec "$here/bin/dockerd" --data-root "$state/data" --exec-root "$state/exec" --pidfile "$state/pid" \
  --host "unix://$state/docker.sock" --iptables=false --ip6tables=false --ip-masq=false --ip-forward=false "$@"
WRAPPER
  chmod +x "$1/dockerd"
}

main() {
  (($# == 1)) || { say "usage: $0 DIR"; exit 2; }
  mkdir -p "$1"
  local dir
  dir=$(cd "$1" && pwd)
  if [[ -x $dir/dockerd ]] && "$dir/dockerd" "$dir/none" --version >"$dir/version"; then
    say "already there: $dir/dockerd"
  else
    fetch "$dir"
    links "$dir"
    wrapper "$dir"
    "$dir/dockerd" "$dir/none" --version >"$dir/version" || die "the unpacked daemon does not run"
    say "installed $dir/dockerd"
  fi
  rmdir "$dir/none" 2>/dev/null || true
  say "$(cat "$dir/version")"
}

main "$@"
