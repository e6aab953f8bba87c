"""Run the templates service: `python -m services.templates`."""

from libs.runtime.run import run
from services.templates.app import create_app
from services.templates.settings import Settings

if __name__ == "__main__":
    run(create_app, Settings)
