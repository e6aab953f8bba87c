"""Every place where something is kept encrypted, as the stores declare it."""

import importlib

from libs.directory.sealed import Sealed

STORES = (
    "services.autoreply.bot_store", "services.edge.account_store", "services.edge.idempotency_store",
    "services.edge.onboarding_store", "services.notifier.endpoint_store",
)  # fmt: skip


def declared() -> list[Sealed]:
    """Return the places of all stores."""
    return [place for name in STORES for place in importlib.import_module(name).SEALED]
