"""What a tenant does with its bots."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from libs.directory.directory import Directory
from libs.directory.reach import Reach
from libs.egress.rotation import Kept, RotateBody
from libs.runtime.clock import Clock
from libs.runtime.ids import new_id
from libs.web.bodies import parse
from libs.web.errors import Conflict, wrong
from libs.web.identity import Identity
from services.autoreply.bodies import RulesBody
from services.autoreply.bot_secrets import Secrets
from services.autoreply.bot_store import MOST, BotStore
from services.autoreply.checks import check_begins, dialogues_of, rules_of
from services.autoreply.create_bodies import KINDS, AnyBody
from services.autoreply.errors import NoSuchBot, TooManyBots
from services.autoreply.thinking_bodies import ModelBody, WebhookBody

Document = dict[str, Any]


class Bots:
    """Makes, changes and deletes bots of one tenant at a time."""

    def __init__(self, store: BotStore, directory: Directory, secrets: Secrets, clock: Clock) -> None:
        self._store = store
        self._directory = directory
        self._secrets = secrets
        self._clock = clock

    async def create(self, caller: Identity, body: AnyBody) -> tuple[Document, str | None]:
        """Make a bot; -> it, and the secret that signs what a webhook bot is asked, which is shown this once.

        Raises Invalid naming what is wrong, and TooManyBots.
        """
        now, secret = self._clock.now(), None
        bot = {
            "_id": new_id(), "tenant": caller.tenant, "mode": caller.mode, "kind": body.kind, "created_at": now,
            "updated_at": now,
        }  # fmt: skip
        bot |= self._made(bot, body, {})
        if isinstance(body, WebhookBody):
            secret, bot["secrets"] = self._secrets.signing(bot).first()
        if not await self._store.add(bot):
            raise TooManyBots(f"There may be {MOST} bots; delete one that is not used.")
        return bot, secret

    async def get(self, caller: Identity, bot_id: str) -> Document:
        """Return a bot. Raises NoSuchBot, also for what the caller does not reach."""
        if (bot := await self._store.reached(caller.tenant, bot_id, await self._among(caller))) is None:
            raise _unknown()
        return bot

    async def page(self, caller: Identity, limit: int, after: str | None) -> list[Document]:
        """Return the bots that the caller reaches, newest first."""
        return await self._store.page(caller.tenant, limit, after, await self._among(caller))

    async def reach(self, caller: Identity) -> Reach:
        """Return what a caller reaches."""
        return await self._directory.reach(caller.tenant, caller.mode)

    async def _among(self, caller: Identity) -> Document:
        return await self._directory.bots_reached(caller.tenant, await self.reach(caller))

    async def update(self, caller: Identity, bot_id: str, given: Mapping[str, Any]) -> Document:
        """Change what is given; of `model` the fields that are given. Raises NoSuchBot, and Invalid."""
        bot = await self.get(caller, bot_id)
        if given.get("kind", bot["kind"]) != bot["kind"]:
            raise wrong("kind", "Cannot be changed: make another bot.")
        kind = KINDS[bot["kind"]]
        whole = {name: bot[name] for name in kind.model_fields if name in bot} | dict(given)
        if isinstance(given.get("model"), Mapping) and "model" in bot:
            whole["model"] = bot["model"] | given["model"]
        fields = self._made(bot, parse(kind, json.dumps(whole).encode()), bot)
        if fields.get("key") is bot.get("key"):  # not given: it may be encrypted anew at this very moment
            fields.pop("key", None)
        if (changed := await self._store.change(caller.tenant, bot_id, fields, self._clock.now())) is None:
            raise _unknown()
        return changed

    async def remove(self, caller: Identity, bot_id: str) -> None:
        """Delete a bot that no number is linked to. Raises NoSuchBot, and Conflict naming the numbers."""
        tenant = (await self.get(caller, bot_id))["tenant"]
        numbers = [it.phone_number_id for it in await self._directory.numbers_now(tenant) if it.bot_id == bot_id]
        if numbers:
            words = f"The bot is linked to {', '.join(numbers)}: unlink it there first."
            raise Conflict(words, code="bot_linked", param="bot_id", more={"phone_number_ids": numbers})
        if not await self._store.remove(tenant, bot_id):
            raise _unknown()

    async def rotate(self, caller: Identity, bot_id: str, body: RotateBody) -> tuple[Document, str]:
        """Give a webhook bot a new secret; the old ones sign too for the overlap. -> the bot and the secret.

        Raises NoSuchBot, Conflict for one of another kind, and SecretJustRotated.
        """
        bot = await self.get(caller, bot_id)
        if bot["kind"] != "webhook":
            raise Conflict("Only bots of the kind `webhook` have a signing secret.", code="no_secret", param="bot_id")

        async def current() -> Kept:
            kept: Kept = (await self.get(caller, bot_id))["secrets"]
            return kept

        async def replace(old: Kept, new: Kept, now: datetime) -> Document | None:
            return await self._store.rotate(caller.tenant, bot_id, old, new, now)

        return await self._secrets.signing(bot).rotate(current, replace, self._clock, body.overlap_seconds)

    def _made(self, bot: Mapping[str, Any], body: AnyBody, before: Mapping[str, Any]) -> Document:
        """Return what is kept of a body; `before` is the bot as it was. Raises Invalid."""
        if isinstance(body, RulesBody):
            made: Document = body.model_dump(exclude={"kind"}) | {
                "rules": rules_of(body.rules), "dialogues": dialogues_of(body.dialogues),
            }  # fmt: skip
            check_begins(made)
            return made
        made = body.model_dump(exclude={"kind"})
        if isinstance(body, ModelBody):
            self._secrets.check_url("model.url", body.model.url)
            key = made["model"].pop("key")
            return made | {"key": self._secrets.key_of(bot, key, body.model.url, before)}
        self._secrets.check_url("url", body.url)
        return made


def _unknown() -> NoSuchBot:
    return NoSuchBot("You have no bot with this id.", param="bot_id")
