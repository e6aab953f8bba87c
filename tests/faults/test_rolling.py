"""A rolling upgrade: two processes of every service are started anew one by one while messages go on."""

import time
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest

from deploy.local.services import present_services
from tests.faults.scenarios import PEOPLE, QUICK, await_progress, ready, settle
from tests.faults.workload import Accepted, Workload
from tests.support.balancer import Balancer, balancing
from tests.support.running import API, Number, Stack, running_stack

pytestmark = pytest.mark.long

RATE, SECONDS = 200, 120  # messages a second, and for how long at least
QUIET = 180.0
OURS = [service.name for service in present_services() if service.name != "sandbox"]  # Meta goes on by itself


@pytest.fixture(scope="module")
def balancer() -> Iterator[Balancer]:
    with balancing() as running:
        yield running


@pytest.fixture(scope="module")
def stack(balancer: Balancer) -> Iterator[Stack]:
    twice = [option for name in OURS for option in ("--scale", f"{name}=2")]
    with running_stack(*twice, WABUS_SANDBOX_WEBHOOK_URL=f"{balancer.url}/webhooks/whatsapp", **QUICK) as running:
        edges = [url.removesuffix("/metrics") for name, url in running.info["metrics"].items() if "edge" in name]
        assert len(edges) == 2
        balancer.backends = edges
        yield running


class Impatient(Workload):
    """Posts through the balancer and notes every answer that is no 202; only a connection that was closed while it was
    idle is tried again, as every client does.
    """

    def __init__(self, stack: Stack, numbers: list[Number], people: list[str], url: str) -> None:
        super().__init__(stack, numbers, people, connections=16)
        self.url, self.bad = url + API + "/messages", Counter[str]()

    def _post(self, http: httpx.Client, person: str, number: Number, name: str) -> None:
        body = {"phone_number_id": number.id, "to": f"+{person}", "text": f"{self.seed} {name}", "client_ref": name}
        headers = {"Authorization": f"Bearer {self.stack.key}", "Idempotency-Key": f"{self.seed}-{name}"}
        for _ in range(3):
            try:
                answer = http.post(self.url, json=body, headers=headers)
            except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError) as error:
                self.bad[f"closed: {type(error).__name__}"] += 1
                continue
            except httpx.HTTPError as error:
                self.bad[f"failed: {type(error).__name__}"] += 1
                break
            if answer.status_code == 202:
                with self.outcome.lock:
                    self.outcome.accepted.append(Accepted(answer.json()["id"], person, number.id))
                    self.sent += 1
                return
            self.bad[f"failed: {answer.status_code} {answer.text[:100]}"] += 1
            break
        with self.outcome.lock:
            self.outcome.unclear.append(name)


def test_everything_is_started_anew_under_load_and_nobody_notices(stack: Stack, balancer: Balancer) -> None:
    numbers, began = ready(stack, 4), time.monotonic()
    workload = Impatient(stack, numbers, PEOPLE, balancer.url)
    workload.start(RATE * SECONDS, per_second=RATE)
    await_progress(workload, RATE)
    for service in OURS:
        for process in (service, f"{service}-2"):
            stack.restart(process)
    restarted = time.monotonic() - began
    outcome = settle(stack, workload, QUIET)
    print(f"{len(outcome.accepted)} accepted, all anew after {restarted:.0f} s, {dict(workload.bad)}")  # noqa: T201
    assert len(outcome.accepted) == RATE * SECONDS // 16 * 16
    assert restarted < SECONDS, "they were started anew while messages went on"
    failed = {what: count for what, count in workload.bad.items() if what.startswith("failed")}
    assert not failed
    assert workload.bad.total() <= 16 * 2 * 2, "each connection meets each edge's end once at the most"
