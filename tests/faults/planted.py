"""Bugs to plant, one per promise: each is a small edit of a copy of the source, and a scenario that must notice it."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
COPIED = ("libs", "services", "deploy", "contracts", "tests", "pyproject.toml")


@dataclass(frozen=True)
class Bug:
    """One edit: in this file, this text becomes that."""

    file: str
    right: str
    wrong: str


BUGS = {
    "commit before finish": Bug(
        "libs/kafka/batch_engine.py",
        "        self._waiting.extend(fetched)\n",
        "        self._waiting.extend(fetched)\n        self._progress[partition].position = fetched[-1].offset + 1\n",
    ),
    "claim without state filter": Bug(
        "libs/ledger/claims.py",
        '"tenant": claim.tenant, "state": MessageStatus.QUEUED.value, "rank": 0}\n',
        '"tenant": claim.tenant}\n',
    ),
    "sweeper off": Bug(
        "services/sender/sweeper.py", "        rows = await self._due.past(now, BATCH)\n", "        rows = []\n"
    ),
    "status without rank": Bug(
        "libs/ledger/moves.py", '"$max": {"rank": self.rank}', '"$set": {"rank": self.rank}'
    ),
    "event only if the move was new": Bug(
        "services/tracker/service.py",
        "        for record, report in found.reports:\n            events +=",
        "        for record, report in found.reports:\n"
        '            if report.status.value in record.get("times", {}):\n'
        "                continue\n"
        "            events +=",
    ),
    "w=1": Bug(
        "libs/mongo/client.py",
        'w="majority",\n                journal=True,\n',
        "w=1,\n                journal=False,\n",
    ),
}  # fmt: skip


@contextlib.contextmanager
def planted(name: str) -> Iterator[Path]:
    """Copy the source with the bug in it; processes started meanwhile run the copy."""
    folder = Path(tempfile.mkdtemp(prefix="wabus-planted-"))
    before = os.environ.get("PYTHONPATH")
    try:
        for part in COPIED:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, folder / part)
        _edit(folder, BUGS[name])
        os.environ["PYTHONPATH"] = str(folder)
        yield folder
    finally:
        if before is None:
            os.environ.pop("PYTHONPATH", None)
        else:
            os.environ["PYTHONPATH"] = before
        shutil.rmtree(folder, ignore_errors=True)


def _edit(folder: Path, bug: Bug) -> None:
    path = folder / bug.file
    text = path.read_text()
    assert text.count(bug.right) == 1, f"{bug.file} does not have the text to break once: {bug.right!r}"
    path.write_text(text.replace(bug.right, bug.wrong))
