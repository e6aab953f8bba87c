"""Make `.venv` from the lock file with the standard library alone: `python3 deploy/local/venv.py`."""

import fcntl
import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
LOCK = ROOT / "requirements.lock"
STAMP = VENV / ".set-up"  # the Makefile's: newer than what it was made of
OLDEST = (3, 11)


class Failed(Exception):
    """A step that did not work; its own words are on the screen."""


def main() -> None:
    """Make the environment, or end with one sentence and code 1."""
    if sys.version_info < OLDEST:
        found = sys.version.split()[0]
        sys.exit(f"Python {found} is too old: use 3.11 or newer, for example `make setup PYTHON=python3.11`")
    if importlib.util.find_spec("ensurepip") is None:
        sys.exit("this Python has no venv: install it first (`apt-get install python3-venv` or its like)")
    try:
        with alone(LOCK) as waited:
            if waited and STAMP.exists() and STAMP.stat().st_mtime >= max(
                file.stat().st_mtime for file in (LOCK, ROOT / "pyproject.toml")
            ):  # fmt: skip
                return
            filled(VENV, _make, _install)
            STAMP.touch()
    except Failed as failed:
        sys.exit(f"{failed} did not work: read the lines above; no network and a full disk are the usual reasons")


@contextmanager
def alone(file: Path) -> Iterator[bool]:
    """Keep others out who come here with the same file; -> whether somebody was there before."""
    with file.open() as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            waited = False
        except BlockingIOError:
            _say("waiting for another one that makes .venv")
            fcntl.flock(held, fcntl.LOCK_EX)
            waited = True
        yield waited


def filled(venv: Path, make: Callable[[], None], install: Callable[[], None]) -> None:
    """Install into the environment that is there, or into a new one where there is none or that one does not take it.

    Raises Failed where a new one does not take it either; what was there before is there again then.
    """
    if (venv / "bin" / "python").exists():
        try:
            install()
        except Failed as failed:
            _say(f"{failed} did not work in the .venv that was there: making it anew")
        else:
            return
    before = venv.with_name(f"{venv.name}-before")
    shutil.rmtree(before, ignore_errors=True)
    if venv.exists():
        venv.rename(before)
    try:
        make()
        install()
    except BaseException:
        if before.exists():
            shutil.rmtree(venv, ignore_errors=True)
            before.rename(venv)
        raise
    shutil.rmtree(before, ignore_errors=True)


def _make() -> None:
    outside = getattr(sys, "_base_executable", sys.executable)  # this one may be the .venv's, which is moved away
    _run("making .venv", outside, "-m", "venv", str(VENV))


def _install() -> None:
    pip = (str(VENV / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install")
    _run("installing what requirements.lock names", *pip, "--require-hashes", "-r", str(LOCK))
    _run("installing Wabus itself", *pip, "--quiet", "--no-deps", "--no-build-isolation", "--editable", ".")
    _run("fetching Apache Kafka", str(VENV / "bin" / "python"), "-m", "deploy.local.jars")


def _run(what: str, *command: str) -> None:
    _say(what)
    if subprocess.run(command, cwd=ROOT, check=False).returncode:  # noqa: S603 - our own commands
        raise Failed(what)


def _say(what: str) -> None:
    sys.stdout.write(f"· {what}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
