"""Programs that the guides show, run as a reader would run them."""

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.support.running import Number, Stack, until
from tests.support.shared_stack import greet

GUIDES = Path(__file__).parents[2] / "contracts" / "guides"


def program(guide: str, language: str) -> str:
    """Return the one program of a language that a guide shows."""
    [found] = re.findall(rf"^```{language}\n(.*?)^```$", (GUIDES / guide).read_text(), re.DOTALL | re.MULTILINE)
    return str(found)


def sends(stack: Stack, number: Number, who: str, command: Sequence[str], text: str, cwd: Path | None = None) -> str:
    """Run a program that writes to somebody, and wait until its one message is delivered; -> what it printed."""
    greet(number, who)
    environment = {
        **os.environ, "API": stack.info["edge"], "KEY": stack.key, "KAFKA": stack.info["kafka"],
        "TENANT": stack.info["tenant"], "FROM": number.id, "TO": f"+{who}",
    }  # fmt: skip
    done = subprocess.run(
        command, env=environment, cwd=cwd, capture_output=True, text=True, timeout=60, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]

    def said() -> bool:
        rows = stack.call("GET", f"/messages?direction=outbound&recipient={who}").json()["data"]
        return [(row["content"]["body"], row["status"]) for row in rows] == [(text, "delivered")]

    until(said, "it is delivered", 15)
    return done.stdout
