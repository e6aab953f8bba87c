"""The templates service's metrics, each with its sentence."""

from prometheus_client import Counter

SYNCS = Counter("wabus_templates_syncs_total", "Syncs of an account's templates, by outcome.", ["outcome"])
CHANGES = Counter("wabus_templates_changes_total", "Changes of the projection, by kind.", ["change"])
UPDATES = Counter("wabus_templates_updates_total", "Meta's webhooks about templates, by field.", ["field"])

for _outcome in ("done", "put_off", "failed"):
    SYNCS.labels(_outcome)  # a rate sees the first step only from a 0 that was there
