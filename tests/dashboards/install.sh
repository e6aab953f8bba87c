#!/usr/bin/env bash
# Debian's prometheus with its promtool, and Alertmanager's amtool, unless they are there. Their own services are not
# started: tests start theirs.
set -euo pipefail
if command -v prometheus >/dev/null && command -v promtool >/dev/null && command -v amtool >/dev/null; then exit 0; fi
"$(dirname "$0")/../support/apt_install.sh" "The tests of dashboards" prometheus prometheus-alertmanager
as_root=()
if [ "$(id -u)" != 0 ]; then as_root=(sudo); fi
"${as_root[@]}" systemctl disable --now prometheus prometheus-alertmanager 2>/dev/null || true
