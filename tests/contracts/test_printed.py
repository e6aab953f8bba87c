"""The printed contracts are what the models say, and every topic and example fits."""

import json
from pathlib import Path

import pytest
import yaml

from libs.events import topics as topic_names
from libs.events.contracts import committed, outdated, problems, write, wrong_examples
from libs.events.examples import CONTRACTS, Example, read_examples
from libs.events.schemas import ATTRIBUTES, asyncapi, event_models, schemas
from libs.events.topics import META_WEBHOOKS

ROWS = yaml.safe_load((CONTRACTS / "topics.yaml").read_text())
NAMES = {value for name, value in vars(topic_names).items() if name.isupper() and isinstance(value, str)}


def test_contracts_are_up_to_date_and_keep_their_promises() -> None:
    assert problems(check_files=True) == []


def test_the_topics_of_the_code_are_those_of_the_file() -> None:
    assert {row["name"] for row in ROWS["topics"]} == NAMES
    assert {row["topic"] for row in ROWS["dead_letters"]["of"]} <= NAMES


def test_every_topic_has_its_types_and_every_type_a_topic_of_the_file() -> None:
    assert set(event_models()) | {META_WEBHOOKS} == NAMES


def test_every_type_has_an_example_on_each_of_its_topics() -> None:
    shown = {(example.topic, example.envelope.type) for example in read_examples()}
    assert {(topic, name) for topic, models in event_models().items() for name in models} <= shown


@pytest.mark.parametrize("example", read_examples(), ids=lambda example: f"{example.topic}/{example.situation}")
def test_an_example_uses_only_fields_that_its_producer_may_write(example: Example) -> None:
    if example.topic != META_WEBHOOKS:
        event_models()[example.topic][example.envelope.type].model_validate_json(example.value)
    assert example.key
    assert {name for name, _ in example.envelope.headers()} <= set(ATTRIBUTES)


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    document = asyncapi(CONTRACTS / "topics.yaml")
    local: set[str] = set()
    files: set[str] = set()

    def collect(node: object) -> None:
        if isinstance(node, dict):
            if "$ref" in node:
                (local if node["$ref"].startswith("#") else files).add(node["$ref"])
            for child in node.values():
                collect(child)
        elif isinstance(node, list):
            for child in node:
                collect(child)

    collect(document)
    for reference in local:
        found: object = document
        for part in reference.removeprefix("#/").split("/"):
            assert isinstance(found, dict)
            found = found[part]
    assert all((CONTRACTS / "asyncapi" / name).resolve().exists() for name in files)
    assert len(files) <= len(schemas())


def test_files_that_differ_or_have_no_model_are_named(tmp_path: Path) -> None:
    contracts = tmp_path / "contracts"
    contracts.mkdir()
    (contracts / "topics.yaml").write_text((CONTRACTS / "topics.yaml").read_text())
    write(contracts)
    assert list(outdated(contracts)) == []
    changed = contracts / "schemas" / "messages.status.v1" / "MessageStatusChanged.json"
    changed.write_text("{}")
    (changed.parent / "Gone.json").write_text("{}")
    assert [sentence.split(" ", 1)[1] for sentence in outdated(contracts)] == [
        "is not what the models say: run `make contracts`",
        "has no model any more: run `make contracts`",
    ]
    write(contracts)
    assert list(outdated(contracts)) == []
    assert committed("HEAD", contracts) == {}


def test_a_wrong_example_is_named_with_its_field(tmp_path: Path) -> None:
    contracts = tmp_path / "contracts"
    good = CONTRACTS / "examples" / "messages.status.v1" / "accepted.json"
    wrong = contracts / "examples" / "messages.status.v1" / "wrong.json"
    wrong.parent.mkdir(parents=True)
    event = json.loads(good.read_text())
    event["data"]["status"] = "shredded"
    wrong.write_text(json.dumps(event))
    [sentence] = wrong_examples(contracts)
    assert sentence.startswith("contracts/examples/messages.status.v1/wrong.json: MessageStatusChanged.v1: status: ")
    event["type"] = "Other.v1"
    wrong.write_text(json.dumps(event))
    [sentence] = wrong_examples(contracts)
    assert sentence.endswith("no type Other.v1 belongs to messages.status.v1")
    wrong.write_text("not json")
    with pytest.raises(ValueError, match="not an example"):
        list(wrong_examples(contracts))
