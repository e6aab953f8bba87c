"""Weak settings, found by reading what a deployment says: no server is asked."""

import base64
import stat
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, unquote

from pydantic import SecretStr

from deploy.doctor.findings import Finding, Level
from deploy.local.deployment import Deployment, is_here, is_inside, parts_of
from deploy.local.services import settings_of
from libs.directory.vault import Vault
from libs.observability.certificates import expiry
from libs.runtime.access import KafkaAccess
from libs.runtime.errors import StartRefused
from libs.runtime.settings import PUBLISHED, validated

SECRETS = ("LOG_HASH_KEY", "INTERNAL_SECRET", "APP_SECRET", "APP_SECRET_PREVIOUS", "VERIFY_TOKEN", "KAFKA_PASSWORD")
SHORTEST = 16  # characters; 16 random ones cannot be guessed
VARIED = 6  # different characters: fewer are no random text
RENEW_WITHIN = timedelta(days=30)  # of a certificate's end
LAST_CALL = timedelta(days=7)
FILES = ("KAFKA_CA_FILE", "KAFKA_CERT_FILE", "MONGO_CA_FILE", "MONGO_CERT_FILE")  # those that run out
DOOR = "edge"  # what it needs is what a deployment has to be told; the others need less
SET_ASIDE = (
    "example",
    "example.com",
    "example.net",
    "example.org",
    "invalid",
)  # names that are nobody's: RFC 2606, 6761
BROKEN_ANYWHERE = {"certificates"}  # checks whose findings are no weakness of a trial, but a fault of it

Said = Iterator[tuple[Level, str]]


def examine_settings(deployment: Deployment, now: datetime | None = None) -> list[Finding]:
    """Return what every check says; one that finds nothing says so."""
    at = now or datetime.now(UTC)
    checks: dict[str, Callable[[Deployment], Said]] = {
        "required": _required, "secrets": _secrets, "key ring": _ring, "addresses": _addresses, "kafka": _kafka,
        "mongodb": _mongo, "egress": _egress, "certificates": lambda it: _certificates(it, at), "files": _files,
    }  # fmt: skip
    return [finding for name, check in checks.items() for finding in _findings(name, check, deployment)]


def _findings(name: str, check: Callable[[Deployment], Said], deployment: Deployment) -> list[Finding]:
    said = list(check(deployment))
    trial = deployment.is_trial and name not in BROKEN_ANYWHERE
    found = [Finding(name, Level.NOTE if trial else level, words) for level, words in said]
    return found or [
        Finding(name, Level.OK, "all that is needed is said" if check is _required else "nothing weak found")
    ]


def _required(deployment: Deployment) -> Said:
    """Tell what is not filled in; a stack on this machine makes all of it itself."""
    if deployment.stack is not None:
        return
    for problem in deployment.problems:
        yield Level.ERROR, problem
    for name in sorted(deployment.unseen):
        yield Level.NOTE, f"WABUS_{name} is not in a file that is seen from here: it was not looked at"
    if not deployment.is_of_edge:
        yield (
            Level.NOTE,
            f"not looked at: this is not {DOOR}'s environment; where {DOOR} runs, or with --env-file, it is",
        )
    for name, field in settings_of(DOOR).model_fields.items() if deployment.is_of_edge else ():
        if field.is_required() and not deployment.get(name.upper()) and name.upper() not in deployment.unseen:
            kind = " (a secret)" if field.annotation is SecretStr else ""
            yield Level.ERROR, f"WABUS_{name.upper()}{kind} is not set: {DOOR} does not start without it"
    for name, hosts in _hosts(deployment).items():
        if named := [host for host in hosts if any(host == it or host.endswith(f".{it}") for it in SET_ASIDE)]:
            yield Level.ERROR, f"WABUS_{name} still names {named[0]}, which is an example and nobody's: say your own"


def _hosts(deployment: Deployment) -> dict[str, list[str]]:
    """Return the hosts that each address names."""
    public = parts_of(deployment.get("PUBLIC_URL")).hostname or ""
    kafka = [part.strip().rpartition(":")[0].strip("[]") for part in deployment.get("KAFKA_BOOTSTRAP").split(",")]
    mongo = parts_of(deployment.get("MONGO_URL")).netloc.rpartition("@")[2].split(",")
    found = {
        "PUBLIC_URL": [public], "KAFKA_BOOTSTRAP": kafka,
        "MONGO_URL": [(host.rpartition(":")[0] or host).strip("[]") for host in mongo],
    }  # fmt: skip
    return {name: [host for host in hosts if host] for name, hosts in found.items()}


