"""Signing secrets as they are kept: encrypted, the newest first, those that were rotated for a while beside it."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from libs.directory.vault import Vault
from libs.egress.signing import new_secret
from libs.web.errors import Conflict

SECRETS_KEPT = 4  # that sign at once: whoever rotates more often in an overlap is testing
LONGEST_OVERLAP = 7 * 24 * 3600  # seconds: a secret that was rotated because it leaked must not live on for months
USUAL_OVERLAP = 24 * 3600  # seconds: a day to bring the new secret to the receiver

Document = dict[str, Any]


class SecretJustRotated(Conflict):
    """Two rotations met: one of them stands."""

    code = "secret_just_rotated"


class RotateBody(BaseModel):
    """`POST …/rotate_secret`."""

    model_config = ConfigDict(extra="forbid")

    overlap_seconds: int = Field(
        default=USUAL_OVERLAP, ge=0, le=LONGEST_OVERLAP, description="How long the old secret signs too."
    )


class SigningSecrets:
    """Makes, keeps and reads the secrets of one thing: `field` is the name under which they are encrypted."""

    def __init__(self, vault: Vault, tenant: str, field: str) -> None:
        self._vault = vault
        self._tenant = tenant
        self._field = field

    def first(self) -> tuple[str, list[Document]]:
        """Return a new secret, and how it is kept."""
        secret = new_secret()
        return secret, [self._sealed(secret)]

    def rotated(self, kept: Sequence[Mapping[str, Any]], now: datetime, overlap: int) -> tuple[str, list[Document]]:
        """Return a further secret, and how it is kept with those that sign for `overlap` seconds more."""
        secret, until = new_secret(), now + timedelta(seconds=overlap)
        old = [{**each, "until": min(each.get("until") or until, until)} for each in kept]
        return secret, [self._sealed(secret), *[each for each in old if each["until"] > now][: SECRETS_KEPT - 1]]

    def valid(self, kept: Sequence[Mapping[str, Any]], now: datetime) -> list[str]:
        """Return the secrets that sign now, the newest first. Raises CannotDecrypt."""
        signing = [each for each in kept if each.get("until") is None or each["until"] > now]
        return [self._vault.decrypt(self._tenant, self._field, each["sealed"]) for each in signing]

    def _sealed(self, secret: str) -> Document:
        return {"sealed": self._vault.encrypt(self._tenant, self._field, secret), "until": None}
