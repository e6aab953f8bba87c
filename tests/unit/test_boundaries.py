"""The rules of the house, read from the imports of every file: a failure says what to do instead."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.migrations.indexes import STORES

ROOT = Path(__file__).parents[2]
SHAPELESS = {"utils", "util", "helpers", "helper", "common", "core", "base", "misc"}
OUR_TOOLS = {"console"}  # the command line starts and tests the others from outside; it imports the local stack
DRIVER_LIBS = ("libs/mongo/", "libs/ledger/", "libs/directory/")
# Stores with writes that may be lost: what is counted again, looked at once more, or said again by the next webhook.
HASTY = {
    "libs/ledger/claims.py", "libs/ledger/flow.py", "services/analytics/sums_store.py",
    "services/autoreply/talk_store.py", "services/edge/key_store.py",
}  # fmt: skip
TOPICS_FILE = "libs/events/topics.py"
TOPIC_NAME = re.compile(r"^[a-z]+\.[a-z]+\.v\d+(\.[a-z]+\.dlt)?$")


@dataclass(frozen=True, slots=True)
class Source:
    """A Python file of the project: its path below the root and its syntax tree."""

    path: str
    tree: ast.Module

    @property
    def service(self) -> str | None:
        """Return the service it belongs to."""
        parts = self.path.split("/")
        return parts[1] if parts[0] == "services" else None

    @property
    def library(self) -> str | None:
        """Return the lib it belongs to."""
        parts = self.path.split("/")
        return parts[1] if parts[0] == "libs" else None

    def imports(self) -> Iterator[str]:
        """Yield the dotted name of everything that is imported, wherever in the file."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{self.path}: write the whole path, not a relative import"
                yield node.module or ""
                yield from (f"{node.module}.{alias.name}" for alias in node.names)

    def strings(self) -> Iterator[str]:
        """Yield every string constant that is not a docstring's whole text."""
        yield from (
            node.value for node in ast.walk(self.tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        )


def sources(*folders: str) -> list[Source]:
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return [Source(str(path.relative_to(ROOT)), ast.parse(path.read_text())) for path in paths]


CODE = sources("libs", "services", "deploy")


def broken(rule: str, findings: list[str]) -> None:
    if findings:
        pytest.fail("\n".join([rule, *(f"  - {finding}" for finding in findings)]), pytrace=False)


def test_no_service_imports_another() -> None:
    findings = [
        f"{source.path} imports {name}"
        for source in CODE
        if source.service
        for name in source.imports()
        if name.startswith("services.") and name.split(".")[1] != source.service
    ]
    broken(
        "Services share nothing but events and libs. Put what both need into a lib, with two users from its first day, "
        "or let one tell the other by an event of libs/events.",
        findings,
    )


def test_libs_import_no_service_and_nothing_of_deploy() -> None:
    findings = [
        f"{source.path} imports {name}"
        for source in CODE
        if source.library
        for name in source.imports()
        if name.split(".")[0] in ("services", "deploy", "tests")
    ]
    broken(
        "A lib does not know who uses it. Let it declare a small Protocol, and let the service pass the real thing.",
        findings,
    )


def test_only_the_command_line_imports_the_local_stack() -> None:
    findings = [
        f"{source.path} imports {name}"
        for source in CODE
        if source.service and source.service not in OUR_TOOLS
        for name in source.imports()
        if name.split(".")[0] == "deploy"
    ]
    broken("A service runs anywhere: what it needs to know of where it runs comes through its Settings.", findings)


def test_no_two_packages_of_deploy_import_each_other() -> None:
    imports: dict[str, set[str]] = defaultdict(set)
    for source in CODE:
        owner = source.path.removesuffix(".py").split("/")
        if owner[0] == "deploy" and len(owner) > 2:
            imports[owner[1]] |= {name.split(".")[1] for name in source.imports() if name.startswith("deploy.")}
    findings = [
        f"deploy/{one} and deploy/{other}" for one in imports for other in imports[one] if one < other
        and one in imports[other]
    ]  # fmt: skip
    broken("Of two that need each other neither can be read alone: move what both need down into one.", findings)


def test_mongodb_is_touched_in_stores_only() -> None:
    def allowed(source: Source) -> bool:
        # The local stack initiates its replica set, which is no query of ours.
        stores = source.path.startswith(DRIVER_LIBS) or re.search(r"(^|/|_)store\.py$", source.path)
        return bool(stores) or source.path == "deploy/local/mongod.py"

    findings = [
        f"{source.path} imports {name}"
        for source in CODE
        if not allowed(source)
        for name in source.imports()
        if name.split(".")[0] in ("pymongo", "motor", "bson")
    ]
    broken(
        "Queries belong into the service's store.py (or libs/mongo, libs/ledger, libs/directory), where every one of "
        "them carries the tenant. Give the store a method named after what you want to know.",
        findings,
    )


def test_motor_is_imported_in_one_lib() -> None:
    findings = [
        f"{source.path} imports {name}"
        for source in CODE
        if source.library != "mongo"
        for name in source.imports()
        if name.split(".")[0] == "motor"
    ]
    broken(
        "motor will be replaced one day, in one place: take the types and the client from libs/mongo/client.py.",
        findings,
    )


def test_a_write_waits_for_the_majority_unless_it_may_be_lost_and_done_again() -> None:
    named = {"WriteConcern", "write_concern", "with_options"}
    findings = [
        f"{source.path}: {word}"
        for source in CODE
        if source.path != "libs/mongo/client.py"
        for node in ast.walk(source.tree)
        for word in (node.attr if isinstance(node, ast.Attribute) else getattr(node, "arg", None),)
        if word in named or (word == "hasty" and source.path not in HASTY)
    ]
    broken(
        "How safe a write is stands in libs/mongo/client.py. `hasty` is for what may be lost and is done again by "
        "itself: where that holds add the file to HASTY, else write to `collection`.",
        findings,
    )


def test_every_kafka_client_takes_its_options_from_the_connection() -> None:
    clients = {"AIOKafkaConsumer", "AIOKafkaProducer", "AIOKafkaAdminClient"}

    def knows_the_way(call: ast.Call) -> bool:
        spread = [each.value for each in call.keywords if each.arg is None]
        return any(isinstance(it, ast.Call) and ast.unparse(it.func).endswith(".options") for it in spread)

    findings = [
        f"{source.path}:{node.lineno} makes {ast.unparse(node.func)}"
        for source in CODE
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in clients and not knows_the_way(node)
    ]
    broken(
        "A client that is given addresses alone cannot reach a Kafka that wants TLS or a login: take a KafkaConnection "
        "and pass **connection.options().",
        findings,
    )


def test_the_environment_is_read_in_settings_only() -> None:
    def reads(source: Source) -> bool:
        return any(
            isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "environb", "putenv")
            for node in ast.walk(source.tree)
        )

    findings = [source.path for source in CODE if not source.path.endswith("settings.py") and reads(source)]
    broken(
        "Add a field to the Settings class and pass it on: a knob that is read elsewhere is listed nowhere.", findings
    )


