"""What bots that think must keep to themselves: keys of models, and what signs a webhook bot's questions."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from libs.directory.vault import Vault
from libs.egress.addresses import Limits, UrlRefused
from libs.egress.signing import new_secret
from libs.runtime.clock import Clock
from services.autoreply.checks import wrong

SECRETS_KEPT = 4  # that sign at once: whoever rotates more often in an overlap is testing
SHOWN = 4  # last characters of a key, to tell it from another

Document = dict[str, Any]


class Secrets:
    """Encrypts at rest, bound to the tenant and the bot."""

    def __init__(self, vault: Vault, limits: Limits, clock: Clock) -> None:
        self._vault = vault
        self._limits = limits
        self._clock = clock

    def check_url(self, path: str, url: str) -> None:
        """Raise Invalid unless the URL is one that may be called."""
        try:
            self._limits.check(url)
        except UrlRefused as refused:
            raise wrong(path, str(refused)) from None

    def key_of(self, bot: Mapping[str, Any], key: str | None, url: str, before: Mapping[str, Any]) -> Document | None:
        """Return a model's key as it is kept: the one that is given, else the one before.

        A key is not sent where it was not given for: raises Invalid where the URL names another server.
        """
        if key is not None:
            return {"sealed": self._vault.encrypt(bot["tenant"], _key(bot), key), "ends_in": key[-SHOWN:]}
        kept: Document | None = before.get("key")
        if kept is not None and urlsplit(url)[:2] != urlsplit(before["model"]["url"])[:2]:
            raise wrong("model.key", "Must be given again for another server.")
        return kept

    def key(self, bot: Mapping[str, Any]) -> str | None:
        """Return a model's key. Raises CannotDecrypt."""
        return self._vault.decrypt(bot["tenant"], _key(bot), bot["key"]["sealed"]) if bot.get("key") else None

    def first(self, bot: Mapping[str, Any]) -> tuple[str, list[Document]]:
        """Return a new secret, and how it is kept."""
        secret = new_secret()
        return secret, [self._sealed(bot, secret)]

    def next(self, bot: Mapping[str, Any], overlap: timedelta) -> tuple[str, list[Document]]:
        """Return a further secret, and how it is kept with those that sign for a while longer."""
        secret, until, now = new_secret(), self._clock.now() + overlap, self._clock.now()
        old = [each | {"until": min(each.get("until") or until, until)} for each in bot["secrets"]]
        return secret, [self._sealed(bot, secret), *[each for each in old if each["until"] > now][: SECRETS_KEPT - 1]]

    def valid(self, bot: Mapping[str, Any]) -> list[str]:
        """Return the secrets that sign now, the newest first. Raises CannotDecrypt."""
        now = self._clock.now()
        kept = [each for each in bot["secrets"] if each.get("until") is None or each["until"] > now]
        return [self._vault.decrypt(bot["tenant"], _secret(bot), each["sealed"]) for each in kept]

    def _sealed(self, bot: Mapping[str, Any], secret: str) -> Document:
        return {"sealed": self._vault.encrypt(bot["tenant"], _secret(bot), secret), "until": None}


def _key(bot: Mapping[str, Any]) -> str:
    return f"bot_key:{bot['_id']}"


def _secret(bot: Mapping[str, Any]) -> str:
    return f"bot_secret:{bot['_id']}"
