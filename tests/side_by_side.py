"""`make test`: the tests in two halves at once, those that share one running stack and those that need none of it.

python -m tests.side_by_side

Most tests wait more than they work, so two halves take little longer than the longer one. Exit code 0 when both are
right. The half that ends in the background is printed whole once the other one is through.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).parent
ALONE = ("analytics", "kafka", "local", "sandbox", "tracing")  # below tests/integration: with servers of their own


def halves() -> tuple[list[str], list[str]]:
    """Return the folders of the half that shares a stack, and of the other one."""
    integration = sorted(path for path in (TESTS / "integration").iterdir() if path.is_dir() and path.name[0] != "_")
    alone = [TESTS / "unit", *(path for path in integration if path.name in ALONE), TESTS / "faults"]
    shared = [TESTS / "contracts", *(path for path in integration if path.name not in ALONE)]
    shared.append(TESTS / "journeys")
    return [str(path) for path in shared], [str(path) for path in alone]


def main() -> int:
    """Run both halves."""
    shared, alone = halves()
    command = [sys.executable, "-m", "pytest", "-m", "not long", "--durations=10"]
    with tempfile.TemporaryFile("w+") as told:
        beside = subprocess.Popen([*command, *alone], stdout=told, stderr=subprocess.STDOUT, text=True)
        try:
            first = subprocess.run([*command, *shared], check=False).returncode
            second = beside.wait()
        finally:
            beside.kill()
        told.seek(0)
        sys.stdout.write(told.read())
    return first or second


if __name__ == "__main__":
    sys.exit(main())
