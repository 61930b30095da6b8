#!/usr/bin/env bash
# Puts Chromium's headless shell from the Debian archive's "stable" suite into one
# folder, without installing or changing anything outside that folder.
#
#   scripts/install-chromium.sh DIR
#
# Afterwards DIR/chromium runs it with the C library, the other libraries and the
# fonts that came with it, so that a page looks the same on every machine. DIR/version
# holds what the program says of itself. A second call with a working DIR does
# nothing. DIR may be anywhere, but not be moved; root is
# not needed unless DIR asks for it.
#
# Needs what scripts/install-llama-server.sh needs, and takes the same
# EVABENCH_DEBIAN_MIRROR.
set -euo pipefail

packages=(chromium-headless-shell fonts-dejavu-core patchelf) suite=stable
# shellcheck source=scripts/debian-root.sh
. "$(dirname "$0")/debian-root.sh"

# libraries lists the folders of the unpacked ones, for the loader.
libraries() {
  find "$(dirname "$(loader "$1")")" -maxdepth 2 -name '*.so*' -printf '%h\n' | sort -u | tr '\n' ':'
}

# point makes the program start with the loader below DIR. Chromium starts itself
# again through /proc/self/exe, and finds its files beside that, so that the loader
# cannot be called with the program as its argument.
point() {
  local dir=$1 program=$2 loader
  loader=$(loader "$dir")
  "$loader" --library-path "$(libraries "$dir")" "$dir/root/usr/bin/patchelf" --set-interpreter "$loader" "$program"
}

# fonts writes a configuration that knows the unpacked fonts and no other.
fonts() {
  local dir=$1
  cat >"$dir/fonts.conf" <<FONTS
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
  <dir>$dir/root/usr/share/fonts</dir>
  <cachedir>$dir/fontcache</cachedir>
  <match target="pattern">
    <edit name="family" mode="append" binding="strong"><string>DejaVu Sans</string></edit>
  </match>
</fontconfig>
FONTS
}

# wrap writes DIR/chromium. A sandbox of its own takes what containers do not give,
# and the pages that it is to open are ours.
wrap() {
  local dir=$1 program=$2
  cat >"$dir/chromium.new" <<WRAPPER
#!/bin/sh
# Made by install-chromium.sh.
here=\$(dirname "\$(readlink -f "\$0")")
export FONTCONFIG_FILE="\$here/fonts.conf" LD_LIBRARY_PATH="$(libraries "$dir")"
exec "\$here${program#"$dir"}" --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars "\$@"
WRAPPER
  chmod +x "$dir/chromium.new"
}

works() { "$1" --version >"$2" 2>&1; }

install() {
  local dir=$1 program
  unpack_packages "$dir"
  program=$(find "$dir/root/usr" -type f -perm -u+x \( -name chromium-headless-shell -o -name headless_shell -o -name chrome-headless-shell \) -size +10M | head -n 1)
  [[ -n $program ]] || die "the unpacked packages hold no headless shell"
  point "$dir" "$program"
  fonts "$dir"
  wrap "$dir" "$program"
  works "$dir/chromium.new" "$dir/version.new" ||
    die "the unpacked program does not run: $(cat "$dir/version.new")"
  mv "$dir/version.new" "$dir/version"
  mv "$dir/chromium.new" "$dir/chromium"
}

main() {
  (($# == 1)) || { say "usage: $0 DIR"; exit 2; }
  mkdir -p "$1"
  local dir
  dir=$(cd "$1" && pwd)
  if [[ -x $dir/chromium ]] && works "$dir/chromium" "$dir/version.new"; then
    mv "$dir/version.new" "$dir/version"
    say "already there: $dir/chromium"
  else
    install "$dir"
    say "installed $dir/chromium"
  fi
  sed 's/^/install-chromium: /' "$dir/version" >&2
}

main "$@"