def _secrets(deployment: Deployment) -> Said:
    used: dict[str, list[str]] = defaultdict(list)
    for name in SECRETS:
        value = deployment.get(name)
        if not value:
            continue
        used[value].append(f"WABUS_{name}")
        if PUBLISHED in value:
            yield Level.ERROR, f"WABUS_{name} is the trial's, which is in every copy of the repository: `make secrets`"
        elif len(value) < SHORTEST or len(set(value)) < VARIED:
            yield Level.ERROR, f"WABUS_{name} can be guessed: make it of 32 random characters or more"
    if password := _mongo_password(deployment):
        used[password].append("the password in WABUS_MONGO_URL")
    for names in used.values():
        if len(names) > 1:
            yield Level.ERROR, f"{' and '.join(names)} are one secret: who learns one has both"


def _ring(deployment: Deployment) -> Said:
    ring = deployment.get("ENCRYPTION_KEYS")
    if not ring:
        return
    if PUBLISHED in ring:
        yield Level.ERROR, "WABUS_ENCRYPTION_KEYS is the trial's: whoever has the repository reads all tokens"
    try:
        vault = Vault(ring)
    except StartRefused as refused:
        yield Level.ERROR, str(refused)
        return
    keys = [base64.b64decode(entry.partition(":")[2]) for entry in ring.split(",")]
    if any(len(set(key)) < VARIED for key in keys) or len(set(keys)) < len(keys):
        yield Level.ERROR, "WABUS_ENCRYPTION_KEYS has keys that are not random, or one twice"
    if len(vault.key_ids) > 1:
        old = ", ".join(vault.key_ids[1:])
        yield Level.NOTE, f"the ring still has {old}: `wabus keyring status` says whether they are needed"


def _addresses(deployment: Deployment) -> Said:
    public, graph = parts_of(deployment.get("PUBLIC_URL")), parts_of(deployment.get("GRAPH_URL"))
    for name in ("PUBLIC_URL", "GRAPH_URL", "MONGO_URL"):
        if deployment.get(name) and not parts_of(deployment.get(name)).netloc:
            yield Level.ERROR, f"WABUS_{name} cannot be read as an address"
    if public.scheme == "http":
        yield Level.ERROR, "WABUS_PUBLIC_URL is http: keys and messages go over the network in the clear"
    if graph.scheme == "http":
        level = Level.WARNING if is_inside(graph.hostname or "") else Level.ERROR
        yield level, "WABUS_GRAPH_URL is http: tokens go over the network in the clear"
    if not public.hostname or is_here(public.hostname) or not deployment.is_of_edge:
        return
    if deployment.get("EDGE_METRICS").lower() not in ("false", "0", "no", "off"):
        yield (
            Level.WARNING,
            "WABUS_EDGE_METRICS is not false: /metrics is on edge's public port",
        )
    if deployment.get("EDGE_DOCS").lower() not in ("false", "0", "no", "off"):
        yield Level.NOTE, "WABUS_EDGE_DOCS is not false: everybody can read /docs and /openapi.json"
    if not deployment.get("EDGE_TRUSTED_PROXIES"):
        words = "lists of allowed addresses, the limit on wrong keys and the audit log see the proxy as the caller"
        yield (
            Level.WARNING,
            f"WABUS_EDGE_TRUSTED_PROXIES is not set (Compose: TRUSTED_PROXIES in .env): behind a proxy, {words}",
        )


def _kafka(deployment: Deployment) -> Said:
    elsewhere = {*FILES, "KAFKA_KEY_FILE"}  # files that may lie on another machine
    said = {name: value for name, value in deployment.values.items() if name not in elsewhere}
    try:
        validated(KafkaAccess, said)
    except StartRefused as refused:
        yield Level.ERROR, f"{refused}: nothing starts with it"
    hosts = _hosts(deployment)["KAFKA_BOOTSTRAP"]
    outside = [host for host in hosts if not is_inside(host)]
    security = deployment.get("KAFKA_SECURITY") or "PLAINTEXT"
    yield from _open("Kafka", "WABUS_KAFKA_SECURITY", outside, hosts, security.endswith("SSL"), "SASL" in security)
    if security == "SASL_PLAINTEXT" and deployment.get("KAFKA_SASL_MECHANISM") == "PLAIN":
        yield Level.WARNING, "Kafka's password goes over the network in the clear: SASL_SSL, or a SCRAM mechanism"
    if (says := one_copy(deployment, len(hosts))) is not None:
        yield Level.WARNING, says


