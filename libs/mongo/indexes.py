"""Indexes, declared at the top of each store and made when its service starts."""

from collections.abc import Mapping, Sequence

from pymongo import IndexModel
from pymongo.errors import OperationFailure

from libs.mongo.client import Mongo, outages

OTHER_OPTIONS = 85  # MongoDB: an index of this name and these keys exists with other options

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
                await self._make(collection, models)

    async def _make(self, collection: str, models: Sequence[IndexModel]) -> None:
        try:
            with outages():
                await self._mongo.collection(collection).create_indexes(list(models))
        except OperationFailure as error:
            if error.code != OTHER_OPTIONS:
                raise
            if len(models) > 1:  # which one it is is found one by one
                for model in models:
                    await self._make(collection, [model])
                return
            kept = models[0].document.get("expireAfterSeconds")
            if kept is None:
                raise
            with outages():  # how long rows are kept is a setting, and was another one
                change = {"name": models[0].document["name"], "expireAfterSeconds": kept}
                await self._mongo.command({"collMod": collection, "index": change})

    async def stop(self) -> None:
        """Nothing to let go of."""
