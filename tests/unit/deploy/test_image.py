"""The image's recipe: read by a linter that knows Docker's grammar, and compared with what the services need."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

from tests.support.deployments import ROOT

DOCKERFILE = ROOT / "deploy/docker/Dockerfile"
FOLDERS = ("libs", "services", "deploy/local", "deploy/migrations", "deploy/keyring", "deploy/doctor")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def instructions() -> list[str]:
    joined = DOCKERFILE.read_text().replace("\\\n", " ")
    return [line for line in joined.splitlines() if line and not line.startswith("#")]


def last_stage() -> list[str]:
    read = instructions()
    return read[max(index for index, line in enumerate(read) if line.startswith("FROM ")) :]


def blocks(lock: Path) -> dict[str, set[str]]:
    """Return the hashes of every package of a lock, by `name==version`."""
    parts = re.split(r"\n(?=[a-z0-9])", lock.read_text())
    return {part.split()[0]: set(re.findall(r"sha256:[0-9a-f]{64}", part)) for part in parts}


def normal(requirement: str) -> str:
    return re.split(r"[\[<>=;\s]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def test_the_linter_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, DOCKERFILE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_it_runs_as_a_number_that_is_not_root_below_an_init() -> None:
    assert "USER 10001:10001" in last_stage()
    assert 'ENTRYPOINT ["tini", "--"]' in last_stage()


def test_both_stages_have_the_python_that_the_locks_are_resolved_for() -> None:
    bases = {line.split()[1] for line in instructions() if line.startswith("FROM ")}
    assert len(bases) == 1
    version = re.search(r"--python-version (\S+)", (ROOT / "Makefile").read_text())
    assert version is not None
    assert bases.pop().startswith(f"python:{version[1]}-slim-")


def test_it_holds_what_the_services_import_and_no_more() -> None:
    copied = {line.split()[1] for line in instructions() if line.startswith("COPY ") and "--from" not in line}
    assert copied == {"deploy/docker/requirements.lock", "contracts", *FOLDERS}
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert allowed == copied


def test_it_is_healthy_when_the_service_is_ready_as_in_compose() -> None:
    check = next(line for line in last_stage() if line.startswith("HEALTHCHECK "))
    assert "http://127.0.0.1:8080/readyz" in check
    assert "WABUS_HTTP_PORT=8080" in " ".join(last_stage())


def test_it_has_the_version_of_the_project() -> None:
    assert f"ARG VERSION={PROJECT['version']}" in last_stage()


def test_its_lock_is_a_part_of_the_lock_and_has_every_dependency_and_no_tool() -> None:
    whole, part = blocks(ROOT / "requirements.lock"), blocks(ROOT / "deploy/docker/requirements.lock")
    assert {name: hashes for name, hashes in part.items() if whole.get(name) != hashes} == {}, "run `make lock`"
    locked = {name.partition("==")[0] for name in part}
    assert {normal(item) for item in PROJECT["dependencies"]} <= locked, "run `make lock`"
    tools = {normal(item) for extra in PROJECT["optional-dependencies"].values() for item in extra}
    assert locked & tools == set()


def imported_at_once(statements: list[ast.stmt]) -> Iterator[str]:
    """Yield what is imported when the module is: not in its functions, not for the type checker alone."""
    for node in statements:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.If | ast.Try) and ast.unparse(getattr(node, "test", node)) != "TYPE_CHECKING":
            yield from imported_at_once([*node.body, *node.orelse])


def test_every_module_in_it_is_imported_without_what_only_the_local_stack_and_the_tests_install() -> None:
    locked = {name.partition("==")[0] for name in blocks(ROOT / "deploy/docker/requirements.lock")}
    ours = {"libs", "services", "deploy", *sys.stdlib_module_names}
    distributions = packages_distributions()
    missing = [
        f"{path.relative_to(ROOT)} imports {module}"
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
        for module in imported_at_once(ast.parse(path.read_text()).body)
        if (top := module.partition(".")[0]) not in ours
        and not locked & {normal(name) for name in distributions.get(top, ())}
    ]
    assert missing == []


def test_every_module_of_ours_that_is_imported_in_it_is_in_it() -> None:
    """Where nothing of a folder is copied, a command would only fail once it is asked for."""
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    imported = {
        (module, path)
        for path in files
        for node in ast.walk(ast.parse(path.read_text()))
        for module in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [])
        if module.split(".")[0] in ("libs", "services", "deploy")
    }
    assert {
        f"{path.relative_to(ROOT)} imports {module}"
        for module, path in imported
        if not module.replace(".", "/").startswith(FOLDERS)
    } == set()
