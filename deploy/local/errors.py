"""Why the local stack does not do what it was asked.

StackRefused            one sentence for the person at the keyboard; exit code 1
├── ProcessDied         a process ended while it was awaited
└── NotReadyInTime      a process lives, and does not answer
"""


class StackRefused(Exception):
    """Something is missing or in the way; the text says what it is and what to do."""


class ProcessDied(StackRefused):
    """A process of the stack ended before it was ready."""


class NotReadyInTime(StackRefused):
    """A process of the stack did not become ready before its deadline."""
