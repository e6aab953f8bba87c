"""A directory as far as it tells what a key reaches: of a tenant with one account, which is a sandbox's or is not."""

from libs.directory.reach import EVERYTHING, TEST, Reach, reach_of


def reach_to(waba_id: str, *numbers: str, sandbox: bool, mode: str) -> Reach:
    """Return what a key of a mode reaches of a tenant that has this account alone, with these numbers."""
    account = {"waba_id": waba_id, "sandbox": sandbox}
    return reach_of([account], [{"_id": each, "waba_id": waba_id} for each in numbers]) if mode == TEST else EVERYTHING
