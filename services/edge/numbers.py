"""The number that a tenant wants to send from: whether it is theirs, and whether it can send now."""

from libs.directory.directory import Directory
from libs.directory.entries import AccountEntry, NumberEntry
from libs.directory.reach import TEST
from services.edge.errors import NoSuchNumber, NumberCannotSend

WORDS = "You have no connected number with this id."


async def sendable(
    directory: Directory, tenant: str, mode: str, phone_number_id: str
) -> tuple[NumberEntry, AccountEntry]:
    """Return a number with its account.

    Raises NoSuchNumber, for a test key and a live account too, and NumberCannotSend (with the reason). It is the way of
    every message, so it asks the cached entries what the directory's reach asks the database.
    """
    number = directory.peek_number(tenant, phone_number_id) or await directory.number(tenant, phone_number_id)
    account = await directory.account(tenant, number.waba_id) if number is not None else None
    if number is None or account is None or (mode == TEST and not account.sandbox):
        raise NoSuchNumber(WORDS, param="phone_number_id")
    for state, reason in ((account.active, account.stop_reason), (number.active, number.stop_reason)):
        if not state:
            words = f"The number cannot send now: {reason or 'it is not connected'}."
            raise NumberCannotSend(words, param="phone_number_id", more={"reason": reason})
    return number, account
