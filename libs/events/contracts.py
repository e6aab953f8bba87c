"""Prints `contracts/` from the event models, or checks that it is up to date and keeps its promises.

`python -m libs.events.contracts` writes, with `--check` it only looks. Exit code 1 and one sentence per problem.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from libs.events.compatibility import breaks
from libs.events.examples import CONTRACTS, read_examples
from libs.events.model import UnreadableEvent
from libs.events.schemas import asyncapi, event_models, schemas
from libs.events.topics import META_WEBHOOKS
from libs.events.webhooks import RAW_WEBHOOK_TYPE

SCHEMAS = "schemas"
BASES = ("HEAD", "HEAD^")  # what is about to be committed must not break the last commit, nor that one its parent


def printed(contracts: Path = CONTRACTS) -> dict[Path, str]:
    """Return every generated file with its text."""
    documents: dict[Path, Any] = {contracts / SCHEMAS / name: schema for name, schema in schemas().items()}
    documents[contracts / "asyncapi" / "asyncapi.json"] = asyncapi(contracts / "topics.yaml")
    return {path: json.dumps(document, indent=2, ensure_ascii=False) + "\n" for path, document in documents.items()}


def write(contracts: Path = CONTRACTS) -> None:
    """Write every generated file and remove schemas that no model makes any more."""
    wanted = printed(contracts)
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for path in (contracts / SCHEMAS).glob("*/*.json"):
        if path not in wanted:
            path.unlink()


def outdated(contracts: Path = CONTRACTS) -> Iterator[str]:
    """Yield a sentence for each generated file that is not what the models say."""
    wanted = printed(contracts)
    for path, text in sorted(wanted.items()):
        if not path.exists() or path.read_text() != text:
            yield f"{path.relative_to(contracts.parent)} is not what the models say: run `make contracts`"
    for path in sorted((contracts / SCHEMAS).glob("*/*.json")):
        if path not in wanted:
            yield f"{path.relative_to(contracts.parent)} has no model any more: run `make contracts`"


def wrong_examples(contracts: Path = CONTRACTS) -> Iterator[str]:
    """Yield a sentence for each example that is not what its type promises."""
    models = event_models()
    for example in read_examples(contracts / "examples"):
        where = example.path.relative_to(contracts.parent)
        if example.topic == META_WEBHOOKS:
            if example.envelope.type != RAW_WEBHOOK_TYPE:
                yield f"{where}: the type must be {RAW_WEBHOOK_TYPE}"
            continue
        model = models.get(example.topic, {}).get(example.envelope.type)
        if model is None:
            yield f"{where}: no type {example.envelope.type} belongs to {example.topic}"
            continue
        try:
            model.read(example.value)
        except UnreadableEvent as error:
            yield f"{where}: {error}"


def broken_promises(now: Mapping[str, Any], before: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each promise of the earlier schemas that the present ones break."""
    for name, old in sorted(before.items()):
        if name not in now:
            yield f"{name}: the type was removed; readers of its topic still expect it: make a new version beside it"
            continue
        for problem in breaks(old, now[name]):
            yield f"{name}: {problem}; that needs a new version of the type, beside the old one"


def committed(base: str, contracts: Path = CONTRACTS) -> dict[str, Any]:
    """Return the schemas of a commit by file name; none where there is no such commit or no git."""
    root, folder = contracts.parent, f"{contracts.name}/{SCHEMAS}/"
    listed = _git(root, "ls-tree", "-r", "--name-only", base, folder)
    found = {}
    for path in listed.splitlines():
        found[path.removeprefix(folder)] = json.loads(_git(root, "show", f"{base}:{path}"))
    return found


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)  # noqa: S603, S607 - our own words, the caller's git
    except OSError:
        return ""
    return done.stdout if done.returncode == 0 else ""


def problems(check_files: bool, contracts: Path = CONTRACTS) -> list[str]:
    """Return everything that is wrong, each in one sentence."""
    now = schemas()
    found = list(outdated(contracts)) if check_files else []
    found += wrong_examples(contracts)
    for base in BASES:
        found += broken_promises(now, committed(base, contracts))
    return list(dict.fromkeys(found))


def main() -> None:
    """Write or check, and say what is wrong."""
    parser = argparse.ArgumentParser(description="Print contracts/ from the event models.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where something differs")
    arguments = parser.parse_args()
    if not arguments.check:
        write()
    found = problems(check_files=arguments.check)
    for sentence in found:
        sys.stderr.write(f"{sentence}\n")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
