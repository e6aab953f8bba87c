"""Records whose headers are not text, as clients in other languages write them, on the real broker."""

import struct

from aiokafka.record.util import calc_crc32c  # type: ignore[import-untyped]

from libs.kafka.bus import Bus, Outgoing
from libs.kafka.record import Record
from tests.integration.kafka.conftest import Consume, MakeBus, MakeTopics
from tests.support.waiting import eventually

CHECKSUM_AT = 17  # of a record batch of format 2, over all that follows


async def write_with_header_name(bus: Bus, topic: str, values: list[bytes], name: bytes) -> None:
    """Write one batch whose records have a header of this name of two bytes, as clients in other languages can."""
    producer = await bus._producer.ready()
    batch = producer.create_batch()
    for value in values:
        batch.append(timestamp=None, key=b"k", value=value, headers=[("QQ", b"v")])
    build = batch._build

    def build_otherwise() -> bytearray:
        data = bytearray(build()).replace(b"QQ", name)
        struct.pack_into(">I", data, CHECKSUM_AT, calc_crc32c(memoryview(data)[CHECKSUM_AT + 4 :]))
        return data

    batch._build = build_otherwise
    await (await producer.send_batch(batch, topic, partition=0))


async def test_headers_that_are_null_or_not_utf8_drop_neither_their_record_nor_its_neighbours(
    bus: Bus, make_topics: MakeTopics, consume: Consume
) -> None:
    [topic] = await make_topics(partitions=1)
    odd = [("absent", None), ("latin", b"\xe9t\xe9"), ("plain", b"text")]
    await bus.publish_many([Outgoing(topic, b"k", b"%d" % number, odd if number == 1 else ()) for number in range(3)])
    seen: list[Record] = []

    async def handle(record: Record) -> None:
        seen.append(record)

    await consume([topic], handle)
    await eventually(lambda: len(seen) == 3, "all three")
    assert [record.value for record in seen] == [b"0", b"1", b"2"]
    assert seen[1].headers == tuple(odd)
    assert [seen[1].header(name) for name in ("absent", "latin", "plain", "none")] == [None, None, "text", None]


async def test_a_header_name_that_is_not_utf8_loses_neither_its_record_nor_its_neighbours(
    make_bus: MakeBus, make_topics: MakeTopics, consume: Consume
) -> None:
    [topic] = await make_topics(partitions=1)
    bus = await make_bus()
    await bus.publish(topic, key=b"k", value=b"0")
    await write_with_header_name(bus, topic, [b"1", b"2", b"3"], b"\xff\xfe")
    await bus.publish(topic, key=b"k", value=b"4")
    seen: list[Record] = []

    async def handle(record: Record) -> None:
        seen.append(record)

    await consume([topic], handle)
    await eventually(lambda: len(seen) == 5, "all five")
    assert [record.value for record in seen] == [b"0", b"1", b"2", b"3", b"4"]
    assert seen[2].headers == (("\\xff\\xfe", b"v"),)
