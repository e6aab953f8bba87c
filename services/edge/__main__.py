"""Run edge: `python -m services.edge`."""

from libs.runtime.run import run
from services.edge.app import create_app
from services.edge.settings import Settings

if __name__ == "__main__":
    run(create_app, Settings)
