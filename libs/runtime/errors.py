"""Why a process does not start."""


class StartRefused(Exception):
    """The process cannot start; its text is one sentence for the operator, and the exit code is 1."""
