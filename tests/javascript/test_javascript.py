"""What the guides show in JavaScript is run by node, and our AsyncAPI document is read by the official schema."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from tests.support.guides import program, sends
from tests.support.running import Number, Stack

HERE = Path(__file__).parent
ASYNCAPI = HERE.parents[1] / "contracts" / "asyncapi" / "asyncapi.json"


def test_the_program_for_internal_producers_sends_its_message(
    stack: Stack, number: Number, person: Callable[[], str]
) -> None:
    node = ["node", "-e", program("internal-producers.md", "javascript")]
    sends(stack, number, person(), node, "Your order is wrapped", HERE)


@pytest.fixture(scope="module")
def official() -> jsonschema_rs.Draft7Validator:
    """The official schema of the version that our document says it is of."""
    version = json.loads(ASYNCAPI.read_text())["asyncapi"]
    file = HERE / "node_modules" / "@asyncapi" / "specs" / "schemas" / f"{version}.json"
    return jsonschema_rs.Draft7Validator(json.loads(file.read_text()))


def test_the_asyncapi_document_is_valid(official: jsonschema_rs.Draft7Validator) -> None:
    document = json.loads(ASYNCAPI.read_text())
    assert [f"{error.instance_path}: {error.message[:300]}" for error in official.iter_errors(document)] == []


def _renamed(document: dict[str, Any]) -> None:
    channel = next(iter(document["channels"].values()))
    channel["adress"] = channel.pop("address")


def _without_channel(document: dict[str, Any]) -> None:
    del next(iter(document["operations"].values()))["channel"]


def _with_text_for_a_number(document: dict[str, Any]) -> None:
    channel = next(iter(document["channels"].values()))
    channel["bindings"]["kafka"]["partitions"] = "twelve"


@pytest.mark.parametrize("spoil", [_renamed, _without_channel, _with_text_for_a_number])
def test_a_spoilt_document_is_not(
    official: jsonschema_rs.Draft7Validator, spoil: Callable[[dict[str, Any]], None]
) -> None:
    document = copy.deepcopy(json.loads(ASYNCAPI.read_text()))
    spoil(document)
    assert not official.is_valid(document)
