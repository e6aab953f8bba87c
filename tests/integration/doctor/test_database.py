"""What the doctor reads of a database without anything else of a stack."""

from deploy.doctor.findings import Level
from deploy.doctor.server_checks import _database, _findings
from deploy.local.deployment import Deployment
from deploy.migrations.steps import STEPS
from libs.runtime.ids import new_id


async def test_a_database_that_was_never_migrated_is_told_step_by_step_and_its_clock_is_right(mongo_url: str) -> None:
    values = {"MONGO_URL": mongo_url, "MONGO_DATABASE": f"t-{new_id()[-30:]}"}
    found = await _findings("database", _database(Deployment(values)))
    assert [it.level for it in found] == [Level.ERROR] * len(STEPS)
    assert all("was not run" in it.says for it in found)
