"""A topic as it is wanted, and what a deployment may say of topics."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from deploy.local.kafka_properties import in_sync_of
from libs.events.topics import META_WEBHOOKS
from libs.runtime.access import PREFIX, KafkaAccess
from libs.runtime.file_settings import SecretFiles


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic as the contract wants it; retention in milliseconds, size in bytes."""

    name: str
    partitions: int
    retention_ms: int
    max_message_bytes: int

    def settings(self, replication: int) -> dict[str, str]:
        """Return what Kafka is told of it beside its partitions."""
        return {
            "retention.ms": str(self.retention_ms),
            "max.message.bytes": str(self.max_message_bytes),
            "min.insync.replicas": str(in_sync_of(replication)),
        }


class TopicWishes(KafkaAccess):
    """What a deployment says to the job that makes its topics."""

    kafka_bootstrap: str = Field(description="host:port[,host:port] of the Kafka brokers.")
    kafka_replication: int = Field(default=1, ge=1, le=9, description="Copies of every partition.")
    webhooks_kept: timedelta | None = Field(
        default=None, ge=timedelta(hours=1),
        description="How long raw webhooks can be replayed; what contracts/topics.yaml says if not set.",
    )  # fmt: skip

    def applied_to(self, topics: Sequence[Topic]) -> list[Topic]:
        """Return the contract's topics with what a deployment may say otherwise."""
        if self.webhooks_kept is None:
            return list(topics)
        kept = int(self.webhooks_kept.total_seconds() * 1000)
        return [replace(topic, retention_ms=kept) if topic.name == META_WEBHOOKS else topic for topic in topics]


class TopicSettings(TopicWishes, SecretFiles):
    """The same, read from the environment of that job."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True, hide_input_in_errors=True)
