"""Run the notifier: `python -m services.notifier`."""

from libs.runtime.run import run
from services.notifier.app import create_app
from services.notifier.settings import Settings

if __name__ == "__main__":
    run(create_app, Settings)
