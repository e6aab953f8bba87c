"""What the doctor finds: a check, how bad it is, and a sentence."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is. Only an error makes the doctor's exit code 1."""

    OK = "ok"
    NOTE = "note"  # as it should be here, and worth knowing: a stack for trying out is open on purpose
    WARNING = "warning"  # weaker than it has to be
    ERROR = "error"  # nothing that belongs to other people is safe with this


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer of one check."""

    check: str
    level: Level
    says: str

    @property
    def ok(self) -> bool:
        """Whether one can go on with it."""
        return self.level is not Level.ERROR
