"""Jobs of analytics: run once by an operator, with the settings of the service, while that goes on."""

import asyncio
import sys
from collections.abc import Awaitable, Callable

from libs.mongo.client import Mongo
from libs.mongo.indexes import IndexBuilder
from libs.runtime.errors import Outage, StartRefused
from services.analytics import history_store, line_store, sums_store
from services.analytics.layer_store import Overtaken
from services.analytics.rebuilding import FewerCounted
from services.analytics.settings import Settings


def run_job(work: Callable[[Mongo], Awaitable[str]]) -> int:
    """Do the work and print what it says; -> the exit code: 2 for settings, 1 for what stopped it, by a sentence."""
    try:
        said = asyncio.run(_done(Settings.load(), work))
    except StartRefused as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except Overtaken:
        sys.stderr.write("the history is being counted anew by another job\n")
    except FewerCounted as fewer:
        sys.stderr.write(
            f"counting anew found {fewer}: nothing was changed; where that is right, say --accept-fewer\n"
        )  # fmt: skip
    except Outage as error:
        sys.stderr.write(f"{error}: run it again, it goes on where it was\n")
    else:
        sys.stdout.write(f"{said}\n")
        return 0
    return 1


async def _done(settings: Settings, work: Callable[[Mongo], Awaitable[str]]) -> str:
    mongo = Mongo.of(settings)
    await mongo.start()
    try:
        await IndexBuilder(mongo, history_store.INDEXES, sums_store.INDEXES, line_store.INDEXES).start()
        return await work(mongo)
    finally:
        await mongo.stop()
