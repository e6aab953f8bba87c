"""Meta's webhook as an event: the value is the raw body, byte for byte, so only the envelope is ours."""

RAW_WEBHOOK_TYPE = "MetaWebhook.v1"
