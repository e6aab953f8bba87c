from pathlib import Path

from deploy.local.logs import Follower, cut, last_lines


def test_a_log_that_grew_too_large_is_set_aside_and_goes_on_in_the_same_file(tmp_path: Path) -> None:
    log = tmp_path / "edge.log"
    with log.open("a") as writer:  # as a service's own standard output: open all the time, appending
        writer.write("old\n" * 10)
        writer.flush()
        cut(tmp_path, largest=20)
        writer.write("new\n")
    assert log.read_text() == "new\n"
    assert (tmp_path / "edge.log.1").read_text() == "old\n" * 10


def test_a_small_log_stays(tmp_path: Path) -> None:
    (tmp_path / "edge.log").write_text("line\n")
    cut(tmp_path)
    assert not (tmp_path / "edge.log.1").exists()


def test_following_gives_whole_lines_once_each_and_survives_a_cut(tmp_path: Path) -> None:
    log = tmp_path / "edge.log"
    log.write_text("before\n")
    follower = Follower({"edge": log, "later": tmp_path / "later.log"})
    with log.open("a") as writer:
        writer.write("one\ntw")
    assert list(follower.new_lines()) == [("edge", "one")]
    with log.open("a") as writer:
        writer.write("o\n")
    assert list(follower.new_lines()) == [("edge", "two")]
    log.write_text("x\n")
    assert list(follower.new_lines()) == [("edge", "x")]


def test_last_lines_are_the_last(tmp_path: Path) -> None:
    log = tmp_path / "edge.log"
    log.write_text("1\n2\n3\n")
    assert last_lines(log, 2) == ["2", "3"]
    assert last_lines(log, 0) == []