def one_copy(deployment: Deployment, brokers: int) -> str | None:
    """Return what is to be said where records have one copy though there are several brokers."""
    if brokers < 2 or deployment.get("KAFKA_REPLICATION") not in ("", "1"):
        return None
    return f"WABUS_KAFKA_REPLICATION is 1 with {brokers} brokers: a disk that dies takes records along"


def _mongo(deployment: Deployment) -> Said:
    url = deployment.get("MONGO_URL")
    if not url:
        return
    parts = parts_of(url)
    hosts = _hosts(deployment)["MONGO_URL"]
    asked = {name.lower(): values[-1].lower() for name, values in parse_qs(parts.query).items()}
    encrypted = (
        parts.scheme == "mongodb+srv" or "true" in (asked.get("tls"), asked.get("ssl"))
        or bool(deployment.get("MONGO_CA_FILE") or deployment.get("MONGO_CERT_FILE"))
    )  # fmt: skip
    logs_in = "@" in parts.netloc or asked.get("authmechanism") == "mongodb-x509"
    outside = [host for host in hosts if not is_inside(host)]
    yield from _open("MongoDB", "WABUS_MONGO_URL", outside, hosts, encrypted, logs_in)
    if "true" in (
        asked.get("tlsinsecure"),
        asked.get("tlsallowinvalidcertificates"),
        asked.get("tlsallowinvalidhostnames"),
    ):
        yield Level.ERROR, "WABUS_MONGO_URL says that certificates are not checked: anybody in between reads along"


def _open(
    server: str, variable: str, outside: list[str], hosts: list[str], encrypted: bool, logs_in: bool
) -> Said:  # fmt: skip
    lacks = [words for words, there in (("TLS", encrypted), ("a login", logs_in)) if not there]
    if not lacks or not hosts:
        return
    if outside:
        yield Level.ERROR, f"{server} at {outside[0]} is reached without {' and '.join(lacks)}: see {variable}"
    else:
        yield Level.NOTE, f"{server} is reached without {' and '.join(lacks)}: its network has to be private"


def _egress(deployment: Deployment) -> Said:
    if networks := deployment.get("EGRESS_ALLOWED_PRIVATE"):
        yield Level.ERROR, f"WABUS_EGRESS_ALLOWED_PRIVATE lets customers' URLs reach {networks}: for test stacks only"
    ports = {port.strip() for port in deployment.get("EGRESS_PORTS").split(",")} - {"", "443"}
    if ports:
        yield Level.NOTE, f"customers' URLs may name the ports {', '.join(sorted(ports))} too (WABUS_EGRESS_PORTS)"


def _certificates(deployment: Deployment, now: datetime) -> Said:
    for name in FILES:
        if not (path := deployment.get(name)):
            continue
        try:
            left = expiry(Path(path)) - now
        except (OSError, ValueError) as error:
            yield Level.ERROR, f"WABUS_{name}: {path} cannot be read here ({type(error).__name__})"
            continue
        if left < timedelta(0):
            yield Level.ERROR, f"WABUS_{name}: {path} ran out {-left.days} days ago"
        elif left < RENEW_WITHIN:
            level = Level.ERROR if left < LAST_CALL else Level.WARNING
            yield level, f"WABUS_{name}: {path} runs out in {left.days} days: renew it, and restart the services"


def _files(deployment: Deployment) -> Said:
    for file in deployment.files:
        is_open = file.stat().st_mode & (stat.S_IWGRP | stat.S_IRWXO) and file.parent.stat().st_mode & stat.S_IRWXO
        if file.name.isupper() and is_open and not is_mounted(file):
            yield Level.WARNING, f"{file} can be read or changed by others: chmod 700 {file.parent}"


def is_mounted(file: Path) -> bool:
    """Tell whether a file is a container's secret, whose mode the runtime decides."""
    return file.is_relative_to("/run/secrets") or file.is_relative_to("/var/run/secrets")


def _mongo_password(deployment: Deployment) -> str:
    login, _, _ = parts_of(deployment.get("MONGO_URL")).netloc.rpartition("@")
    return unquote(login.partition(":")[2])
