"""`python -m services.sandbox`: run the sandbox."""

from libs.runtime.run import run
from services.sandbox.app import create_app
from services.sandbox.settings import Settings

if __name__ == "__main__":
    run(create_app, Settings)
