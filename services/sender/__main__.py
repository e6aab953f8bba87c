"""Run the sender: `python -m services.sender`."""

from libs.runtime.run import run
from services.sender.app import create_app
from services.sender.settings import Settings

if __name__ == "__main__":
    run(create_app, Settings)
