"""Kafka in: commands to send messages, and commands about accounts."""

from libs.events.accounts import ApplyAccountUpdate, StopAccount
from libs.events.messages import SendMessage, ShowTyping
from libs.kafka.events import read_event, read_expected
from libs.kafka.record import Record
from libs.kafka.replays import mark_of
from libs.kafka.traces import consuming
from services.edge.account_updates import AccountUpdates
from services.edge.commands import SendCommands
from services.edge.typing_notices import TypingNotices

GROUP = "edge"


class CommandHandlers:
    """One method per topic: read the record, make one service call."""

    def __init__(self, commands: SendCommands, typing: TypingNotices, accounts: AccountUpdates) -> None:
        self._commands = commands
        self._typing = typing
        self._accounts = accounts

    async def send_message(self, record: Record) -> None:
        """Handle a record of `messages.requested.v1`."""
        envelope, kind = read_expected(record, SendMessage, ShowTyping)
        if kind is ShowTyping:
            self._typing.show(*read_event(record, ShowTyping))
        else:  # its value is a body: what does not fit is told its producer
            with consuming(record, GROUP, root=True):
                await self._commands.send(envelope, record.value or b"")

    async def account_command(self, record: Record) -> None:
        """Handle a record of `accounts.commands.v1`."""
        _, command = read_event(record, ApplyAccountUpdate, StopAccount)
        if isinstance(command, StopAccount):
            await self._accounts.stop(command)
        elif isinstance(command, ApplyAccountUpdate):
            await self._accounts.apply(command, mark_of(record))
