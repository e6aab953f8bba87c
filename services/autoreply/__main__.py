"""Run autoreply: `python -m services.autoreply`."""

from libs.runtime.run import run
from services.autoreply.app import create_app
from services.autoreply.settings import Settings

if __name__ == "__main__":
    run(create_app, Settings)
