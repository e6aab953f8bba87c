"""Make `.venv` from the lock file with the standard library alone: `python3 deploy/local/venv.py`."""

import importlib.util
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
OLDEST = (3, 11)


def main() -> None:
    """Make the environment, or end with one sentence and code 1."""
    if sys.version_info < OLDEST:
        found = sys.version.split()[0]
        sys.exit(f"Python {found} is too old: use 3.11 or newer, for example `make setup PYTHON=python3.11`")
    if importlib.util.find_spec("ensurepip") is None:
        sys.exit("this Python has no venv: install it first (`apt-get install python3-venv` or its like)")
    if not (VENV / "bin" / "python").exists():
        _run("making .venv", sys.executable, "-m", "venv", str(VENV))
    pip = (str(VENV / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install")
    _run("installing what requirements.lock names", *pip, "--require-hashes", "-r", "requirements.lock")
    _run("installing Wabus itself", *pip, "--quiet", "--no-deps", "--no-build-isolation", "--editable", ".")
    _run("fetching Apache Kafka", str(VENV / "bin" / "python"), "-m", "deploy.local.jars")


def _run(what: str, *command: str) -> None:
    sys.stdout.write(f"· {what}\n")
    sys.stdout.flush()
    if subprocess.run(command, cwd=ROOT, check=False).returncode:  # noqa: S603 - our own commands
        sys.exit(f"{what} did not work: read the lines above; no network and a full disk are the usual reasons")


if __name__ == "__main__":
    main()
