"""Asking whoever thinks for a bot: within its time, by its budget, at an address that may be called."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from libs.directory.vault import CannotDecrypt
from libs.egress.client import Answer, Egress, SendFailed
from libs.egress.signing import signed_headers
from libs.runtime.clock import Clock
from services.autoreply import chat, hook
from services.autoreply.bot_secrets import Secrets
from services.autoreply.metrics import ASKED, TOKENS
from services.autoreply.spending_store import SpendingStore
from services.autoreply.thoughts import MILLION, Lines, NoThought, Thought, Usage, cost, money

TRIES = 2  # an answer that did not come may come at once the second time
LEAST = 0.5  # seconds that are left for a try to be worth it
USER_AGENT = "Wabus-Bots/1"
SECRET_UNREADABLE, OVER_BUDGET = "secret_unreadable", "over_budget"
AGAIN = frozenset({429, 500, 502, 503, 504})
MAY_HAVE_COST = frozenset({"timeout", "connection_lost", "answer_too_long", "answer_unreadable", "answer_empty"})
WORTH_A_TRY = frozenset({"connection_lost", "connection_failed"})

Document = dict[str, Any]
Read = Callable[[Answer], Thought]


@dataclass(slots=True)
class Considered:
    """A thought or why there is none, and what it took."""

    thought: Thought | None = None
    error: str | None = None
    detail: str | None = None
    usage: Usage | None = None
    attempts: int = 0
    milliseconds: int = 0

    def shown(self, bot: Mapping[str, Any]) -> Document:
        """Return what the transcript says."""
        model = bot.get("model") or {}
        said: Document = {
            "model": model.get("name"), "attempts": self.attempts, "latency_ms": self.milliseconds, "error": self.error,
            "error_detail": self.detail, "tokens_input": None, "tokens_output": None, "cost": None,
        }  # fmt: skip
        if self.usage is not None:
            said |= {"tokens_input": self.usage.input, "tokens_output": self.usage.output}
            if (prices := model.get("prices")) is not None:
                said["cost"] = {"amount": money(cost(self.usage, prices)), "currency": prices["currency"]}
        return said


class Thinkers:
    """Asks models, and customers' programs. Whatever happens is Considered; MongoUnavailable passes."""

    def __init__(self, egress: Egress, secrets: Secrets, spending: SpendingStore, clock: Clock) -> None:
        self._egress = egress
        self._secrets = secrets
        self._spending = spending
        self._clock = clock

    async def consider(self, bot: Mapping[str, Any], turn: Mapping[str, Any], lines: Lines) -> Considered:
        """Ask, and once more where that may help."""
        began, found = self._clock.monotonic(), Considered()
        try:
            found.thought = await (self._model(bot, lines, found) if bot["kind"] == "model"
                                   else self._webhook(bot, turn, lines, found))  # fmt: skip
            found.usage = found.thought.usage
        except NoThought as none:
            found.error, found.detail, found.usage = none.error, none.detail, none.usage
        except CannotDecrypt:
            found.error = SECRET_UNREADABLE
        found.milliseconds = int((self._clock.monotonic() - began) * 1000)
        ASKED.labels(bot["kind"], "answered" if found.thought is not None else "failed").observe(
            found.milliseconds / 1000
        )
        return found

    async def _model(self, bot: Mapping[str, Any], lines: Lines, found: Considered) -> Thought:
        model, now = bot["model"], self._clock.now()
        asked = chat.question(model, lines)
        headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": USER_AGENT}
        if (key := self._secrets.key(bot)) is not None:
            headers["Authorization"] = f"Bearer {key}"
        reserved = _amounts(model, Usage(chat.tokens_at_most(asked) - model["max_tokens"], model["max_tokens"]))
        if not await self._spending.reserve(bot, now, reserved, _caps(model)):
            raise NoThought(OVER_BUDGET)
        usage: Usage | None = None
        try:
            thought = await self._ask(
                bot, model["url"], json.dumps(asked).encode(), headers, chat.LONGEST_ANSWER,
                lambda answer: chat.answer_in(answer.start, model["tools"]), found,
            )  # fmt: skip
            usage = thought.usage
        except NoThought as none:
            usage = none.usage if none.error in MAY_HAVE_COST else Usage(0, 0)
            raise
        finally:
            if usage is not None:  # what nobody says is taken at the most that it can be
                spent = _amounts(model, usage)
                await self._spending.settle(bot, now, {name: spent[name] - reserved[name] for name in reserved})
                TOKENS.labels("input").inc(usage.input)
                TOKENS.labels("output").inc(usage.output)
        return thought

    async def _webhook(
        self, bot: Mapping[str, Any], turn: Mapping[str, Any], lines: Lines, found: Considered
    ) -> Thought:  # fmt: skip
        event_id, now = lines.fresh[-1].message_id, self._clock.now()
        body = hook.question(bot, {**turn, "conversation_id": turn["_id"]}, lines, event_id, now)
        headers = signed_headers(self._secrets.signing(bot).valid(bot["secrets"], now), event_id, now, body)
        headers |= {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": USER_AGENT}
        return await self._ask(
            bot, bot["url"], body, headers, hook.LONGEST_ANSWER,
            lambda answer: hook.answer_in(answer.status, answer.start), found,
        )  # fmt: skip

    async def _ask(
        self, bot: Mapping[str, Any], url: str, body: bytes, headers: Mapping[str, str], most: int, read: Read,
        found: Considered,
    ) -> Thought:  # fmt: skip
        end = self._clock.monotonic() + bot["timeout"]
        while True:
            found.attempts += 1
            left = end - self._clock.monotonic()
            try:
                # A byte more than there may be tells an answer that is too long from one that just fits.
                answer = await self._egress.post(url, body, headers, most + 1, timedelta(seconds=left))
            except SendFailed as failed:
                error, again = failed.error, failed.error in WORTH_A_TRY
            else:
                if 200 <= answer.status < 300:
                    return read(answer)
                error, again = _status(answer.status), answer.status in AGAIN
            if not again or found.attempts == TRIES or end - self._clock.monotonic() < LEAST:
                raise NoThought(error)


def _status(status: int) -> str:
    return "redirect" if 300 <= status < 400 else f"http_{status}"


def _amounts(model: Mapping[str, Any], usage: Usage) -> dict[str, int]:
    found = {"tokens": usage.input + usage.output}
    return found | {"millionths": cost(usage, model["prices"])} if model.get("prices") is not None else found


def _caps(model: Mapping[str, Any]) -> dict[str, int]:
    found = {"tokens": model["tokens_per_day"]} if model["tokens_per_day"] is not None else {}
    if model["cost_per_day"] is not None:
        found["millionths"] = int(Decimal(model["cost_per_day"]) * MILLION)
    return found
