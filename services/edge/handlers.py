"""Kafka in: commands to send messages, and commands about accounts."""

from libs.events.accounts import ApplyAccountUpdate, StopAccount
from libs.events.envelope import UnreadableEnvelope, read_envelope
from libs.events.messages import SendMessage
from libs.events.model import UnknownType, UnreadableEvent, check_type
from libs.kafka.errors import Poison, Reason
from libs.kafka.record import Record
from services.edge.account_updates import AccountUpdates
from services.edge.commands import SendCommands


class CommandHandlers:
    """One method per topic: read the record, make one service call."""

    def __init__(self, commands: SendCommands, accounts: AccountUpdates) -> None:
        self._commands = commands
        self._accounts = accounts

    async def send_message(self, record: Record) -> None:
        """Handle a record of `messages.requested.v1`."""
        try:
            envelope = read_envelope(record.headers)
            check_type(envelope, SendMessage)
        except UnknownType as error:
            raise Poison(Reason.UNKNOWN_TYPE, str(error)) from None
        except UnreadableEnvelope as error:
            raise Poison(Reason.UNREADABLE, str(error)) from None
        await self._commands.send(envelope, record.value or b"")

    async def account_command(self, record: Record) -> None:
        """Handle a record of `accounts.commands.v1`."""
        try:
            envelope = read_envelope(record.headers)
            command = check_type(envelope, ApplyAccountUpdate, StopAccount).read(record.value)
        except UnknownType as error:
            raise Poison(Reason.UNKNOWN_TYPE, str(error)) from None
        except (UnreadableEnvelope, UnreadableEvent) as error:
            raise Poison(Reason.UNREADABLE, str(error)) from None
        if isinstance(command, StopAccount):
            await self._accounts.stop(command)
        elif isinstance(command, ApplyAccountUpdate):
            await self._accounts.apply(command)
