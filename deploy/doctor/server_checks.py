"""Weaknesses that only the servers can tell: clocks, topics, pending steps, what answers at the public address."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpx

from deploy.doctor.findings import Finding, Level
from deploy.doctor.settings_checks import LAST_CALL, RENEW_WITHIN, one_copy
from deploy.keyring.places import declared
from deploy.keyring.verdict import judge
from deploy.local.deployment import Deployment
from deploy.local.errors import StackRefused
from deploy.local.topic_settings import TopicWishes
from deploy.local.topics import broker_count, ensure_topics, read_topics
from deploy.migrations.steps import STEPS
from libs.directory.resealing import Resealing
from libs.directory.vault import Vault
from libs.events.topics import META_WEBHOOKS
from libs.kafka.connection import KafkaConnection
from libs.mongo.client import Mongo
from libs.mongo.migrations import Migrations, OtherStep
from libs.runtime.access import MongoAccess
from libs.runtime.clock import SystemClock
from libs.runtime.errors import Outage, StartRefused
from libs.runtime.settings import validated

UNTRUSTED = "CERTIFICATE_VERIFY_FAILED"
SKEW, BAD_SKEW = timedelta(seconds=2), timedelta(seconds=30)  # leases last seconds; webhooks and tokens minutes
SHORT, LONG = timedelta(days=2), timedelta(days=35)  # a weekend without anybody, a month's mistakes
WITHIN = 10.0  # seconds for one server: one that is away from here is not waited for
SHOWN = 5  # differences of topics that are named

Said = AsyncIterator[tuple[Level, str]]


async def examine_servers(deployment: Deployment) -> list[Finding]:
    """Ask MongoDB, Kafka and edge; one that cannot be reached from here is a note, for it may be reached from there."""
    checks: dict[str, Callable[[Deployment], Said]] = {"database": _database, "topics": _topics, "edge": _edge}
    found = await asyncio.gather(*(_findings(name, check(deployment)) for name, check in checks.items()))
    return [finding for findings in found for finding in findings]


async def _findings(name: str, said: Said) -> list[Finding]:
    found: list[Finding] = []
    try:
        async with asyncio.timeout(WITHIN):
            async for level, words in said:
                found.append(Finding(name, level, words))
    except TimeoutError:
        found.append(Finding(name, Level.NOTE, f"could not be asked from here: no answer within {WITHIN:.0f} s"))
    except httpx.InvalidURL:
        found.append(Finding(name, Level.ERROR, "its address cannot be read"))
    except (Outage, StackRefused, OSError, httpx.HTTPError) as error:
        found.append(Finding(name, Level.NOTE, f"could not be asked from here: {str(error) or type(error).__name__}"))
    except (StartRefused, OtherStep) as error:
        found.append(Finding(name, Level.ERROR, str(error)))
    return found or [Finding(name, Level.OK, "nothing weak found")]


def _not_asked(variable: str) -> tuple[Level, str]:
    return Level.NOTE, f"not asked: WABUS_{variable} is not set"


async def _database(deployment: Deployment) -> Said:
    if not (url := deployment.get("MONGO_URL")):
        yield _not_asked("MONGO_URL")
        return
    access = validated(MongoAccess, deployment.values)
    mongo = Mongo(url, deployment.get("MONGO_DATABASE") or "wabus", access)
    await mongo.start()
    try:
        before = datetime.now(UTC)
        skew = await mongo.clock() - before - (datetime.now(UTC) - before) / 2
        if (says := _skew("MongoDB", skew)) is not None:
            yield says
        for step in await Migrations(mongo, STEPS, SystemClock()).pending():
            yield Level.ERROR, f"step {step.number} {step.name} was not run on the database: `wabus migrate`"
        if ring := deployment.get("ENCRYPTION_KEYS"):
            vault = Vault(ring)
            verdict = judge(vault, await Resealing(mongo, vault, declared()).found())
            for problem in verdict.problems:
                yield Level.ERROR, problem
            for key_id in verdict.removable:
                yield Level.WARNING, f"nothing is encrypted with `{key_id}` any more: take it out of the ring"
    finally:
        await mongo.stop()


async def _topics(deployment: Deployment) -> Said:
    if not (bootstrap := deployment.get("KAFKA_BOOTSTRAP")):
        yield _not_asked("KAFKA_BOOTSTRAP")
        return
    settings = validated(TopicWishes, deployment.values)
    kafka = KafkaConnection.to(bootstrap, settings)
    brokers = await broker_count(kafka)
    says = one_copy(deployment, brokers)
    if says is not None and one_copy(deployment, len(kafka.servers)) is None and not deployment.is_trial:
        yield Level.WARNING, says  # the settings alone did not show it
    copies = settings.kafka_replication if not deployment.is_trial else brokers
    topics = settings.applied_to(read_topics())
    kept = next(timedelta(milliseconds=topic.retention_ms) for topic in topics if topic.name == META_WEBHOOKS)
    if not SHORT <= kept <= LONG:
        yield Level.WARNING, f"raw webhooks, with people's words and numbers, are kept {kept}: WABUS_WEBHOOKS_KEPT"
    differing = await ensure_topics(kafka, topics, copies, dry_run=True)
    for each in differing[:SHOWN]:
        yield Level.WARNING, f"topic {each}{'' if each.by_hand else ': `python -m deploy.local.topics`'}"
    if len(differing) > SHOWN:
        yield Level.WARNING, f"{len(differing) - SHOWN} more differences of topics"


async def _edge(deployment: Deployment) -> Said:
    url = deployment.get("PUBLIC_URL").rstrip("/")
    if not url:
        yield _not_asked("PUBLIC_URL")
        return
    async with httpx.AsyncClient(base_url=url, timeout=5.0, trust_env=False) as client:
        try:
            async with client.stream("GET", "/healthz") as health:  # its certificate is known while it is open
                ends = _ends(health)
        except httpx.ConnectError as error:
            if UNTRUSTED not in str(error):
                raise
            yield Level.ERROR, f"{url} shows a certificate that nobody trusts: Meta and customers are refused by it"
            return
        if ends is not None and (said := _runs_out(url, ends, datetime.now(UTC))) is not None:
            yield said
        if (date := health.headers.get("date")) is not None:
            # Whole seconds: what is less than one second behind is not.
            said = _skew(f"edge at {urlsplit(url).hostname}", parsedate_to_datetime(date) - datetime.now(UTC))
            if said is not None:
                yield said
        if (await client.get("/metrics")).status_code == 200:
            level = Level.NOTE if deployment.is_trial else Level.WARNING
            yield level, f"{url}/metrics answers whoever asks: WABUS_EDGE_METRICS=false, and WABUS_METRICS_PORT"
        internal = await client.get("/internal/tenants")
        if internal.status_code not in (401, 403, 404):
            yield Level.ERROR, f"{url}/internal/tenants answers {internal.status_code} without an identity"


def _ends(answer: httpx.Response) -> datetime | None:
    """Return when the certificate that an answer comes with runs out, None where it comes in the clear."""
    stream = answer.extensions.get("network_stream")
    shown = stream.get_extra_info("ssl_object") if stream is not None else None
    if shown is None:
        return None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(shown.getpeercert()["notAfter"]), UTC)


def _runs_out(url: str, ends: datetime, now: datetime) -> tuple[Level, str] | None:
    left = ends - now
    if left >= RENEW_WITHIN:
        return None
    return Level.ERROR if left < LAST_CALL else Level.WARNING, f"the certificate of {url} runs out in {left.days} days"


def _skew(whose: str, skew: timedelta) -> tuple[Level, str] | None:
    if abs(skew) < SKEW:
        return None
    level = Level.ERROR if abs(skew) > BAD_SKEW else Level.WARNING
    return level, f"the clock of {whose} is {skew.total_seconds():+.1f} s off from this one: synchronise both (NTP)"
