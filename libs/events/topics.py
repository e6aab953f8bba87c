"""Every topic's name, once. Partitions, retention, writers and readers are in `contracts/topics.yaml`."""

MESSAGES_REQUESTED = "messages.requested.v1"
MESSAGES_REJECTED = "messages.rejected.v1"
OUTBOUND_INTERACTIVE = "outbound.interactive.v1"
OUTBOUND_BULK = "outbound.bulk.v1"
META_WEBHOOKS = "meta.webhooks.v1"
MESSAGES_STATUS = "messages.status.v1"
MESSAGES_INBOUND = "messages.inbound.v1"
TEMPLATES_COMMANDS = "templates.commands.v1"
TEMPLATES_CHANGED = "templates.changed.v1"
CAMPAIGNS_COMMANDS = "campaigns.commands.v1"
CAMPAIGNS_PROGRESS = "campaigns.progress.v1"
ACCOUNTS_COMMANDS = "accounts.commands.v1"
ACCOUNTS_CHANGED = "accounts.changed.v1"
CONVERSATIONS_CHANGED = "conversations.changed.v1"
CONTACTS_FORGOTTEN = "contacts.forgotten.v1"


def dead_letter_topic(topic: str, group: str) -> str:
    """Return the name of the topic for what the group could not handle of the given topic."""
    return f"{topic}.{group}.dlt"
