#!/usr/bin/env bash
# Debian's node and npm, unless they are there, and from npm's registry what package-lock.json names, by its hashes.
set -euo pipefail
if ! { command -v node && command -v npm; } >/dev/null; then
  as_root=()
  if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null; then
      echo "The tests of the guides' JavaScript need the packages nodejs and npm: install them as root." >&2
      exit 1
    fi
    as_root=(sudo)
  fi
  "${as_root[@]}" apt-get update -q
  "${as_root[@]}" apt-get install -y -q --no-install-recommends nodejs npm
fi
cd "$(dirname "$0")"
npm ci --ignore-scripts --no-audit --no-fund --silent
