"""How full the disks of the brokers are, as the brokers themselves say (KIP-827: DescribeLogDirs from version 4 on)."""

from dataclasses import dataclass
from typing import Any

from aiokafka.errors import KafkaError  # type: ignore[import-untyped]
from aiokafka.protocol.api import Request, RequestStruct, Response  # type: ignore[import-untyped]
from aiokafka.protocol.types import (  # type: ignore[import-untyped]
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    TaggedFields,
)

DESCRIBE_LOG_DIRS = 35
NOT_TOLD = -1  # sizes that a broker does not know


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk under one log directory of a broker, in bytes."""

    broker: int
    size: int
    free: int


class _Described(Response):  # type: ignore[misc]
    API_KEY = DESCRIBE_LOG_DIRS
    API_VERSION = 4
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("error_code", Int16),
        ("results", CompactArray(
            ("error_code", Int16),
            ("log_dir", CompactString("utf-8")),
            ("topics", CompactArray(
                ("name", CompactString("utf-8")),
                ("partitions", CompactArray(
                    ("partition_index", Int32),
                    ("partition_size", Int64),
                    ("offset_lag", Int64),
                    ("is_future_key", Boolean),
                    ("tags", TaggedFields),
                )),
                ("tags", TaggedFields),
            )),
            ("total_bytes", Int64),
            ("usable_bytes", Int64),
            ("tags", TaggedFields),
        )),
        ("tags", TaggedFields),
    )  # fmt: skip


class _Describe(RequestStruct):  # type: ignore[misc]
    API_KEY = DESCRIBE_LOG_DIRS
    API_VERSION = 4
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _Described
    SCHEMA = Schema(
        ("topics", CompactArray(
            ("topic", CompactString("utf-8")), ("partitions", CompactArray(Int32)), ("tags", TaggedFields)
        )),
        ("tags", TaggedFields),
    )  # fmt: skip


class _DescribeLogDirs(Request[_Describe]):  # type: ignore[misc]
    API_KEY = DESCRIBE_LOG_DIRS

    def build(self, request_struct_class: type[_Describe]) -> _Describe:
        return request_struct_class([], {})  # the sizes of no topic: only those of the disks


async def disks_of(client: Any) -> list[Disk]:
    """Ask every broker; -> the disks under their log directories.

    Brokers that do not tell are left out: older ones, and those where we may not describe the cluster.
    """
    found: list[Disk] = []
    for broker in client.cluster.brokers():
        try:
            answer = await client.send(broker.nodeId, _DescribeLogDirs())
        except (KafkaError, NotImplementedError):
            continue
        for _, _, _, size, free, _ in answer.results or ():
            if size != NOT_TOLD and free != NOT_TOLD:
                found.append(Disk(broker.nodeId, size, free))
    return found
