"""Print a Prometheus configuration for a running local stack: `python -m deploy.prometheus .wabus`."""

import sys
from pathlib import Path

from deploy.prometheus.local import printed

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("say which state directory: python -m deploy.prometheus .wabus")
    try:
        sys.stdout.write(printed(Path(sys.argv[1])))
    except FileNotFoundError:
        sys.exit(f"no stack runs in {sys.argv[1]}: there is no stack.json")
