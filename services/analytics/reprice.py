"""Price messages anew by the cards of today: `python -m services.analytics.reprice --from 2026-10-01`.

For when a card came late or was wrong. Each price that changes is a further line, which names the one it replaces.
"""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

from libs.mongo.client import Mongo
from libs.runtime.clock import SystemClock
from services.analytics.books import Books
from services.analytics.history_store import HistoryStore
from services.analytics.jobs import run_job
from services.analytics.layer_store import LayerStore
from services.analytics.line_store import LineStore
from services.analytics.repricing import Repricing
from services.analytics.sums_store import SumsStore


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job; -> its exit code."""
    parser = argparse.ArgumentParser(description="Price messages anew by the rate cards of today.")
    parser.add_argument("--from", dest="first", type=date.fromisoformat, required=True, help="First day (UTC).")
    parser.add_argument("--to", dest="last", type=date.fromisoformat, help="Last day (UTC); default: today.")
    asked = parser.parse_args(arguments)
    last = asked.last or datetime.now(UTC).date()
    if last < asked.first:
        parser.error("--to must not be before --from")

    async def reprice(mongo: Mongo) -> str:
        sums = SumsStore(mongo)
        books = Books(sums, LineStore(mongo), SystemClock())
        work = Repricing(mongo, HistoryStore(mongo), sums, LayerStore(mongo), books)
        start, end = (datetime.combine(day, time(), UTC) for day in (asked.first, last + timedelta(days=1)))
        return f"booked {await work.run(start, end)} lines"

    return run_job(reprice)


if __name__ == "__main__":
    sys.exit(main())
