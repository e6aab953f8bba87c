"""The hand-written examples of `contracts/examples`: what a record of each type looks like, by situation.

A file is one event in CloudEvents' JSON form: the attributes, `partitionkey` for the record's key, and `data`. Tests
give each of them to every consumer of its topic.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from libs.events.envelope import Envelope, read_envelope

CONTRACTS = Path(__file__).parents[2] / "contracts"


@dataclass(frozen=True, slots=True)
class Example:
    """One example: where it is, and the record that it stands for."""

    path: Path
    topic: str
    key: bytes
    envelope: Envelope
    value: bytes

    @property
    def situation(self) -> str:
        """Return the file's name, which names the situation."""
        return self.path.stem


def read_examples(folder: Path = CONTRACTS / "examples") -> Sequence[Example]:
    """Return every example; raises ValueError naming the file that is not one."""
    return [_read(path) for path in sorted(folder.glob("*/*.json"))]


def _read(path: Path) -> Example:
    try:
        event: dict[str, Any] = json.loads(path.read_text())
        attributes = {name: value for name, value in event.items() if name not in ("data", "partitionkey")}
        headers = [(f"ce_{name}", str(value).encode()) for name, value in attributes.items()]
        value = json.dumps(event["data"], ensure_ascii=False, separators=(",", ":")).encode()
        return Example(path, path.parent.name, event["partitionkey"].encode(), read_envelope(headers), value)
    except Exception as error:
        raise ValueError(f"{path}: not an example: {error!r}") from error
