"""Reads fetched bytes so that one broken record neither loses its neighbours nor stops its partition.

aiokafka 0.14 decodes header names strictly, in the middle of handing out records: one that is not UTF-8 raises, the
records before it that were already taken are lost (the position moves past them), and the partition is tried again for
ever at the full speed of a core. A batch with a wrong checksum loses the records before it in the same way.
"""

from collections.abc import Iterator
from typing import Any

from aiokafka.consumer import fetcher  # type: ignore[import-untyped]
from aiokafka.errors import CorruptRecordException, KafkaError  # type: ignore[import-untyped]
from aiokafka.record.default_records import _DefaultRecordBatchPy  # type: ignore[import-untyped]
from aiokafka.record.memory_records import MemoryRecords  # type: ignore[import-untyped]

LENGTH_AT = 8  # of a batch's header: an offset of 8 bytes, then how many bytes follow the first 12
LENGTH_END = 12


def install() -> None:
    """Let every aiokafka consumer of this process read with `TolerantRecords`."""
    fetcher.MemoryRecords = TolerantRecords


class TolerantRecords:
    """aiokafka's MemoryRecords, read a batch ahead: it ends before a broken batch instead of breaking in its middle.

    The next fetch then begins with the broken batch, and raises with nothing to lose.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._records = MemoryRecords(data)
        self._at = 0
        self._ahead: Batch | None = None

    def size_in_bytes(self) -> int:
        """Return the size of what was fetched."""
        return int(self._records.size_in_bytes())

    def has_next(self) -> bool:
        """Tell whether there is a whole batch, after the first one: a sound one."""
        if self._ahead is not None:
            return True
        if not self._records.has_next():
            return False
        first = self._at == 0
        self._ahead = self._read()
        return first or self._ahead.broken is None

    def next_batch(self) -> "Batch | None":
        """Return the next batch; a broken one raises when it is read."""
        batch = self._ahead if self.has_next() else None
        self._ahead = None
        return batch

    def _read(self) -> "Batch":
        begin = self._at
        length = int.from_bytes(self._data[begin + LENGTH_AT : begin + LENGTH_END], "big")
        self._at = begin + LENGTH_END + length
        return Batch(self._records.next_batch(), memoryview(self._data)[begin : self._at])


class Batch:
    """One batch with its records read; what else is asked of it, aiokafka's own batch answers."""

    def __init__(self, original: Any, data: memoryview) -> None:
        self.broken: Exception | None = None
        self._original = original
        self._valid = bool(original.validate_crc())
        self._read: list[Any] = []
        try:
            self._read = list(original) if self._valid else []
        except UnicodeDecodeError:
            self._read = list(_LenientBatch(data))
        except KafkaError as error:
            self.broken = error
        except Exception as error:
            self.broken = CorruptRecordException(f"a batch cannot be read: {type(error).__name__}")
        if not self._valid:
            self.broken = CorruptRecordException("a batch has a wrong checksum")

    def validate_crc(self) -> bool:
        """Tell whether the batch is what was written."""
        return self._valid

    def __iter__(self) -> Iterator[Any]:
        if self.broken is not None:
            raise self.broken
        return iter(self._read)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)


class _Lenient(bytearray):
    """Bytes that spell with backslashes what is not UTF-8 in them, and so do their slices."""

    def __getitem__(self, key: Any) -> Any:
        got = super().__getitem__(key)
        return _Lenient(got) if isinstance(key, slice) else got

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return super().decode(encoding, "backslashreplace")


class _LenientBatch(_DefaultRecordBatchPy):  # type: ignore[misc]
    """aiokafka's batch in Python, where a header name that is not UTF-8 is spelt with backslashes."""

    _buffer: Any

    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        self._buffer = _Lenient(self._buffer)
