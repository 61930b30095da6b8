# Sourced by the install scripts: packages of one Debian suite, unpacked into a
# folder of their own. Nothing outside that folder is installed or changed, and
# what is unpacked runs through the loader and the C library that came with it,
# so the machine's own release does not matter.
#
# Needs apt-get, dpkg and Debian's archive keys (package
# debian-archive-keyring), which every Debian has. The mirror is the one that
# the machine's own apt sources name; EVABENCH_DEBIAN_MIRROR names another.
#
# The script that sources this sets the array packages, and suite.
# shellcheck shell=bash disable=SC2154

readonly attempts=4

say() { printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2; }
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
# programs need, the C library included, and leaves the system's state alone.
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
  private update >&2 && private -s --no-install-recommends install "${packages[@]}" >/dev/null
}

fetch() { private -y --no-install-recommends --download-only install "${packages[@]}" >&2; }

# unpack_packages makes $1/root anew, out of $packages of $suite and all that
# they need. What no program reads is left out.
unpack_packages() {
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
  printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n' \
    "$uri" "$suite" "$key" >"$root/apt/sources/$suite.sources"

  say "reading the index of $suite from $uri"
  retry update || die "the index of $suite could not be read from $uri; EVABENCH_DEBIAN_MIRROR can name another mirror"
  say "fetching ${packages[*]} and what they need"
  retry fetch || die "the packages could not be fetched"

  rm -rf "$dir/root"
  mkdir "$dir/root"
  for deb in "$root"/apt/cache/archives/*.deb; do
    dpkg -x "$deb" "$dir/root"
  done
  rm -rf "$dir"/root/usr/share/{doc,man,info,locale} "$root"
}

# loader prints the loader that was unpacked below $1/root; the libraries are
# beside it.
loader() {
  local found
  found=$(find "$1/root/usr/lib" -name 'ld-linux*.so.*' | sort | head -n 1)
  [[ -n $found ]] || die "the unpacked packages hold no loader"
  printf '%s\n' "$found"
}