def test_topic_names_stand_in_one_file() -> None:
    findings = [
        f"{source.path} says {text!r}"
        for source in CODE
        if source.path != TOPICS_FILE
        for text in source.strings()
        if TOPIC_NAME.match(text)
    ]
    broken(f"Import the name from {TOPICS_FILE}: a topic that is spelt twice is misspelt once.", findings)


def test_the_sandbox_reads_metas_api_for_itself() -> None:
    findings = [
        f"{source.path} imports {name}"
        for source in CODE
        if source.service == "sandbox"
        for name in source.imports()
        if name.startswith("libs.graph")
    ]
    broken(
        "The sandbox is a second, independent reading of Meta's API: with shared code a shared mistake would hide. "
        "Write it again from Meta's documentation.",
        findings,
    )


def test_modules_are_named_after_what_they_hold() -> None:
    paths = [path for folder in ("libs", "services", "deploy", "tests") for path in (ROOT / folder).rglob("*")]
    findings = [
        str(path.relative_to(ROOT))
        for path in paths
        if path.stem in SHAPELESS and (path.suffix == ".py" or (path.is_dir() and any(path.glob("*.py"))))
    ]
    broken("Such a name takes in everything. Name the module after the noun of the domain that it holds.", findings)


def test_every_lib_has_two_users() -> None:
    users: dict[str, set[str]] = defaultdict(set)
    for source in [*CODE, *sources("tests/support")]:
        owner = source.service or (f"libs.{source.library}" if source.library else source.path.split("/")[0])
        for name in source.imports():
            parts = name.split(".")
            if parts[0] == "libs" and len(parts) > 1 and owner != f"libs.{parts[1]}":
                users[parts[1]].add(owner)
    libraries = {source.library for source in CODE if source.library}
    findings = [
        f"libs/{name}: used by {sorted(users[name]) or 'nobody'}" for name in sorted(libraries) if len(users[name]) < 2
    ]
    broken("A lib with one user is a part of that user in the wrong place: move it there.", findings)


def test_every_store_with_indexes_is_among_those_that_the_first_migration_makes() -> None:
    declaring = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for folder in ("services", "libs")
        for path in (ROOT / folder).rglob("*.py")
        if re.search(r"^INDEXES\b", path.read_text(), re.M)
    }
    assert declaring == set(STORES), "a new store's indexes: list it in deploy/migrations/indexes.py"
