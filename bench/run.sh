#!/bin/sh
# Measures evabench beside other load generators and prints a table in Markdown.
#
#   bench/run.sh [--quick] [flags of the command bench]
#
# Clients that are not there are fetched where that is possible: k6 and fortio
# through the Go module proxy (into bin/peers), wrk, hey and ab from Debian if
# INSTALL=1 and we may. vegeta is built from its source in VEGETA_SOURCE, if that
# is set, for the module proxy does not give it to everybody. What is missing is
# left out and named.
set -eu
cd "$(dirname "$0")/.."
GO=${GO:-go}
bin=$PWD/bin/peers
mkdir -p "$bin"
PATH=$bin:$PATH

say() { echo "bench: $*" >&2; }

if [ "${INSTALL:-0}" = 1 ]; then
	apt-get install -y -q --no-install-recommends wrk hey apache2-utils >&2 || say "Debian's packages could not be installed"
fi

# want NAME MODULE@VERSION… installs the first version that can be had.
want() {
	name=$1
	shift
	command -v "$name" >/dev/null && return
	for module in "$@"; do
		say "installing $module"
		GOBIN=$bin timeout 300 "$GO" install "$module" 2>"$bin/$name.log" && return
	done
	say "$name could not be installed; see $bin/$name.log"
}
want k6 go.k6.io/k6@v1.8.1
want fortio fortio.org/fortio@v1.75.2 fortio.org/fortio@v1.40.1
if [ -n "${VEGETA_SOURCE:-}" ] && ! command -v vegeta >/dev/null; then
	(cd "$VEGETA_SOURCE" && GOBIN=$bin "$GO" install -ldflags "-X main.Version=$(git describe --tags --always)" .) || say "vegeta could not be built"
fi
want vegeta github.com/tsenart/vegeta/v12@v12.12.0

make build >&2
"$GO" build -o "$bin/bench" ./bench
exec "$bin/bench" "$@"
