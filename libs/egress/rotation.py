"""Signing secrets as they are kept: encrypted, the newest first, those that were rotated for a while beside it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from libs.directory.vault import Vault
from libs.egress.signing import new_secret
from libs.runtime.clock import Clock
from libs.web.errors import Conflict

SECRETS_KEPT = 4  # that sign at once: whoever rotates more often in an overlap is testing
LONGEST_OVERLAP = 7 * 24 * 3600  # seconds: a secret that was rotated because it leaked must not live on for months
USUAL_OVERLAP = 24 * 3600  # seconds: a day to bring the new secret to the receiver

Document = dict[str, Any]
Kept = list[Document]
D = TypeVar("D")


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

    async def rotate(
        self,
        current: Callable[[], Awaitable[Kept]],
        replace: Callable[[Kept, Kept, datetime], Awaitable[D | None]],
        clock: Clock,
        overlap: int,
    ) -> tuple[D, str]:
        """Replace what is kept with one secret more, while it is still `current`; -> what `replace` returned, and it.

        Raises SecretJustRotated where another rotation was quicker. That what is kept was only encrypted anew, with
        another key of the ring, is no rotation.
        """
        kept = await current()
        while True:
            now = clock.now()
            secret, secrets = self.rotated(kept, now, overlap)
            changed = await replace(kept, secrets, now)
            if changed is not None:
                return changed, secret
            before, kept = kept, await current()
            if not self._same(before, kept):
                raise SecretJustRotated("The secret was rotated at the same moment; rotate again.")

    def _same(self, one: Kept, other: Kept) -> bool:
        return self._opened(one) == self._opened(other)

    def _opened(self, kept: Kept) -> list[tuple[str, datetime | None]]:
        return [(self._vault.decrypt(self._tenant, self._field, each["sealed"]), each.get("until")) for each in kept]

    def valid(self, kept: Sequence[Mapping[str, Any]], now: datetime) -> list[str]:
        """Return the secrets that sign now, the newest first. Raises CannotDecrypt."""
        signing = [each for each in kept if each.get("until") is None or each["until"] > now]
        return [self._vault.decrypt(self._tenant, self._field, each["sealed"]) for each in signing]

    def _sealed(self, secret: str) -> Document:
        return {"sealed": self._vault.encrypt(self._tenant, self._field, secret), "until": None}
