"""A seeded workload: people are written to in order, over several connections, and every answer is noted."""

import random
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import httpx

from tests.support.running import API, Number, Stack

RETRY_FOR = 120.0  # seconds one message is tried while a service is down
PAUSE = 0.1  # seconds between tries


@dataclass
class Accepted:
    """A message that got its 202, in the order of its conversation."""

    message_id: str
    person: str
    number: str


@dataclass
class Outcome:
    """The client's own ledger: what was accepted (in order per person), and what nobody knows."""

    seed: int
    accepted: list[Accepted] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def ids(self) -> set[str]:
        """The ids of accepted messages."""
        return {each.message_id for each in self.accepted}


class Workload:
    """Texts to many people: each person's messages one after the other, people side by side."""

    def __init__(self, stack: Stack, numbers: list[Number], people: list[str], connections: int = 8) -> None:
        self.stack, self.numbers, self.people, self.connections = stack, numbers, people, connections
        self.seed = random.SystemRandom().randrange(1 << 32)
        self.outcome = Outcome(self.seed)
        self.sent = 0
        self.stopped = threading.Event()
        self._pool: ThreadPoolExecutor | None = None
        self._working: list[Future[None]] = []

    def start(self, messages: int, per_second: float = 0.0) -> None:
        """Begin to post `messages` in the background, at most so many a second (0: as fast as it goes)."""
        self._pool = ThreadPoolExecutor(self.connections)
        share = messages // self.connections
        for worker in range(self.connections):
            mine = self.people[worker :: self.connections]
            self._working.append(self._pool.submit(self._work, worker, mine, share, per_second / self.connections))

    def finish(self) -> Outcome:
        """Wait until everything is posted; -> the client's ledger. Raises what a worker met that it must not meet."""
        assert self._pool is not None
        self._pool.shutdown(wait=True)
        for worker in self._working:
            worker.result()
        return self.outcome

    def _work(self, worker: int, people: list[str], count: int, per_second: float) -> None:
        chance, began = random.Random(self.seed + worker), time.monotonic()
        with httpx.Client(timeout=30.0, trust_env=False) as http:
            for i in range(count):
                if self.stopped.is_set():
                    return
                if per_second:
                    time.sleep(max(0.0, began + i / per_second - time.monotonic()))
                self._post(
                    http, chance.choice(people), self.numbers[chance.randrange(len(self.numbers))], f"{worker}-{i}"
                )

    def _post(self, http: httpx.Client, person: str, number: Number, name: str) -> None:
        """Post until there is an answer: the same key makes it one message however often it is asked for."""
        body = {"phone_number_id": number.id, "to": f"+{person}", "text": f"{self.seed} {name}", "client_ref": name}
        headers = {"Authorization": f"Bearer {self.stack.key}", "Idempotency-Key": f"{self.seed}-{name}"}
        end = time.monotonic() + RETRY_FOR
        while time.monotonic() < end:
            try:
                answer = http.post(self.stack.info["edge"] + API + "/messages", json=body, headers=headers)
            except httpx.HTTPError:
                time.sleep(PAUSE)
                continue
            if answer.status_code == 202:
                with self.outcome.lock:
                    self.outcome.accepted.append(Accepted(answer.json()["id"], person, number.id))
                    self.sent += 1
                return
            assert answer.status_code in (409, 429, 503, 504), answer.text
            time.sleep(PAUSE)
        with self.outcome.lock:
            self.outcome.unclear.append(name)
