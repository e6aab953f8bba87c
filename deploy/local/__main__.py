"""The supervisor of a detached stack: `python -m deploy.local OPTIONS`, started by `wabus up --detach`.

`OPTIONS` is JSON: `{"state", "edge_port", "without", "scale", "servers", "tell"}`. `tell` is an inherited file
descriptor that takes one JSON line per step (`{"step": ...}`), then `{"ready": true}` or `{"failed": "one sentence"}`.
"""

import asyncio
import contextlib
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deploy.local.errors import StackRefused
from deploy.local.server_set import ServerOptions
from deploy.local.stack import Options, run_stack
from libs.runtime.clock import rfc3339
from libs.runtime.errors import StartRefused


class _Teller:
    """Tells the command line how far we are, and the supervisor's log everything."""

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)  # or the services would keep it open, and its reader waiting
        self._pipe = os.fdopen(descriptor, "w")

    def step(self, text: str) -> None:
        sys.stdout.write(f"{rfc3339(datetime.now(UTC))} {text}\n")
        sys.stdout.flush()
        self._tell({"step": text})

    def end(self, how: dict[str, Any]) -> None:
        self._tell(how)
        with contextlib.suppress(OSError):
            self._pipe.close()

    def _tell(self, what: dict[str, Any]) -> None:
        # Who started us may have gone away, which is no reason to stop.
        with contextlib.suppress(OSError, ValueError):
            self._pipe.write(json.dumps(what) + "\n")
            self._pipe.flush()


def main() -> None:
    """Run the stack as the JSON argument says; exit code 1 when it did not come up."""
    asked = json.loads(sys.argv[1])
    teller = _Teller(asked["tell"])
    servers = ServerOptions(**asked["servers"])
    options = Options(Path(asked["state"]), asked["edge_port"], frozenset(asked["without"]), asked["scale"], servers)
    try:
        asyncio.run(run_stack(options, teller.step, lambda _: teller.end({"ready": True})))
    except (StackRefused, StartRefused, OSError) as refused:
        teller.step(str(refused))
        teller.end({"failed": str(refused)})
        sys.exit(1)
    teller.end({"failed": "it was told to stop"})


if __name__ == "__main__":
    main()
