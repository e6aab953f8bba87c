"""Keeps a directory's cache honest: forgets what the events of change name."""

from libs.directory.directory import Directory
from libs.events.accounts import AccountChanged
from libs.events.envelope import UnreadableEnvelope, read_envelope
from libs.events.model import UnreadableEvent, check_type
from libs.events.templates import TemplateChanged
from libs.kafka.record import Record


class DirectoryListener:
    """Handles each record of `accounts.changed.v1` and `templates.changed.v1`; what it cannot read, it ignores.

    An unreadable change costs five seconds of a stale entry, nothing more.
    """

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    async def handle(self, record: Record) -> None:
        """Forget what the record says has changed."""
        try:
            envelope = read_envelope(record.headers)
            event = check_type(envelope, AccountChanged, TemplateChanged).read(record.value)
        except (UnreadableEnvelope, UnreadableEvent):
            return
        if isinstance(event, TemplateChanged):
            self._directory.forget_template(envelope.tenant, event.waba_id, event.name)
        elif isinstance(event, AccountChanged):
            self._directory.forget(
                tenant=envelope.tenant,
                waba_id=event.waba_id,
                phone_number_id=event.phone_number_id,
                key_id=event.key_id,
            )
