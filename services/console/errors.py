"""Why a command does not do what it was asked."""


class CommandRefused(Exception):
    """One sentence for the person at the keyboard; the exit code is 1."""
