"""What libraries log comes out as lines of ours, but for what is ordinary."""

import subprocess
import sys

SAID = """
import logging
from libs.observability.log import COORDINATOR, configure_logging
configure_logging("INFO", "k" * 16)
log = logging.getLogger(COORDINATOR)
log.warning("Heartbeat failed for group %s because it is rebalancing", "sender")
log.warning("Heartbeat failed for group %s: generation id is not  current.", "sender")
"""


def test_a_group_that_is_shared_out_anew_is_no_warning_and_a_member_that_was_thrown_out_is() -> None:
    done = subprocess.run([sys.executable, "-c", SAID], capture_output=True, text=True, timeout=60, check=True)
    [line] = done.stdout.splitlines()
    assert "generation id" in line
