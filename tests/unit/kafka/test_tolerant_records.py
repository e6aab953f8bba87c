import struct

import pytest
from aiokafka.errors import CorruptRecordException  # type: ignore[import-untyped]
from aiokafka.record.default_records import DefaultRecordBatchBuilder  # type: ignore[import-untyped]
from aiokafka.record.util import calc_crc32c  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from libs.kafka.tolerant_records import TolerantRecords

CHECKSUM_AT = 17  # of a batch, over all that follows
OFFSET_DELTAS = 3  # records per batch


def batch(base: int, name: bytes = b"ok", compression: int = 0) -> bytes:
    """Return a batch of three records with a header of this name of two bytes."""
    builder = DefaultRecordBatchBuilder(2, compression, 0, -1, -1, -1, 1 << 20)
    for delta in range(OFFSET_DELTAS):
        builder.append(delta, 1_700_000_000_000, b"k", b"%d" % (base + delta), [("QQ", None)])
    data = bytearray(builder.build())
    if not compression:
        data = data.replace(b"QQ", name)
    struct.pack_into(">q", data, 0, base)
    struct.pack_into(">I", data, CHECKSUM_AT, calc_crc32c(memoryview(data)[CHECKSUM_AT + 4 :]))
    return bytes(data)


def corrupt(data: bytes) -> bytes:
    """Return the batch with its last byte changed."""
    return data[:-1] + bytes([data[-1] ^ 0xFF])


def read(records: TolerantRecords) -> list[int]:
    """Return the values of all that can be read."""
    found = []
    while records.has_next():
        one = records.next_batch()
        assert one is not None
        assert one.validate_crc()
        found += [int(record.value) for record in one]
    return found


def test_sound_batches_are_read_to_the_end_compressed_or_not() -> None:
    data = batch(0) + batch(3, compression=3) + batch(6)
    assert read(TolerantRecords(data)) == list(range(9))


def test_a_name_that_is_not_utf8_is_spelt_and_its_neighbours_are_whole() -> None:
    records = TolerantRecords(batch(0) + batch(3, b"\xff\xfe") + batch(6))
    found = []
    while records.has_next():
        found += list(records.next_batch() or ())
    assert [int(record.value) for record in found] == list(range(9))
    assert found[4].headers == [("\\xff\\xfe", None)]


def test_reading_ends_before_a_broken_batch_and_a_fetch_that_begins_with_it_raises() -> None:
    assert read(TolerantRecords(batch(0) + corrupt(batch(3)) + batch(6))) == [0, 1, 2]
    again = TolerantRecords(corrupt(batch(3)) + batch(6))
    assert again.has_next()
    first = again.next_batch()
    assert first is not None
    assert not first.validate_crc()
    with pytest.raises(CorruptRecordException):
        list(first)


def test_a_batch_that_was_cut_off_by_the_fetch_is_left_for_the_next_one() -> None:
    records = TolerantRecords(batch(0) + batch(3)[:-5])
    assert read(records) == [0, 1, 2]
    assert records.next_batch() is None


@given(st.integers(0, 200), st.integers(0, 255))
def test_no_flipped_byte_makes_it_give_out_records_that_were_not_written(place: int, bits: int) -> None:
    good = batch(0)
    bad = bytearray(batch(3))
    bad[12 + place % (len(bad) - 12)] ^= bits  # not the offset and the length, which no checksum covers
    assert read_sound(TolerantRecords(good + bytes(bad))) in ([0, 1, 2], list(range(6)))


def read_sound(records: TolerantRecords) -> list[int]:
    """Return the values of the batches that are what was written."""
    found = []
    while records.has_next() and (one := records.next_batch()) is not None and one.validate_crc():
        found += [int(record.value) for record in one]
    return found
