"""Run analytics: `python -m services.analytics`."""

from libs.runtime.run import run
from services.analytics.app import create_app
from services.analytics.settings import Settings

if __name__ == "__main__":
    run(create_app, Settings)
