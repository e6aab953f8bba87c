"""`wabus up`: the command; `starting` does it."""

from typing import Annotated

import typer

from deploy.local.errors import StackRefused
from deploy.local.server_set import ServerOptions
from deploy.local.stack import Options
from services.console.options import DEFAULT_STATE, AsJson, State
from services.console.printing import print_json
from services.console.starting import print_where_to_look, up_in_background, up_in_foreground


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(up)


def up(
    state: State = DEFAULT_STATE,
    detach: Annotated[bool, typer.Option("--detach", help="Return once all is ready.")] = False,
    edge_port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port of the API.")] = None,
    without: Annotated[list[str], typer.Option(help="Leave out a service; may be repeated.")] = [],  # noqa: B006
    scale: Annotated[list[str], typer.Option(help="SERVICE=N: several processes of it.")] = [],  # noqa: B006
    secure: Annotated[
        bool | None, typer.Option("--secure/--open", help="Servers that want TLS and a login.", show_default=False)
    ] = None,
    brokers: Annotated[int | None, typer.Option(help="Kafka brokers: 1 or 3.")] = None,
    members: Annotated[int | None, typer.Option(help="Members of MongoDB's replica set: 1 or 3.")] = None,
    as_json: AsJson = False,
) -> None:
    """Start the whole stack on this machine, on free ports.

    Example: wabus up --detach --edge-port 8080
    """
    options = Options(
        state.absolute(), edge_port, frozenset(without), _scale(scale), ServerOptions(secure, brokers, members)
    )
    if not detach:
        up_in_foreground(options)
        return
    stack = up_in_background(options)
    if as_json:
        print_json(stack)
    else:
        print_where_to_look(stack)


def _scale(asked: list[str]) -> dict[str, int]:
    counts = {}
    for item in asked:
        name, _, count = item.partition("=")
        if not count.isdigit() or not 1 <= int(count) <= 9:
            raise StackRefused(f"--scale {item}: say SERVICE=N with N from 1 to 9")
        counts[name] = int(count)
    return counts
