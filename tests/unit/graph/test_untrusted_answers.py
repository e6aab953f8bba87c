"""What answers in Graph's place may say anything: it is refused, read as unknown or cut, and never crashes us."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from libs.graph.client import GraphClient
from libs.graph.errors import GraphFailure, read_error
from libs.graph.send import Accepted, Unknown, read_answer
from services.edge.credentials import Credentials, TokenRefused, check_token
from services.edge.meta_facts import account_facts, number_facts

DEEP = b"[" * 50_000
OURS = Credentials("1", "secret", "verify", "http://127.0.0.1", True)
SCOPES = ["whatsapp_business_management", "whatsapp_business_messaging"]
ODD: tuple[Any, ...] = (None, 10**30, {"a\0b": {"$x": 1}}, ["x", {}], "\ud800" * 3, True, 1.5, "A" * 5000)


def client(raw: bytes) -> GraphClient:
    return GraphClient("http://127.0.0.1", "v24.0", httpx.MockTransport(lambda _: httpx.Response(200, content=raw)))


@pytest.mark.parametrize(
    "raw", [DEEP, b'{"messages":' + DEEP, b"\xff", b'{"messages":["x"]}', b'{"messages":[{"id":1}, 2']
)
def test_an_answer_that_cannot_be_read_is_an_unknown_outcome(raw: bytes) -> None:
    assert isinstance(read_answer(200, raw), Unknown)


def test_a_wamid_is_bounded_and_can_be_stored() -> None:
    outcome = read_answer(200, json.dumps({"messages": [{"id": "\ud800" + "w" * 100_000}]}).encode())
    assert isinstance(outcome, Accepted)
    assert len(outcome.wamid.encode()) <= 512


def test_a_code_that_no_store_takes_is_no_error_body_of_graphs() -> None:
    assert read_error({"error": {"code": 10**30, "message": "x"}}, 400) is None


def test_words_with_half_surrogates_are_mended() -> None:
    error = read_error({"error": {"code": 100, "message": "a\ud800", "fbtrace_id": "\udfff"}}, 400)
    assert error is not None
    assert (error.title.encode(), error.fbtrace_id) == (b"a?", "?")


@pytest.mark.parametrize("raw", [DEEP, b'{"data": "\\ud800"}', b"[]", b"null"])
async def test_an_answer_that_is_none_is_a_failure_of_graphs(raw: bytes) -> None:
    with pytest.raises(GraphFailure):
        await client(raw).account("1", "token")


@pytest.mark.parametrize("page", [
    {"data": None}, {"data": {"a": 1}}, {"data": [1, None, "x"]}, {"data": [], "paging": ["next"]},
    {"data": [], "paging": {"next": "x", "cursors": "after"}},
    {"data": [], "paging": {"next": 1, "cursors": {"after": {}}}},
])  # fmt: skip
async def test_a_page_of_another_shape_is_an_empty_last_page(page: dict[str, Any]) -> None:
    assert await client(json.dumps(page).encode()).numbers("1", "token") == []


@pytest.mark.parametrize("data", [
    {"scopes": 7}, {"scopes": SCOPES, "granular_scopes": [{"scope": SCOPES[0], "target_ids": 7}]},
    {"scopes": {"a": 1}, "granular_scopes": "x"},
])  # fmt: skip
async def test_permissions_of_another_shape_are_none(data: dict[str, Any]) -> None:
    raw = json.dumps({"data": data | {"app_id": "1", "is_valid": True}}).encode()
    with pytest.raises(TokenRefused):
        await check_token(client(raw), OURS, "token", None, "77")


@pytest.mark.parametrize("odd", ODD)
def test_odd_facts_are_kept_as_plain_values_only(odd: Any) -> None:
    names = ("name", "status", "currency", "verified_name", "quality_rating", "display_phone_number", "throughput")
    said = {"id": "1"} | dict.fromkeys((*names, "whatsapp_business_manager_messaging_limit"), odd)
    facts = account_facts(said) | number_facts(said)
    for value in facts.values():
        assert value is None or isinstance(value, str | int)
        assert not isinstance(value, int) or abs(value) < 2**63
        assert not isinstance(value, str) or len(value) <= 512


async def test_an_answer_that_drips_ends_at_the_deadline_of_the_whole_call() -> None:
    async def drip() -> Any:
        while True:
            await asyncio.sleep(0.01)
            yield b" "

    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=drip()))
    async with asyncio.timeout(5):
        with pytest.raises(GraphFailure):
            await GraphClient("http://127.0.0.1", "v24.0", transport, call_within=0.2).account("1", "token")
