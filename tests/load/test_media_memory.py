"""A file of a hundred megabytes goes up and comes down, and nobody holds it."""

import hashlib
import threading
from collections.abc import Iterator

import httpx
import pytest

from tests.load.cost import cpu_seconds, memory_bytes
from tests.support.running import API, Stack, running_stack

pytestmark = pytest.mark.long

MB = 1024 * 1024
SIZE = 100 * MB - 9  # bytes after the mark of a PDF: the largest that Meta takes
MOST = 20e6  # bytes that edge may grow by
AT_ONCE = 4  # uploads, and as many downloads, beside each other
MOST_EACH = 5e6  # bytes that edge may grow by for each of them
BLOCK = bytes(range(256)) * 256


class Highest(threading.Thread):
    """The most memory that processes had beyond what they began with, looked at all the time."""

    def __init__(self, pids: dict[str, int]) -> None:
        super().__init__(daemon=True)
        self._before = {name: memory_bytes(pid) for name, pid in pids.items()}
        self._pids = pids
        self._done = threading.Event()
        self.grown = dict.fromkeys(pids, 0)

    def run(self) -> None:
        """Look every hundredth of a second."""
        while not self._done.wait(0.01):
            for name, pid in self._pids.items():
                self.grown[name] = max(self.grown[name], memory_bytes(pid) - self._before[name])

    def stop(self) -> dict[str, float]:
        """Return name -> megabytes grown at most."""
        self._done.set()
        self.join()
        return {name: round(grown / 1e6, 1) for name, grown in self.grown.items()}


class Form:
    """A form with a file of a size, made while it is sent."""

    def __init__(self, number: str, size: int) -> None:
        self.digest = hashlib.sha256()
        self._size = size
        field = f'--b\r\nContent-Disposition: form-data; name="phone_number_id"\r\n\r\n{number}\r\n'
        file = '--b\r\nContent-Disposition: form-data; name="file"; filename="a.pdf"\r\n'
        file += "Content-Type: application/pdf\r\n\r\n"
        self._head, self._tail = (field + file).encode(), b"\r\n--b--\r\n"
        self.length = len(self._head) + 9 + size + len(self._tail)

    def __iter__(self) -> Iterator[bytes]:
        """Yield the form."""
        yield self._head
        yield self._taken(b"%PDF-1.7\n")
        for at in range(0, self._size, len(BLOCK)):
            yield self._taken(BLOCK[: self._size - at])
        yield self._tail

    def _taken(self, chunk: bytes) -> bytes:
        self.digest.update(chunk)
        return chunk


def up(stack: Stack, number: str, size: int) -> str:
    form = Form(number, size)
    headers = {
        "Authorization": f"Bearer {stack.key}", "Content-Type": "multipart/form-data; boundary=b",
        "Content-Length": str(form.length),
    }  # fmt: skip
    answer = httpx.post(stack.info["edge"] + API + "/media", content=iter(form), headers=headers, timeout=120)
    assert answer.status_code == 201, answer.text
    assert answer.json()["sha256"] == form.digest.hexdigest()
    return str(answer.json()["media_id"])


def down(stack: Stack, media_id: str, size: int) -> None:
    headers, came = {"Authorization": f"Bearer {stack.key}"}, 0
    with httpx.stream("GET", f"{stack.info['edge']}{API}/media/{media_id}", headers=headers, timeout=120) as answer:
        assert answer.status_code == 200
        for chunk in answer.iter_raw():
            came += len(chunk)
    assert came == size + 9


def test_edge_grows_by_less_than_20_mb_over_files_of_100_mb() -> None:
    with running_stack() as stack:
        number = stack.connect().id
        down(stack, up(stack, number, MB), MB)  # what the first call loads
        pids = {name: stack.info["pids"][name] for name in ("edge", "sandbox")}
        watch, cpu = Highest(pids), cpu_seconds(pids["edge"])
        watch.start()
        media_id = up(stack, number, SIZE)
        down(stack, media_id, SIZE)
        one = watch.stop()
        print("one after the other", one, "edge CPU s", round(cpu_seconds(pids["edge"]) - cpu, 2))  # noqa: T201  # the figures are what the run is for
        watch = Highest(pids)
        watch.start()
        calls = [threading.Thread(target=up, args=(stack, number, SIZE)) for _ in range(AT_ONCE)]
        calls += [threading.Thread(target=down, args=(stack, media_id, SIZE)) for _ in range(AT_ONCE)]
        for call in calls:
            call.start()
        for call in calls:
            call.join()
        many = watch.stop()
        print(AT_ONCE, "up and", AT_ONCE, "down at once", many)  # noqa: T201  # as above
        assert one["edge"] * 1e6 < MOST, one
        assert many["edge"] * 1e6 < MOST_EACH * len(calls), many
