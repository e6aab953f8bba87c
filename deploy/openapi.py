"""Prints `contracts/openapi/openapi.json`, the document that edge serves, from the services' code alone.

`python -m deploy.openapi` writes it, with `--check` it only looks. Exit code 1 where it differs.
"""

import base64
import importlib
import json
import sys
from typing import Any

from deploy.local.services import ROOT, environment_of, settings_of, shared_environment
from libs.runtime.settings import PREFIX, ServiceSettings
from services.edge.openapi import put_together

FILE = ROOT / "contracts" / "openapi" / "openapi.json"
BEHIND = ("analytics", "autoreply", "campaigns", "notifier", "templates")  # as edge puts them together
NOWHERE = "http://127.0.0.1:1"


def printed() -> str:
    """Return the document as it is printed."""
    own, *theirs = (_document(service) for service in ("edge", *BEHIND))
    return json.dumps(put_together(own, theirs), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def _document(service: str) -> dict[str, Any]:
    application = importlib.import_module(f"services.{service}.app").create_app(_settings_of_nobody(service))
    found: dict[str, Any] = application.http.app.openapi()
    return found


def _settings_of_nobody(service: str) -> ServiceSettings:
    """Return settings with which a service can be built, and reaches nothing."""
    secrets = dict.fromkeys(("app_id", "app_secret", "verify_token", "internal_secret", "log_hash_key"), "x" * 16)
    secrets["encryption_keys"] = f"k:{base64.b64encode(bytes(32)).decode()}"
    urls = dict.fromkeys(("sandbox", "edge", *BEHIND), NOWHERE)
    servers = {PREFIX + "KAFKA_BOOTSTRAP": "127.0.0.1:1", PREFIX + "MONGO_URL": "mongodb://127.0.0.1:1"}
    environment = environment_of(service, 0, shared_environment(secrets, servers, urls, "unused"), {})
    values: dict[str, Any] = {name.removeprefix(PREFIX).lower(): value for name, value in environment.items()}
    return settings_of(service)(**values)


def main() -> None:
    """Write the document, or say that it differs."""
    text = printed()
    if "--check" not in sys.argv[1:]:
        FILE.parent.mkdir(parents=True, exist_ok=True)
        FILE.write_text(text)
    elif not FILE.exists() or FILE.read_text() != text:
        sys.exit(f"{FILE.relative_to(ROOT)} is not what the services say: run `make contracts`")


if __name__ == "__main__":
    main()
