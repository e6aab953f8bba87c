"""Answers of analytics take as long with five million statuses as with five thousand."""

import asyncio
import random
import statistics
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo import MongoClient

from libs.mongo.client import Mongo
from libs.runtime.ids import new_id
from services.analytics.counting import Sums
from services.analytics.history_store import HISTORY
from services.analytics.sums_store import SumsStore
from tests.support.running import Stack, running_stack
from tests.support.shared_stack import Tenant, new_tenant
from tests.unit.analytics.rows import contribution

pytestmark = pytest.mark.long

FEW, MANY = 5_000, 5_000_000  # statuses
WAY = ("accepted", "sent", "delivered", "read")
DAYS, KINDS = 90, 1_250  # days that messages are spread over; distinct messages, each counted many times
ROUNDS, ASKED = 5, 40
WITHIN, RATIO = 0.020, 1.2  # seconds at the 99th percentile; medians of many against few
QUESTIONS = (
    "funnel", "funnel?country=IN", "funnel?category=marketing", "timeseries?days=30",
    "timeseries?days=90&time_zone=Asia/Kolkata", "timeseries?days=2&granularity=hour&by=type", "costs",
    "costs?group_by=country,category", "costs?group_by=day",
)  # fmt: skip


@pytest.fixture(scope="module")
def filled() -> Iterator[tuple[Stack, Tenant, Tenant]]:
    """A stack with a tenant of few statuses and one of many."""
    with running_stack(WABUS_EDGE_KEY_RATE="100000", WABUS_EDGE_TENANT_RATE="100000") as stack:
        few, many = new_tenant(stack, "Few"), new_tenant(stack, "Many")
        for tenant, rows in ((few, FEW), (many, MANY)):
            fill(stack, tenant, rows)
        yield stack, few, many


def messages(tenant: str, dice: random.Random) -> Iterator[list[dict[str, Any]]]:
    """Messages of many campaigns, countries and templates, each as its rows."""
    now = datetime.now(UTC).replace(microsecond=0)
    for _ in range(KINDS):
        made = now - timedelta(minutes=dice.randrange(DAYS * 24 * 60))
        category = dice.choice(("marketing", "utility", "service"))
        common = {
            "tenant": tenant, "message_id": "", "created_at": made, "phone_number_id": str(dice.randrange(3)),
            "type": "template",
            "conversation_id": new_id(), "category": category,
            "country": dice.choice(("IN", "BR", "DE", "US", "ID", "MX")),
            "template": f"t{dice.randrange(20)}", "campaign_id": f"c{dice.randrange(50)}", "topic": "t", "partition": 0,
        }  # fmt: skip
        yield [
            common | {"status": status, "at": made + timedelta(seconds=place), "offset": place}
            | ({"pricing": {"billable": True, "pricing_model": "PMP", "type": "regular", "category": category}}
               if status == "sent" else {})
            for place, status in enumerate(WAY)
        ]  # fmt: skip


def fill(stack: Stack, tenant: Tenant, statuses: int) -> None:
    """Write the history of so many statuses, and the sums that they come to."""
    client: MongoClient[dict[str, Any]]
    kinds = list(messages(tenant.id, random.Random(1)))
    times, sums = statuses // (KINDS * len(WAY)), Sums()
    for rows in kinds:
        for place, count in contribution(rows).items():
            sums[place] += count * times
    with MongoClient(stack.info["mongo"]) as client:
        table: Any = client["wabus"].get_collection(HISTORY)
        for _ in range(times):
            table.insert_many(
                [
                    row | {"_id": f"{message_id}:{row['status']}", "message_id": message_id, "wamid": message_id}
                    for rows in kinds
                    for message_id in (new_id(),)
                    for row in rows
                ],
                ordered=False,
            )
    asyncio.run(write(stack.info["mongo"], sums))


async def write(url: str, sums: Sums) -> None:
    """Write sums as counting does."""
    mongo = Mongo(url, "wabus")
    await mongo.start()
    await mongo.transaction(lambda session: SumsStore(mongo).add(session, 1, sums))
    await mongo.stop()


def seconds(stack: Stack, tenant: Tenant, question: str) -> float:
    """Return how long an answer took, through edge."""
    began = time.perf_counter()
    answer = stack.call("GET", f"/analytics/{question}", key=tenant.key)
    took = time.perf_counter() - began
    assert answer.status_code == 200, answer.text
    return took


def test_answers_are_as_fast_with_many_statuses_as_with_few(filled: tuple[Stack, Tenant, Tenant]) -> None:
    stack, few, many = filled
    took: dict[str, list[float]] = {few.id: [], many.id: []}
    ratios = []
    for number in range(ROUNDS + 1):  # the first one warms up
        medians = {}
        for tenant in (few, many):
            its = [seconds(stack, tenant, question) for _ in range(ASKED) for question in QUESTIONS]
            medians[tenant.id] = statistics.median(its)
            took[tenant.id] += its if number else []
        ratios += [medians[many.id] / medians[few.id]] if number else []
    for question in QUESTIONS:
        its = sorted(seconds(stack, many, question) for _ in range(ASKED))
        print(f"{question}: median {its[ASKED // 2] * 1000:.1f} ms")  # noqa: T201
    p99 = {tenant: sorted(its)[int(len(its) * 0.99)] for tenant, its in took.items()}
    print(f"p99 {p99[few.id] * 1000:.1f} ms with {FEW}, {p99[many.id] * 1000:.1f} ms with {MANY}; {ratios}")  # noqa: T201
    assert statistics.median(ratios) <= RATIO
    assert p99[many.id] < WITHIN
