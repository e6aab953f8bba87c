"""Room on the disk: Kafka and mongod stop without words when there is none."""

import os
import shutil
from pathlib import Path

from deploy.local.errors import StackRefused

NEEDED = 500 * 2**20  # bytes: journals, one segment a partition and a day of logs


def check_disk(folder: Path, needed: int = NEEDED) -> str:
    """Say how much room there is for a folder that may not exist yet; raises StackRefused when it is too little."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if not os.access(there, os.W_OK):
        raise StackRefused(f"{there} cannot be written: give another directory with --state")
    free = shutil.disk_usage(there).free
    if free < needed:
        raise StackRefused(
            f"the disk of {folder} has {free >> 20} MB left and the stack needs {needed >> 20}: "
            "free some, or give another directory with --state"
        )
    return f"{free >> 30} GB free for {folder}"
