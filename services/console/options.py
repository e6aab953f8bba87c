"""Options that every command has."""

from pathlib import Path
from typing import Annotated

import typer

State = Annotated[Path, typer.Option("--state", envvar="WABUS_STATE", help="The stack's state directory.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program.")]
DEFAULT_STATE = Path(".wabus")
