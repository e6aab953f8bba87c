"""One attempt: signed, posted, and what came of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from libs.directory.vault import Vault
from libs.egress.client import Answer, Egress, SendFailed
from libs.egress.rotation import SigningSecrets
from libs.egress.signing import signed_headers
from libs.kafka.dead_letters import redacted
from libs.observability import tracing
from libs.runtime.clock import Clock
from services.notifier.domain import Outcome
from services.notifier.endpoint_store import secret_field

ANSWER_BYTES = 512  # of an answer that the log shows: enough for an error message, too few to be an archive
USER_AGENT = "Wabus-Webhooks/1"

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Target:
    """Where to, and the secrets that are valid now, the newest first."""

    url: str
    secrets: Sequence[str]

    @classmethod
    def of(cls, endpoint: Mapping[str, Any], vault: Vault, now: datetime) -> Self:
        """Return an endpoint's; raises CannotDecrypt."""
        secrets = SigningSecrets(vault, endpoint["tenant"], secret_field(endpoint["_id"]))
        return cls(endpoint["url"], secrets.valid(endpoint["secrets"], now))

    def __repr__(self) -> str:
        return "Target(…)"


class Postman:
    """Makes single attempts."""

    def __init__(self, egress: Egress, clock: Clock) -> None:
        self._egress = egress
        self._clock = clock

    async def attempt(self, target: Target, delivery: Document) -> Outcome:
        """Make one; whatever happens is an outcome. The customer's side may go on with the trace that led to it."""
        parent = delivery.get("trace")
        if parent is None:
            return await self._attempt(target, delivery, None)
        about = {
            "wabus.tenant": delivery["tenant"], "wabus.delivery_id": delivery["_id"],
            "wabus.endpoint_id": delivery["endpoint_id"], "wabus.event_type": delivery["type"],
            "wabus.attempt": delivery["attempt_count"] + 1,
        }  # fmt: skip
        with tracing.begin("POST event to endpoint", "client", parent, about) as span:
            outcome = await self._attempt(target, delivery, span.traceparent)
            if outcome.status_code is not None:
                span.note({"http.response.status_code": outcome.status_code})
            if outcome.error is not None:
                span.failed(outcome.error)
        return outcome

    async def _attempt(self, target: Target, delivery: Document, trace: str | None) -> Outcome:
        at, began = self._clock.now(), self._clock.monotonic()
        body = bytes(delivery["body"])
        headers = signed_headers(target.secrets, delivery["event_id"], at, body)
        headers |= {"Content-Type": "application/json", "User-Agent": USER_AGENT}
        if trace is not None:
            headers[tracing.HEADER] = trace
        try:
            answer = await self._egress.post(target.url, body, headers, ANSWER_BYTES)
        except SendFailed as failed:
            return Outcome(at, self._since(began), failed.error)
        return Outcome(
            at,
            self._since(began),
            error_of(answer.status),
            answer.status,
            redacted(answer.start.decode("utf-8", "replace")) or None,
            _asked(answer),
        )

    def _since(self, began: float) -> int:
        return int((self._clock.monotonic() - began) * 1000)


def error_of(status: int) -> str | None:
    """Return the word for a status; None for the only success, 2xx."""
    if 200 <= status < 300:
        return None
    return "redirect" if 300 <= status < 400 else "status"


def _asked(answer: Answer) -> timedelta | None:
    text = answer.retry_after or ""
    return timedelta(seconds=int(text)) if text.isascii() and text.isdigit() and len(text) < 7 else None
