import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from deploy.local.errors import NotReadyInTime, ProcessDied
from deploy.local.processes import Identity, Running, last_words, spawn, stop_strangers, wait_until_gone

SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
DEAF = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)",
]


def start(folder: Path, command: list[str]) -> Running:
    return spawn("one", command, {}, folder, folder / "one.log")


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Running]:
    running = start(tmp_path, SLEEPER)
    running.wait_until(lambda: "up" in running.log.read_text(), 10)
    yield running
    running.stop(0)


def test_a_process_is_recognised_by_pid_and_start_time(sleeper: Running) -> None:
    assert sleeper.identity.process() is not None
    assert Identity(sleeper.pid, sleeper.identity.started - 5).process() is None


def test_a_stranger_that_got_the_pid_of_an_old_process_is_left_alone(sleeper: Running) -> None:
    assert stop_strangers([Identity(sleeper.pid, sleeper.identity.started - 5)], 5) == 0
    assert sleeper.alive()


def test_what_an_earlier_run_left_behind_is_stopped(sleeper: Running) -> None:
    assert stop_strangers([sleeper.identity], 5) == 1
    assert not sleeper.alive()


def test_a_process_that_does_not_hear_is_killed_after_its_time(tmp_path: Path) -> None:
    running = start(tmp_path, DEAF)
    running.wait_until(lambda: "up" in running.log.read_text(), 10)
    assert running.stop(0.2) is False
    assert not running.alive()


def test_a_process_that_stands_still_is_woken_to_hear_that_it_must_stop(sleeper: Running) -> None:
    psutil.Process(sleeper.pid).suspend()
    assert sleeper.stop(5) is True


def test_waiting_for_a_process_that_dies_tells_its_last_words(tmp_path: Path) -> None:
    running = start(tmp_path, [sys.executable, "-c", "import sys; sys.exit('cannot start: the moon is full')"])
    with pytest.raises(ProcessDied, match="one ended with code 1: the moon is full"):
        running.wait_until(lambda: False, 10)


def test_waiting_for_a_process_ends_at_its_deadline(sleeper: Running) -> None:
    with pytest.raises(NotReadyInTime, match="one was not ready after 0 s"):
        sleeper.wait_until(lambda: False, 0)


def test_an_ended_process_is_gone(sleeper: Running) -> None:
    assert not wait_until_gone(sleeper.identity, 0.05)
    sleeper.stop(5)
    assert wait_until_gone(sleeper.identity, 5)


def test_last_words_prefer_the_reason_a_service_gives(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    assert last_words(log) == "it said nothing"
    log.write_text("one\ncannot start: no\ntwo\n\n")
    assert last_words(log) == "no"
    log.write_text("one\ntwo\n")
    assert last_words(log) == "two"
    log.write_text('{"s":"I","msg":"a"}\n{"t":1,"s":"E","msg":"address in use"}\n{"s":"I","msg":"bye"}\n')
    assert "address in use" in last_words(log)
    log.write_text("x ERROR no meta.properties\n  at kafka.Kafka.main\n  at java.Thread.run\n")
    assert last_words(log) == "x ERROR no meta.properties"
