"""Every metric of the sandbox."""

from prometheus_client import Counter, Gauge

MESSAGES = Counter("wabus_sandbox_messages_total", "Message POSTs by what became of them.", ["outcome"])
ACCEPTED = MESSAGES.labels("accepted")
REJECTED = MESSAGES.labels("rejected")
WEBHOOKS = Counter("wabus_sandbox_webhook_attempts_total", "Webhook POSTs by how they ended.", ["outcome"])
TAKEN = WEBHOOKS.labels("taken")
REFUSED = WEBHOOKS.labels("refused")
PENDING = Gauge("wabus_sandbox_webhooks_pending", "Webhooks that wait for their time, their turn or their next try.")
