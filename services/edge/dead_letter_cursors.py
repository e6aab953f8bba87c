"""How far a call for many dead letters came: sealed, for the last letter that it looked at may be somebody else's."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from libs.directory.vault import CannotDecrypt, Vault
from libs.kafka.dead_letter_reader import Place
from libs.web.errors import BadRequest
from services.edge.dead_letter_choice import place_of

FIELD = "dead-letter-cursor"
OF_EVERYBODY = ""  # in place of the tenant in what our own tools go on with


class Reached(NamedTuple):
    """The last letter that was looked at, and when the first call of all began: what was buried since is not met."""

    place: Place | None
    began: datetime


class Cursors:
    """Writes and reads what one call says for the next; each tenant's are of no use to anybody else."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def written(self, tenant: str | None, reached: Reached) -> str | None:
        """Return what goes on behind a place, None where no letter was looked at."""
        if reached.place is None:
            return None
        topic, partition, offset = reached.place
        told = f"{int(reached.began.timestamp() * 1000)} {topic}:{partition}:{offset}"
        return self._vault.encrypt(tenant or OF_EVERYBODY, FIELD, told)

    def read(self, tenant: str | None, text: str, topics: Sequence[str]) -> Reached:
        """Return what was written for this tenant; raises BadRequest for anything else."""
        try:
            began, _, place = self._vault.decrypt(tenant or OF_EVERYBODY, FIELD, text).partition(" ")
        except CannotDecrypt:
            raise BadRequest("starting_after must be what an earlier call reached.", param="starting_after") from None
        return Reached(place_of(place, topics), datetime.fromtimestamp(int(began) / 1000, UTC))
