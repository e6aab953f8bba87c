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


def print_all(folder: Path = FOLDER) -> None:
    """Write every board, and remove the files of those that are no more."""
    texts = {f"{board.uid}.json": printed(board) for board in BOARDS}
    for path in folder.glob("*.json"):
        if path.name not in texts:
            path.unlink()
    for name, text in texts.items():
        (folder / name).write_text(text)
