#!/usr/bin/env bash
# Debian's prometheus with its promtool, and Alertmanager's amtool, unless they are there. Their own services are not
# started: tests start theirs.
set -euo pipefail
if command -v prometheus >/dev/null && command -v promtool >/dev/null && command -v amtool >/dev/null; then exit 0; fi
as_root=()
if [ "$(id -u)" != 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "The tests of dashboards need the packages prometheus and prometheus-alertmanager: install them as root." >&2
    exit 1
  fi
  as_root=(sudo)
fi
"${as_root[@]}" apt-get update -q
"${as_root[@]}" apt-get install -y -q --no-install-recommends prometheus prometheus-alertmanager
"${as_root[@]}" systemctl disable --now prometheus prometheus-alertmanager 2>/dev/null || true
