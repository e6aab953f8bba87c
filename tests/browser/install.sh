#!/usr/bin/env bash
# Debian's chromium and its driver, unless they are there. Nothing else is fetched by the tests.
set -euo pipefail
if command -v chromium >/dev/null && command -v chromedriver >/dev/null; then exit 0; fi
"$(dirname "$0")/../support/apt_install.sh" "The browser tests" chromium chromium-driver
