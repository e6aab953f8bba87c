#!/usr/bin/env bash
# apt_install.sh WHAT PACKAGE...: Debian's packages for WHAT, as root or by sudo; one sentence and code 1 where neither is.
set -euo pipefail
what=$1
shift
as_root=()
if [ "$(id -u)" != 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "$what need the packages $*: install them as root." >&2
    exit 1
  fi
  as_root=(sudo)
fi
"${as_root[@]}" apt-get update -q
"${as_root[@]}" apt-get install -y -q --no-install-recommends "$@"
