"""`wabus`: the command line."""

import sys

import typer

from deploy.local.errors import StackRefused
from services.console import stack_commands

app = typer.Typer(
    name="wabus",
    help="Run and operate Wabus on this machine or against a deployment.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # locals hold keys
)
stack_commands.register(app)


def main() -> None:
    """Run the command; what was refused is one sentence on standard error and exit code 1."""
    try:
        app()
    except StackRefused as refused:
        sys.stderr.write(f"wabus: {refused}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
