"""What all of a tenant's accounts have in common: who opted out, the words for it, people as a whole, dead letters.

It says nothing of accounts, so it cannot be changed, or dead letters shown, for some of them: a test key is let in as
long as all of the tenant's accounts are a sandbox's, on an installation that connects no others.
"""

from libs.directory.directory import Directory
from libs.directory.reach import TEST
from services.edge.auth import Caller
from services.edge.errors import SandboxOnly


class CommonThings:
    """Tells who is let in. `sandbox` is whether this installation connects accounts of a simulated Meta."""

    def __init__(self, directory: Directory, sandbox: bool) -> None:
        self._directory = directory
        self._sandbox = sandbox

    async def check(self, caller: Caller) -> None:
        """Raise SandboxOnly, whatever the call is about, where it could be about a live account."""
        if caller.mode != TEST:
            return
        if not self._sandbox or (await self._directory.reach(caller.tenant, caller.mode)).others:
            raise SandboxOnly("This is of live accounts too; a test key reaches only sandbox accounts.")
