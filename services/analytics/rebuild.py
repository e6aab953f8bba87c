"""Count all of the history anew, while counting goes on: `python -m services.analytics.rebuild`.

For when a rule of counting was mended. It may be stopped and begun again.
"""

import argparse
import sys
from collections.abc import Sequence

from libs.mongo.client import Mongo
from services.analytics.history_store import HistoryStore
from services.analytics.jobs import run_job
from services.analytics.layer_store import LayerStore
from services.analytics.line_store import LineStore
from services.analytics.rebuilding import Rebuild
from services.analytics.sums_store import SumsStore


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job; -> its exit code."""
    parser = argparse.ArgumentParser(description="Count all of the history of messages anew.")
    parser.add_argument("--accept-fewer", action="store_true", help="Even where it finds less than was counted.")
    asked = parser.parse_args(arguments)

    async def rebuild(mongo: Mongo) -> str:
        work = Rebuild(mongo, HistoryStore(mongo), SumsStore(mongo), LineStore(mongo), LayerStore(mongo))
        return f"counted {await work.run(accept_fewer=asked.accept_fewer)} messages anew"

    return run_job(rebuild)


if __name__ == "__main__":
    sys.exit(main())
