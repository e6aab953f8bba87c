"""All boards, and their files."""

import json
from pathlib import Path

from deploy.grafana.boards import bots, campaigns, consumers, costs, overview, runtime, sender, webhooks
from deploy.grafana.panels import Board

FOLDER = Path(__file__).parent / "dashboards"
BOARDS = tuple(it.BOARD for it in (overview, sender, webhooks, campaigns, costs, bots, consumers, runtime))


def printed(board: Board) -> str:
    """Return what a board's file holds."""
    return json.dumps(board.json(), indent=1, ensure_ascii=False) + "\n"


def differing(folder: Path = FOLDER) -> list[str]:
    """Return the names of the files that are not there, not as their board says, or of no board."""
    wanted = _texts()
    written = {path.name: path.read_text() for path in folder.glob("*.json")}
    return sorted(name for name in wanted.keys() | written.keys() if wanted.get(name) != written.get(name))


def print_all(folder: Path = FOLDER) -> None:
    """Write every board, and remove the files of those that are no more."""
    texts = _texts()
    for name in differing(folder):
        if name in texts:
            (folder / name).write_text(texts[name])
        else:
            (folder / name).unlink()


def _texts() -> dict[str, str]:
    return {f"{board.uid}.json": printed(board) for board in BOARDS}
