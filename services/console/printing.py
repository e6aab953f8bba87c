"""How the command line prints: a table for a person, JSON for a program."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

PLAIN_WIDTH = 240  # columns where nobody looks: a pipe or a file should not get wrapped addresses
COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "red")

console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else PLAIN_WIDTH)

errors_console = Console(stderr=True, highlight=False)  # for what moves: it must not get into a pipe


def print_json(value: Any) -> None:
    """Print a value as JSON on standard output."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def print_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], as_json: bool) -> None:
    """Print rows as a table of these columns, or whole as JSON."""
    if as_json:
        print_json(list(rows))
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(_cell(row.get(column)) for column in columns))
    console.print(table if rows else "[dim]nothing there[/]")


def print_log_line(name: str, line: str) -> None:
    """Print a line of a log with its process's name in front, in a colour of its own."""
    colour = COLOURS[sum(name.encode()) % len(COLOURS)]
    console.print(f"[{colour}]{name:>10}[/] │ ", end="")
    console.print(line, markup=False)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, list | tuple | set):
        return ", ".join(str(item) for item in value)
    return str(value)
