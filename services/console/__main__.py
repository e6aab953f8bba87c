"""`wabus`: the command line."""

import importlib
import logging
import sys

import structlog
import typer

from deploy.local.errors import StackRefused
from libs.runtime.errors import StartRefused
from services.console.errors import CommandRefused

# Which module has which commands, in the order of the help. Only the one that is asked for is imported: Kafka's and
# MongoDB's clients take half a second, which `wabus restart` in the midst of a fault should not.
MODULES = {
    "up_command": ("up",),
    "stack_commands": ("down", "status", "logs", "restart", "stop"),
    "demo_command": ("demo",),
    "doctor_command": ("doctor",),
    "key_commands": ("keys", "tenants"),
    "audit_commands": ("audit",),
    "send_commands": ("send",),
    "campaign_commands": ("campaigns",),
    "analytics_commands": ("analytics",),
    "bot_commands": ("bots",),
    "sandbox_commands": ("sandbox",),
    "migrate_command": ("migrate",),
    "keyring_commands": ("keyring",),
    "replay_commands": ("replay",),
    "dead_letter_commands": ("dead-letters",),
}


def command_line(arguments: list[str]) -> typer.Typer:
    """Return the command line with the command that the arguments name, or with all of them where they name none."""
    app = typer.Typer(
        name="wabus",
        help="Run and operate Wabus on this machine or against a deployment.",
        no_args_is_help=True,
        rich_markup_mode="markdown",  # which fills lines that the docstrings break
        add_completion=False,
        pretty_exceptions_show_locals=False,  # locals hold keys
    )
    app.callback()(lambda: None)  # a command line of one command still has its name
    asked = [module for module, names in MODULES.items() if arguments[:1] and arguments[0] in names]
    for module in asked or MODULES:
        importlib.import_module(f"services.console.{module}").register(app)
    return app


def only_the_commands_speak() -> None:
    """Drop what libraries log: a command says in its own sentence what went wrong, and its output may be JSON."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.getLogger().addHandler(logging.NullHandler())


def main() -> None:
    """Run the command; what was refused is one sentence on standard error and exit code 1."""
    only_the_commands_speak()
    try:
        command_line(sys.argv[1:])()
    except (StackRefused, CommandRefused, StartRefused) as refused:
        sys.stderr.write(f"wabus: {refused}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
