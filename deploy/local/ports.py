"""Free ports on this machine, outside the range from which the system takes ports for outgoing connections."""

import random
import socket

# Below Linux's 32768 and everybody else's 49152: a port that a process keeps over a restart must not meanwhile
# become the near end of somebody's outgoing connection.
LOWEST, HIGHEST = 20_000, 32_000
TRIES = 200  # of 12,000 ports at least one in 200 tries is free unless the machine is full of listeners


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Tell whether a server could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(taken: set[int] | None = None) -> int:
    """Return a port that is free now and not in `taken`; raises OSError when there is none."""
    for _ in range(TRIES):
        port = random.randint(LOWEST, HIGHEST)
        if port not in (taken or set()) and is_free(port):
            return port
    raise OSError(f"no free port between {LOWEST} and {HIGHEST}")
