"""The events that keep the page up to date."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

from tests.support.sandbox import Box, Receiver

WITHIN = 10.0  # seconds for what comes in tenths of one
USER = "15550000001"  # who writes to the box


async def events(box: Box, phone: str = "") -> AsyncGenerator[tuple[str, Any]]:
    """Yield the events of a stream."""
    name = ""
    async with asyncio.timeout(WITHIN), box.http.stream("GET", f"/_sandbox/events?phone={phone}") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        async for line in answer.aiter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                yield name, json.loads(line.removeprefix("data: "))


async def the_first(box: Box, wanted: str, phone: str = "") -> Any:
    """Return the first event of a name."""
    async for name, data in events(box, phone):
        if name == wanted:
            return data
    raise AssertionError(f"the stream ended without {wanted}")


async def test_a_stream_begins_with_all_that_there_is(box: Box, heard: Receiver) -> None:
    await box.writes()
    await box.text()
    phone = await the_first(box, "phone", USER)
    [talk] = phone["conversations"]
    assert [each["direction"] for each in talk["messages"]] == ["from_user", "to_user"]
    assert [row["to"] for row in await the_first(box, "sends")] == [USER]
    assert [row["wa_id"] for row in await the_first(box, "phones")] == [USER]
    assert set((await the_first(box, "numbers"))[0]) == {"name", "phone_number_id", "display_phone_number"}


async def test_what_happens_later_is_told_and_nothing_twice(box: Box, heard: Receiver) -> None:
    await box.writes()
    seen: list[int] = []
    statuses: list[str] = []
    sent = False
    async for name, data in events(box, USER):
        if name == "sends":
            seen += [row["seq"] for row in data]
        if name == "phone":
            statuses += [it["status"] for it in data["conversations"][0]["messages"] if it["direction"] == "to_user"]
            if not sent:
                sent = True
                await box.text()
        if seen and "delivered" in statuses:
            break
    assert len(seen) == len(set(seen)) == 1


async def test_more_pages_than_may_are_refused(box: Box) -> None:
    open_streams = [events(box) for _ in range(20)]
    for stream in open_streams:
        await anext(stream)
    assert (await box.http.get("/_sandbox/events")).status_code == 503
    for stream in open_streams:
        await stream.aclose()


async def test_files_of_the_page_are_served_and_no_other(box: Box) -> None:
    for name, media in (("page.js", "javascript"), ("bubbles.js", "javascript"), ("style.css", "css")):
        answer = await box.http.get(f"/_sandbox/page/{name}")
        assert media in answer.headers["content-type"]
    for name in ("..%2Fapp.py", "app.py", "%2e%2e"):
        assert (await box.http.get(f"/_sandbox/page/{name}")).status_code == 404
