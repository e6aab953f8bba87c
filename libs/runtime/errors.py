"""Errors that every service knows: why a process does not start, and what only needs waiting."""


class StartRefused(Exception):
    """The process cannot start; its text is one sentence for the operator, and the exit code is 1."""


class Outage(Exception):
    """Something we depend on is away for now: wait and try again. Never a reason to skip or to bury a record."""
