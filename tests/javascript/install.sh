#!/usr/bin/env bash
# Debian's node and npm, unless they are there, and from npm's registry what package-lock.json names, by its hashes.
# Exit code 75 where the registry cannot be reached: then nothing was found wrong, and nothing right.
set -euo pipefail
if ! { command -v node && command -v npm; } >/dev/null; then
  "$(dirname "$0")/../support/apt_install.sh" "The tests of the guides' JavaScript" nodejs npm
fi
cd "$(dirname "$0")"
if ! said=$(npm ci --ignore-scripts --no-audit --no-fund 2>&1); then
  printf '%s\n' "$said" >&2
  if grep -qE 'code (ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ENETUNREACH|E?TIMEDOUT|ERR_SOCKET_TIMEOUT|[A-Z_]*CERT[A-Z_]*)' <<<"$said"; then
    echo "NOT CHECKED: npm's registry cannot be reached from here, so the guides' JavaScript was not run." >&2
    exit 75
  fi
  exit 1
fi
