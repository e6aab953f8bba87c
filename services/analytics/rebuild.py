"""Count all of the history anew, while counting goes on: `python -m services.analytics.rebuild`.

A job with the settings of analytics, for when a rule of counting was mended. It may be stopped and begun again.
"""

import asyncio
import sys

from libs.mongo.client import Mongo
from libs.mongo.indexes import IndexBuilder
from libs.runtime.clock import SystemClock
from libs.runtime.errors import StartRefused
from services.analytics import history_store, sums_store
from services.analytics.history_store import HistoryStore
from services.analytics.layers import LayerStore
from services.analytics.rebuilding import Rebuild
from services.analytics.settings import Settings
from services.analytics.sums_store import SumsStore


async def rebuild(settings: Settings) -> int:
    """Count anew; -> how many messages. Raises MongoUnavailable."""
    mongo = Mongo(settings.mongo_url.get_secret_value(), settings.mongo_database)
    await mongo.start()
    try:
        await IndexBuilder(mongo, history_store.INDEXES, sums_store.INDEXES).start()
        work = Rebuild(mongo, HistoryStore(mongo), SumsStore(mongo), LayerStore(mongo), SystemClock())
        return await work.run(settings.analytics_history_kept)
    finally:
        await mongo.stop()


def main() -> int:
    """Run the job; -> its exit code."""
    try:
        settings = Settings.load()
    except StartRefused as error:
        sys.stderr.write(f"{error}\n")
        return 2
    counted = asyncio.run(rebuild(settings))
    sys.stdout.write(f"counted {counted} messages anew\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
