import asyncio

from libs.runtime.http_joined_writes import SMALL, JoinedWrites


class Wire:
    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.writes.append(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_extra_info(self, name: str) -> str:
        return f"the {name}"


async def test_head_and_body_leave_in_one_write() -> None:
    wire = Wire()
    joined = JoinedWrites(wire, asyncio.get_running_loop())
    joined.write(b"head ")
    joined.write(b"body")
    await asyncio.sleep(0)
    assert wire.writes == [b"head body"]


async def test_a_head_whose_body_is_late_leaves_at_the_end_of_the_turn() -> None:
    wire = Wire()
    joined = JoinedWrites(wire, asyncio.get_running_loop())
    joined.write(b"head ")
    assert wire.writes == []
    await asyncio.sleep(0)
    assert wire.writes == [b"head "]
    joined.write(b"body")
    await asyncio.sleep(0)
    assert wire.writes == [b"head ", b"body"]


async def test_large_chunks_keep_their_order_and_are_not_copied() -> None:
    wire, large = Wire(), b"x" * SMALL
    joined = JoinedWrites(wire, asyncio.get_running_loop())
    for chunk in (b"head ", large, b"small ", b"and ", large, large):
        joined.write(chunk)
    await asyncio.sleep(0)
    assert b"".join(wire.writes) == b"head " + large + b"small and " + large + large
    assert [each for each in wire.writes if each is large] == [large] * 3


async def test_what_is_held_leaves_before_the_close() -> None:
    wire = Wire()
    joined = JoinedWrites(wire, asyncio.get_running_loop())
    joined.write(b"408")
    joined.close()
    await asyncio.sleep(0)
    assert (wire.writes, joined.is_closing(), joined.get_extra_info("peername")) == ([b"408"], True, "the peername")
