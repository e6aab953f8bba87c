"""How the demo tells its story: chapters, quotes, and checks that are counted."""

from typing import Any

from rich.console import Console
from rich.markup import escape


class Teller:
    """Prints as things happen, and remembers what did not hold."""

    def __init__(self, out: Console) -> None:
        self._out = out
        self.held = 0
        self.failed: list[str] = []

    def chapter(self, title: str) -> None:
        """Begin a part of the story."""
        self._out.print(f"\n[bold]{title}[/]")

    def quote(self, text: str) -> None:
        """Show what somebody said."""
        self._out.print(f'  [italic]"{escape(text)}"[/]')

    def history(self, steps: list[dict[str, Any]]) -> None:
        """Show a message's way."""
        way = " → ".join(step["status"] for step in steps)
        self._out.print(f"  [cyan]{way}[/]")

    def check(self, what: str, holds: bool, seen: Any = "") -> None:
        """Say that something holds, or what was seen instead."""
        if holds:
            self.held += 1
            self._out.print(f"  [green]✓[/] {escape(what)}")
        else:
            self.failed.append(what)
            self._out.print(f"  [red]✗ {escape(what)}[/]: {escape(str(seen)[:400])}")
