"""Run the tracker: `python -m services.tracker`."""

from libs.runtime.run import run
from services.tracker.app import create_app
from services.tracker.settings import Settings

if __name__ == "__main__":
    run(create_app, Settings)
