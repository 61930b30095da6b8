#!/usr/bin/env bash
# Looks for known vulnerabilities in what the module calls, with govulncheck at the
# version that go.mod names.
#
#   scripts/vuln.sh [PACKAGE...]
#
# The database is https://vuln.go.dev, or what EVABENCH_VULNDB names: a mirror, or a
# folder as file:///srv/vulndb for a machine without that network.
#
# Exit status: 0 none was found, 1 some were or govulncheck failed, 75 the database
# cannot be reached, so that nothing is known: that is no pass.
set -euo pipefail
cd "$(dirname "$0")/.."

db=${EVABENCH_VULNDB:-https://vuln.go.dev}
if (($# == 0)); then set -- ./...; fi

status=0
said=$("${GO:-go}" tool govulncheck -db "$db" "$@" 2>&1) || status=$?
printf '%s\n' "$said"
case $status in
  0) ;;
  3) exit 1 ;; # vulnerabilities that are called
  *)
    if grep -qE 'fetching vulnerabilities|unrecognized vulndb format|HTTP GET' <<<"$said"; then
      printf 'NOT RUN: the vulnerability database %s cannot be reached, or is none; set EVABENCH_VULNDB to a mirror or to file:///FOLDER\n' "$db"
      exit 75
    fi
    exit 1
    ;;
esac
