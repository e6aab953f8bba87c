"""Make a deployment's secrets as files: `python3 deploy/docker/make_secrets.py`, with the standard library alone."""

import base64
import secrets
import sys
from collections.abc import Callable
from pathlib import Path

FOLDER = Path("secrets")
FROM_META = "WABUS_APP_SECRET"  # the one that only Meta's app dashboard knows


def _word() -> str:
    return secrets.token_hex(32)


def _key_ring() -> str:
    return f"k1:{base64.b64encode(secrets.token_bytes(32)).decode()}"


MAKERS: dict[str, Callable[[], str]] = {
    "WABUS_LOG_HASH_KEY": _word,
    "WABUS_INTERNAL_SECRET": _word,
    "WABUS_ENCRYPTION_KEYS": _key_ring,
    "WABUS_VERIFY_TOKEN": _word,
    "grafana_admin_password": _word,
}


def make_secrets(folder: Path) -> list[str]:
    """Write the secrets that are not there yet, and return their names.

    The folder is closed to everybody else; the files are not, for Docker binds each with its own mode into a container
    whose user is not the one of this host.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    missing = [name for name in MAKERS if not (folder / name).exists()]
    for name in missing:
        (folder / name).write_text(MAKERS[name]() + "\n")
        (folder / name).chmod(0o444)
    return missing


def main() -> None:
    """Make what is missing in the folder that the command line names, and say what is left to do."""
    folder = Path(sys.argv[1]) if sys.argv[1:] else FOLDER
    made = make_secrets(folder)
    sys.stdout.write(f"made in {folder}: {', '.join(made) or 'nothing, all are there'}\n")
    if not (folder / FROM_META).exists():
        sys.stdout.write(f"left to you: the app secret of Meta's dashboard, as {folder / FROM_META} (chmod 444)\n")
    sys.stdout.write("Keep a copy elsewhere: without WABUS_ENCRYPTION_KEYS the stored tokens cannot be read.\n")


if __name__ == "__main__":
    main()
