"""Indexes, declared at the top of each store and made when its service starts."""

from collections.abc import Mapping, Sequence

from pymongo import IndexModel

from libs.mongo.client import Mongo, outages

Indexes = Mapping[str, Sequence[IndexModel]]


class IndexBuilder:
    """A part that makes the indexes of the given stores; making one that exists costs nothing."""

    def __init__(self, mongo: Mongo, *declared: Indexes) -> None:
        self._mongo = mongo
        self._declared = declared

    async def start(self) -> None:
        """Create what is missing; raises MongoUnavailable when MongoDB is away."""
        for indexes in self._declared:
            for collection, models in indexes.items():
                with outages():
                    await self._mongo.collection(collection).create_indexes(list(models))

    async def stop(self) -> None:
        """Nothing to let go of."""
