"""Print the dashboards anew, after boards/ has changed: `python -m deploy.grafana`."""

from deploy.grafana.printing import print_all

if __name__ == "__main__":
    print_all()
