"""Print the dashboards anew, after boards/ has changed: `python -m deploy.grafana`; with `--check` only look."""

import sys

from deploy.grafana.printing import differing, print_all

if __name__ == "__main__":
    if "--check" not in sys.argv[1:]:
        print_all()
    elif names := differing():
        sys.exit(f"deploy/grafana/dashboards: {', '.join(names)} not as boards/ says: run `make contracts`")
