"""`make test`: the tests in five groups, three of them at once, each with a running stack of its own if it needs one.

python -m tests.side_by_side

Most tests wait more than they work, so three groups at once take little longer than the longest. Exit code 0 when all
are right. What was wrong is told once more at the end.
"""

import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

TESTS = Path(__file__).parent
AT_ONCE = 3
# The brokers of tests live for a minute or two: code that is compiled once is as fast for them, and a start costs 2.0 s
# of CPU in place of 3.6.
BROKERS = "-XX:TieredStopAtLevel=1"
# Below tests/integration: they start the servers they need.
ALONE = ("analytics", "kafka", "mongo", "sandbox", "tracing")


class Outcome(NamedTuple):
    """What pytest answered for a group, and all that it printed."""

    code: int
    told: str


def groups() -> dict[str, list[str]]:
    """Return the folders of each group, the group that takes longest first."""
    integration = sorted(it.name for it in (TESTS / "integration").iterdir() if it.is_dir() and it.name[0] != "_")
    shared = [name for name in integration if name not in (*ALONE, "local")]
    found = {
        "journeys": ["journeys"],
        "faults": ["faults", "integration/local"],
        "integration": ["contracts", *(f"integration/{name}" for name in shared)],
        "servers": [f"integration/{name}" for name in ALONE],
        "units": ["unit"],
    }
    return {name: [str(TESTS / folder) for folder in folders] for name, folders in found.items()}


def run(folders: list[str]) -> Outcome:
    """Run the tests of these folders that belong in CI."""
    command = [sys.executable, "-m", "pytest", "-m", "not long", "--durations=15", *folders]
    with tempfile.TemporaryFile("w+") as told:
        environment = {**os.environ, "JDK_JAVA_OPTIONS": f"{os.environ.get('JDK_JAVA_OPTIONS', '')} {BROKERS}"}
        done = subprocess.run(command, env=environment, stdout=told, stderr=subprocess.STDOUT, check=False)
        told.seek(0)
        return Outcome(done.returncode, told.read())


def main() -> int:
    """Run all groups; what a group said is printed as soon as it is through."""
    failed: dict[str, int] = {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = {pool.submit(run, folders): name for name, folders in groups().items()}
        _say(f"{', '.join(running.values())}: {AT_ONCE} of {len(running)} at once")
        for group in as_completed(running):
            outcome = group.result()
            _say(f"{running[group]}:\n{outcome.told}")
            if outcome.code:
                failed[running[group]] = outcome.code
    for name, code in failed.items():
        _say(f"{name}: not right (exit code {code} of pytest)")
    return 1 if failed else 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
