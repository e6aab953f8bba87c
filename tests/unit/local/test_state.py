import json
import socket
from pathlib import Path

import pytest

from deploy.local.disk import check_disk
from deploy.local.errors import StackRefused
from deploy.local.ports import HIGHEST, LOWEST, free_port, is_free
from deploy.local.state import StateDirectory


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    directory = StateDirectory(tmp_path / "stack")
    directory.make()
    return directory


def test_secrets_are_made_once_and_only_their_owner_reads_them(state: StateDirectory) -> None:
    first = state.secrets()
    assert state.secrets() == first
    assert first["app_id"].isdecimal()
    assert (state.root / "secrets.json").stat().st_mode & 0o777 == 0o600
    state.add_secrets({"api_key": "cm_test_x"})
    assert state.secrets() == first | {"api_key": "cm_test_x"}


def test_two_stacks_have_secrets_of_their_own(tmp_path: Path) -> None:
    one, two = StateDirectory(tmp_path / "one"), StateDirectory(tmp_path / "two")
    one.make()
    two.make()
    assert not set(one.secrets().values()) & set(two.secrets().values())


def test_ports_are_the_same_after_a_restart_and_all_different(state: StateDirectory) -> None:
    ports = state.ports(["edge", "sender", "kafka"], {})
    assert len(set(ports.values())) == 3
    assert state.ports(["edge", "sender", "kafka"], {}) == ports


def test_a_remembered_port_that_somebody_took_is_replaced(state: StateDirectory) -> None:
    before = state.ports(["edge"], {})["edge"]
    with socket.create_server(("127.0.0.1", before)):
        assert state.ports(["edge"], {})["edge"] != before


def test_a_wanted_port_that_somebody_took_is_refused(state: StateDirectory) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StackRefused, match=f"port {port} for edge is taken"):
            state.ports(["edge"], {"edge": port})


def test_a_free_port_is_outside_the_range_of_outgoing_connections() -> None:
    port = free_port()
    assert LOWEST <= port <= HIGHEST
    assert is_free(port)


def test_only_one_supervisor_lives_in_a_directory(state: StateDirectory) -> None:
    assert not state.in_use()
    with state.alone():
        assert state.in_use()
        with pytest.raises(StackRefused, match="already runs"), StateDirectory(state.root).alone():
            pass
        assert not state.wait_until_free(0)
    assert state.wait_until_free(0)


def test_a_file_that_cannot_be_read_is_one_sentence(state: StateDirectory) -> None:
    (state.root / "ports.json").write_text("{")
    with pytest.raises(StackRefused, match=r"ports\.json cannot be read"):
        state.ports(["edge"], {})


def test_a_directory_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StackRefused, match="cannot keep the stack's state"):
        StateDirectory(tmp_path / "file" / "stack").make()


def test_wiping_removes_nothing_that_is_not_the_stacks(state: StateDirectory) -> None:
    state.secrets()
    (state.root / "kafka").mkdir()
    (state.root / "mine").write_text("")
    state.wipe()
    assert [path.name for path in state.root.iterdir()] == ["mine"]
    (state.root / "mine").unlink()
    state.wipe()
    assert not state.root.exists()


def test_a_reader_sees_the_old_stack_or_the_new_one_whole(state: StateDirectory) -> None:
    state.write_stack({"edge": "a"})
    state.write_stack({"edge": "b"})
    assert json.loads((state.root / "stack.json").read_text()) == {"edge": "b"}
    state.forget_stack()
    assert state.stack() is None


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    assert "free for" in check_disk(tmp_path / "new")
    with pytest.raises(StackRefused, match="MB left and the stack needs"):
        check_disk(tmp_path / "new", needed=2**62)
