"""Every index that the stores declare, by collection."""

import importlib
from collections import defaultdict
from typing import Any

from libs.mongo.indexes import Indexes

# All modules with INDEXES. Those whose time is a setting (decisions of bots, the audit log) are made by their service.
STORES = (
    "libs.ledger.budget", "libs.ledger.consent", "libs.ledger.contacts", "libs.ledger.record",
    "services.analytics.history_store", "services.analytics.line_store", "services.analytics.reconciliation_store",
    "services.analytics.sums_store", "services.autoreply.bot_store", "services.autoreply.spending_store",
    "services.autoreply.turn_store", "services.campaigns.import_store", "services.campaigns.recipient_store",
    "services.campaigns.store", "services.edge.account_store", "services.edge.audit_store",
    "services.edge.dead_letter_store", "services.edge.erasure_store", "services.edge.idempotency_store",
    "services.edge.key_store",
    "services.edge.media_store", "services.edge.onboarding_store", "services.notifier.delivery_store",
    "services.notifier.endpoint_store", "services.templates.store", "services.tracker.store",
)  # fmt: skip


def declared() -> Indexes:
    """Return the indexes of every collection."""
    found: dict[str, list[Any]] = defaultdict(list)
    for name in STORES:
        for collection, models in importlib.import_module(name).INDEXES.items():
            found[collection] += models
    return found
