"""Commands that edge cannot read, for tests of what becomes of them."""

import asyncio

from aiokafka import AIOKafkaProducer  # type: ignore[import-untyped]

from libs.events.topics import ACCOUNTS_COMMANDS, dead_letter_topic
from tests.support.running import Stack, until
from tests.support.shared_stack import buried
from tests.support.topics import envelope

OURS = dead_letter_topic(ACCOUNTS_COMMANDS, "edge")


def spoil(stack: Stack, tenant: str, *values: bytes) -> None:
    """Write account commands of a tenant that edge cannot read, and wait until they are buried."""

    async def write() -> None:
        producer = AIOKafkaProducer(bootstrap_servers=stack.info["kafka"])
        await producer.start()
        try:
            for value in values:
                headers = envelope(stack, tenant=tenant, type="StopAccount.v1").headers()
                await producer.send_and_wait(ACCOUNTS_COMMANDS, value, key=b"\xffk", headers=headers)
        finally:
            await producer.stop()

    before = buried(stack, OURS)
    asyncio.run(write())
    until(lambda: buried(stack, OURS) >= before + len(values), "they are buried", 15)
