"""A database of its own for every test."""

from collections.abc import AsyncIterator

import pytest

from libs.mongo.client import Mongo
from libs.mongo.indexes import IndexBuilder
from libs.runtime.ids import new_id
from services.analytics import history_store, line_store, sums_store


@pytest.fixture
async def mongo(mongo_url: str) -> AsyncIterator[Mongo]:
    opened = Mongo(mongo_url, f"t-{new_id()[-30:]}")
    await opened.start()
    await IndexBuilder(opened, history_store.INDEXES, sums_store.INDEXES, line_store.INDEXES).start()
    yield opened
    await opened.stop()
