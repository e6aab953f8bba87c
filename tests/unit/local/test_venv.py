"""Making the virtual environment: one at a time, and a broken one is made anew."""

import threading
from pathlib import Path

import pytest

from deploy.local.venv import Failed, alone, filled


class Venv:
    """An environment that can be broken, in a folder; with or without a network."""

    def __init__(self, folder: Path, *, network: bool = True) -> None:
        self.path = folder / ".venv"
        self.network = network

    def make(self) -> None:
        (self.path / "bin").mkdir(parents=True)
        (self.path / "bin/python").touch()

    def install(self) -> None:
        if (self.path / "broken").exists() or not self.network:
            raise Failed("installing")
        (self.path / "installed").touch()

    def fill(self) -> None:
        filled(self.path, self.make, self.install)


def test_a_sound_environment_is_kept(tmp_path: Path) -> None:
    venv = Venv(tmp_path)
    venv.make()
    (venv.path / "mine").touch()
    venv.fill()
    assert (venv.path / "mine").exists()
    assert (venv.path / "installed").exists()


def test_a_broken_environment_is_made_anew(tmp_path: Path) -> None:
    venv = Venv(tmp_path)
    venv.make()
    (venv.path / "broken").touch()
    venv.fill()
    assert (venv.path / "installed").exists()
    assert [it.name for it in tmp_path.iterdir()] == [".venv"]


def test_without_a_network_what_was_there_stays(tmp_path: Path) -> None:
    venv = Venv(tmp_path, network=False)
    venv.make()
    (venv.path / "mine").touch()
    with pytest.raises(Failed):
        venv.fill()
    assert (venv.path / "mine").exists()
    assert [it.name for it in tmp_path.iterdir()] == [".venv"]


def test_two_at_once_are_one_after_the_other(tmp_path: Path) -> None:
    file, done = tmp_path / "lock", []
    file.touch()

    def second() -> None:
        with alone(file) as waited:
            done.append(("second", waited))

    with alone(file) as waited:
        other = threading.Thread(target=second)
        other.start()
        other.join(0.3)  # it would be through by then
        done.append(("first", waited))
    other.join(10)
    assert done == [("first", False), ("second", True)]
