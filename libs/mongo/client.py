"""The one place that opens MongoDB: motor's client as a part, with the write concern that a 202 needs."""

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Self, TypeVar

from bson.codec_options import CodecOptions
from motor.motor_asyncio import (
    AsyncIOMotorClient,
    AsyncIOMotorClientSession,
    AsyncIOMotorCollection,
    AsyncIOMotorDatabase,
)
from pymongo import WriteConcern
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ExecutionTimeout,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
    WriteConcernError,
)

from libs.mongo.refusals import certificate_options, refusal
from libs.runtime.access import MongoAccess
from libs.runtime.errors import Outage, StartRefused
from libs.runtime.settings import BusSettings

Document = dict[str, Any]
Collection = AsyncIOMotorCollection[Document]
Session = AsyncIOMotorClientSession
T = TypeVar("T")

SERVER_SELECTION = 2_500  # milliseconds: an answer of 503 comes well within 5 s
SOCKET = 10_000  # milliseconds: a primary that hangs is given up before a client is
POOL = 32  # connections; motor runs one thread each while busy

DUPLICATE = 11000  # server code: a document with this unique key is there already

# Server codes that mean "the server is going away or was interrupted", found inside bulk errors.
_INTERRUPTED = {6, 7, 89, 91, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436}


class MongoUnavailable(Outage):
    """MongoDB did not answer; `nothing_written` is true when the command was certainly not executed."""

    def __init__(self, nothing_written: bool) -> None:
        super().__init__("MongoDB is not available")
        self.nothing_written = nothing_written


class TookTooLong(MongoUnavailable):
    """A query did not end within the time that it was given: the same one would end the same."""

    def __init__(self) -> None:
        super().__init__(nothing_written=False)


@contextmanager
def outages() -> Iterator[None]:
    """Turn the driver's "server is away" exceptions into MongoUnavailable; others pass."""
    try:
        yield
    except (ServerSelectionTimeoutError, WaitQueueTimeoutError) as error:
        raise MongoUnavailable(nothing_written=True) from error
    except ExecutionTimeout as error:
        raise TookTooLong from error
    except (AutoReconnect, NetworkTimeout, NotPrimaryError, WriteConcernError) as error:
        raise MongoUnavailable(nothing_written=False) from error
    except BulkWriteError as error:
        if _interrupted(error):
            raise MongoUnavailable(nothing_written=False) from error
        raise
    except PyMongoError as error:
        if getattr(error, "code", None) in _INTERRUPTED:
            raise MongoUnavailable(nothing_written=False) from error
        raise


def duplicates(error: BulkWriteError) -> set[int]:
    """Return the places of the writes that found their document there already; raises the error where it is another."""
    errors = (error.details or {}).get("writeErrors", [])
    if any(item["code"] != DUPLICATE for item in errors):
        raise error
    return {item["index"] for item in errors}


def _interrupted(error: BulkWriteError) -> bool:
    details = error.details or {}
    if details.get("writeConcernErrors"):
        return True
    return any(item.get("code") in _INTERRUPTED for item in details.get("writeErrors", ()))


class Mongo:
    """A part: the client, opened at start and closed at stop. Writes wait for the majority and the journal."""

    def __init__(self, url: str, database: str, access: MongoAccess | None = None) -> None:
        self._url = url
        self._name = database
        self._certificates = certificate_options(access) if access is not None else {}
        self._client: AsyncIOMotorClient[Document] | None = None
        self._collections: dict[str, Collection] = {}

    @classmethod
    def of(cls, settings: BusSettings) -> Self:
        """Return the client that a service's settings describe."""
        return cls(settings.mongo_url.get_secret_value(), settings.mongo_database, settings)

    async def start(self) -> None:
        """Open the client and knock: raises StartRefused when MongoDB does not let us in; passes when it is away."""
        try:
            self._open()
            await self._database().command("listCollections", nameOnly=True, authorizedCollections=True)
        except (PyMongoError, OSError, ValueError) as error:
            if (said := refusal(error)) is not None:
                raise StartRefused(said) from None
            # Else it is away, or electing: who needs it first finds out.

    async def stop(self) -> None:
        """Close all connections."""
        if self._client is not None:
            self._client.close()

    def _open(self) -> AsyncIOMotorClient[Document]:
        if self._client is None:
            self._client = AsyncIOMotorClient(
                self._url,
                tz_aware=True,
                w="majority",
                journal=True,
                retryWrites=True,
                serverSelectionTimeoutMS=SERVER_SELECTION,
                socketTimeoutMS=SOCKET,
                connectTimeoutMS=SERVER_SELECTION,
                maxPoolSize=POOL,
                **self._certificates,
            )
        return self._client

    def collection(self, name: str) -> Collection:
        """Return a collection of the service's database, for stores; made once, for that costs 9 microseconds."""
        found = self._collections.get(name)
        if found is None:
            found = self._collections[name] = self._database()[name]
        return found

    async def command(self, command: Document) -> None:
        """Run a command of the database's, for what a collection has no method for."""
        await self._database().command(command)

    async def clock(self) -> datetime:
        """Return what time it is by the server that answers."""
        with outages():
            told = await self._database().command("hello")
        at: datetime = told["localTime"]
        return at.replace(tzinfo=UTC)  # commands are answered without the options of the database

    def hasty(self, name: str) -> Collection:
        """Return a collection whose writes do not wait for journal or majority: for what may be lost and done again."""
        return self._database().get_collection(name, write_concern=WriteConcern(w=1, j=False))

    def _database(self) -> AsyncIOMotorDatabase[Document]:
        options: CodecOptions[Document] = CodecOptions(tz_aware=True)
        return self._open().get_database(self._name, codec_options=options)

    async def transaction(self, work: Callable[[Session], Coroutine[Any, Any, T]]) -> T:
        """Run writes as one unit: all of them or none. `work` is run again where another unit was in the way.

        Within it every call is given the session, and nothing is done that must not be done twice.
        """
        with outages():
            async with await self._open().start_session() as session:
                done: T = await session.with_transaction(work)
        return done

    async def disk(self) -> tuple[int, int] | None:
        """Return size and free bytes of the disk under the primary's data; None where it does not tell (`mongos`)."""
        try:
            with outages():
                said = await self._database().command("dbStats")
        except OperationFailure:  # we may not ask
            return None
        if not said.get("fsTotalSize"):
            return None
        return int(said["fsTotalSize"]), int(said["fsTotalSize"] - said["fsUsedSize"])

    async def reachable(self) -> bool:
        """Tell whether a primary answers (for readiness)."""
        with outages():
            await self._open().admin.command("ping")
        return True
