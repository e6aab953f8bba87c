"""What bots that think must keep to themselves: keys of models, and what signs a webhook bot's questions."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from libs.directory.vault import Vault
from libs.egress.addresses import Limits, UrlRefused
from libs.egress.rotation import SigningSecrets
from libs.web.errors import wrong
from services.autoreply.bot_store import key_field, signing_field

SHOWN = 4  # last characters of a key, to tell it from another

Document = dict[str, Any]


class Secrets:
    """Encrypts at rest, bound to the tenant and the bot."""

    def __init__(self, vault: Vault, limits: Limits) -> None:
        self._vault = vault
        self._limits = limits

    def check_url(self, path: str, url: str) -> None:
        """Raise Invalid unless the URL is one that may be called."""
        try:
            self._limits.check(url)
        except UrlRefused as refused:
            raise wrong(path, str(refused)) from None

    def key_of(self, bot: Mapping[str, Any], key: str | None, url: str, before: Mapping[str, Any]) -> Document | None:
        """Return a model's key as it is kept: the one that is given (an empty one takes it away), else the one before.

        A key is not sent where it was not given for: raises Invalid where the URL names another server.
        """
        if key is not None:
            sealed = {"sealed": self._vault.encrypt(bot["tenant"], key_field(bot), key), "ends_in": key[-SHOWN:]}
            return sealed if key else None
        kept: Document | None = before.get("key")
        if kept is not None and urlsplit(url)[:2] != urlsplit(before["model"]["url"])[:2]:
            raise wrong("model.key", "Must be given again for another server.")
        return kept

    def key(self, bot: Mapping[str, Any]) -> str | None:
        """Return a model's key. Raises CannotDecrypt."""
        return self._vault.decrypt(bot["tenant"], key_field(bot), bot["key"]["sealed"]) if bot.get("key") else None

    def signing(self, bot: Mapping[str, Any]) -> SigningSecrets:
        """Return what signs a webhook bot's questions."""
        return SigningSecrets(self._vault, bot["tenant"], signing_field(bot))
