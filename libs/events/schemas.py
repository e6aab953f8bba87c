"""The printed form of the event language: JSON Schemas, and one AsyncAPI document over all topics."""

import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

import libs.events
from libs.events.envelope import REQUIRED
from libs.events.model import Event, registry
from libs.events.topics import META_WEBHOOKS
from libs.events.webhooks import RAW_WEBHOOK_TYPE

DIALECT = "https://json-schema.org/draft/2020-12/schema"
ASYNCAPI_VERSION = "3.0.0"
KAFKA_BINDING = "0.5.0"  # of AsyncAPI's Kafka bindings
ATTRIBUTES = {
    "ce_specversion": "Always 1.0.",
    "ce_id": "Unique with ce_source; an event told twice has the same.",
    "ce_type": "The type with its version.",
    "ce_source": "The service that wrote it.",
    "ce_time": "When, in RFC 3339.",
    "ce_tenant": "Whose it is.",
    "ce_subject": "What it is about, usually a message id.",
    "ce_correlationid": "The same through all that one request causes.",
    "ce_causationid": "The id of the event that caused this one.",
    "ce_traceparent": "W3C Trace Context: the step of a trace that this goes on from. Only where a trace is recorded.",
    "content-type": "Always application/json.",
}
NEEDED = ["ce_specversion", *(f"ce_{name}" for name in REQUIRED)]

Json = dict[str, Any]


def event_models() -> dict[str, dict[str, type[Event]]]:
    """Return topic -> type name -> model, after importing every module of the event language."""
    for module in pkgutil.iter_modules(libs.events.__path__, "libs.events."):
        if module.name != "libs.events.contracts":
            importlib.import_module(module.name)
    return registry()


def schemas() -> dict[str, Json]:
    """Return file name below `contracts/schemas` -> JSON Schema of one type on one topic."""
    return {
        f"{topic}/{name.removesuffix('.v1')}.json": _schema(model)
        for topic, models in event_models().items()
        for name, model in models.items()
    }


def asyncapi(topics_file: Path) -> Json:
    """Return the AsyncAPI document: a channel per topic of the file, a message per type."""
    rows = {row["name"]: row for row in yaml.safe_load(topics_file.read_text())["topics"]}
    models = event_models()
    return {
        "asyncapi": ASYNCAPI_VERSION,
        "info": {
            "title": "Wabus events",
            "version": "1",
            "description": "Commands and events on Kafka, in the CloudEvents Kafka binding's binary mode.",
        },
        "defaultContentType": "application/json",
        "channels": {name: _channel(row, models.get(name, {})) for name, row in sorted(rows.items())},
        "operations": _operations(rows),
        "components": {
            "messageTraits": {"envelope": {"headers": _headers()}},
            "messages": _messages(models),
        },
    }


def _schema(model: type[Event]) -> Json:
    return {"$schema": DIALECT, **model.model_json_schema()}


def _channel(row: Mapping[str, Any], models: Mapping[str, type[Event]]) -> Json:
    names = sorted(models) or ([RAW_WEBHOOK_TYPE] if row["name"] == META_WEBHOOKS else [])
    return {
        "address": row["name"],
        "description": f"Key: {row['key']}.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "bindings": {
            "kafka": {
                "partitions": row["partitions"],
                "topicConfiguration": {
                    "retention.ms": row["retention_ms"],
                    "max.message.bytes": row["max_message_bytes"],
                },
                "bindingVersion": KAFKA_BINDING,
            }
        },
    }


def _operations(rows: Mapping[str, Any]) -> Json:
    made: Json = {}
    for topic, row in sorted(rows.items()):
        for action, who in (("send", row["written_by"]), ("receive", row["read_by"])):
            made[f"{action} {topic}"] = {
                "action": action,
                "channel": {"$ref": f"#/channels/{topic}"},
                "description": f"By {', '.join(who)}.",
            }
    return made


def _messages(models: Mapping[str, Mapping[str, type[Event]]]) -> Json:
    raw: Json = {
        "name": RAW_WEBHOOK_TYPE,
        "summary": "A webhook of Meta's: the raw body, byte for byte.",
        "payload": {"type": "object"},
    }
    made = {RAW_WEBHOOK_TYPE: raw}
    for topic, types in models.items():
        for name, model in types.items():
            reference = f"../schemas/{topic}/{name.removesuffix('.v1')}.json"
            made.setdefault(name, {"name": name, "summary": _summary(model), "payload": {"$ref": reference}})
    envelope = [{"$ref": "#/components/messageTraits/envelope"}]
    return {name: {**message, "traits": envelope} for name, message in sorted(made.items())}


def _summary(model: type[Event]) -> str:
    return (inspect.getdoc(model) or "").split("\n\n")[0].replace("\n", " ")


def _headers() -> Json:
    properties = {name: {"type": "string", "description": text} for name, text in ATTRIBUTES.items()}
    return {"type": "object", "properties": properties, "required": NEEDED}
