"""Run the campaigns service: `python -m services.campaigns`."""

from libs.runtime.run import run
from services.campaigns.app import create_app
from services.campaigns.settings import Settings

if __name__ == "__main__":
    run(create_app, Settings)
