import base64
from typing import Any

import pytest
from pydantic import ValidationError

from libs.runtime.settings import GraphSettings, ServiceSettings, _sentence

RING = "sandbox-only:" + base64.b64encode(bytes(32)).decode()


def settings(graph_url: str, ring: str) -> GraphSettings:
    return GraphSettings.model_validate({
        "log_hash_key": "0123456789abcdef", "kafka_bootstrap": "kafka:9092", "mongo_url": "mongodb://mongo",
        "graph_url": graph_url, "encryption_keys": ring,
    })  # fmt: skip


@pytest.mark.parametrize("ring", [RING, f"k1:{base64.b64encode(bytes(32)).decode()},{RING}"])
def test_the_published_key_of_the_sandbox_is_refused_with_the_real_meta(ring: str) -> None:
    with pytest.raises(ValidationError) as refused:
        settings("https://graph.facebook.com", ring)
    sentence = _sentence(refused.value.errors()[0])
    assert sentence == "WABUS_ENCRYPTION_KEYS is the sandbox's, which is public: make your own secrets"


def test_the_published_key_serves_the_sandbox() -> None:
    settings("http://sandbox:8080", RING)


def test_a_key_of_ones_own_serves_the_real_meta() -> None:
    settings("https://graph.facebook.com", RING.replace("sandbox-only", "k1"))


def traces(**told: str | float) -> ServiceSettings:
    return ServiceSettings.model_validate({"log_hash_key": "0123456789abcdef", **told})


def test_traces_are_off_unless_a_collector_is_named() -> None:
    assert traces().traces_url is None
    assert traces(traces_url="").traces_url is None
    assert traces(traces_url="https://collector:4318/v1/traces").traces_url == "https://collector:4318/v1/traces"


@pytest.mark.parametrize(
    "told",
    [
        {"traces_url": "collector:4318"}, {"traces_url": "ftp://collector/"}, {"traces_url": "http:///v1/traces"},
        {"traces_url": "http://user:secret@collector:4318/v1/traces"}, {"traces_share": 1.1}, {"traces_share": -0.1},
    ],
)  # fmt: skip
def test_what_is_no_address_of_a_collector_or_no_share_is_refused_without_being_repeated(told: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        traces(**told)
    [problem] = refused.value.errors()
    sentence = _sentence(problem)
    assert sentence.startswith("WABUS_TRACES_")
    assert "secret" not in sentence
