"""`wabus`: the command line."""

import sys

import typer

from deploy.local.errors import StackRefused
from services.console import demo_command, stack_commands
from services.console.errors import CommandRefused
from services.console.key_commands import keys, tenants
from services.console.record_commands import dead_letters, replay
from services.console.send_commands import send

app = typer.Typer(
    name="wabus",
    help="Run and operate Wabus on this machine or against a deployment.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # locals hold keys
)
stack_commands.register(app)
app.command()(demo_command.demo)
app.add_typer(keys, name="keys")
app.add_typer(tenants, name="tenants")
app.add_typer(send, name="send")
app.add_typer(replay, name="replay")
app.add_typer(dead_letters, name="dead-letters")


def main() -> None:
    """Run the command; what was refused is one sentence on standard error and exit code 1."""
    try:
        app()
    except (StackRefused, CommandRefused) as refused:
        sys.stderr.write(f"wabus: {refused}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
