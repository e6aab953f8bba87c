"""Rotating a signing secret: of two at once one stands, and what was only encrypted anew is in nobody's way."""

import base64
from datetime import datetime
from typing import Any

import pytest

from libs.directory.vault import Vault
from libs.egress.rotation import Kept, SecretJustRotated, SigningSecrets
from tests.unit.edge.test_buckets import HandClock

OLD, NEW = (f"{name}:{base64.b64encode(name.encode() * 32).decode()}" for name in ("a", "b"))


class Shelf:
    """Where the secrets are kept; somebody else gets at them before the first replacement."""

    def __init__(self, kept: Kept, meanwhile: Any) -> None:
        self.kept = kept
        self._meanwhile = meanwhile

    async def current(self) -> Kept:
        return self.kept

    async def replace(self, old: Kept, new: Kept, _: datetime) -> Kept | None:
        if self._meanwhile is not None:
            self.kept, self._meanwhile = self._meanwhile(self.kept), None
        if self.kept != old:
            return None
        self.kept = new
        return new


async def test_secrets_that_were_encrypted_anew_meanwhile_are_rotated_all_the_same() -> None:
    vault = Vault(f"{NEW},{OLD}")
    secrets = SigningSecrets(vault, "t", "f")
    first, kept = SigningSecrets(Vault(OLD), "t", "f").first()

    def anew(before: Kept) -> Kept:
        return [{**each, "sealed": vault.encrypt("t", "f", first)} for each in before]

    shelf = Shelf(kept, anew)
    _, secret = await secrets.rotate(shelf.current, shelf.replace, HandClock(), 60)
    assert secrets.valid(shelf.kept, HandClock().now())[0] == secret
    assert [SigningSecrets(Vault(NEW), "t", "f").valid([each], HandClock().now()) for each in shelf.kept] == [
        [secret], [first],
    ]  # fmt: skip


async def test_of_two_rotations_that_meet_one_stands() -> None:
    secrets = SigningSecrets(Vault(OLD), "t", "f")
    _, kept = secrets.first()
    shelf = Shelf(kept, lambda before: secrets.rotated(before, HandClock().now(), 60)[1])
    with pytest.raises(SecretJustRotated):
        await secrets.rotate(shelf.current, shelf.replace, HandClock(), 60)
    assert len(shelf.kept) == 2
