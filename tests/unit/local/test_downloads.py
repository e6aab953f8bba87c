"""Kafka's jars come whole or not at all."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local import jars, mongod
from deploy.local.errors import StackRefused
from deploy.local.ports import free_port


class _Forger(http.server.BaseHTTPRequestHandler):
    """A repository whose jars are not the ones of the lock."""

    def do_GET(self) -> None:
        body = b"not a jar"
        self.send_response(404 if self.path.endswith(".sha1") else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def forger() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Forger) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_the_lock_names_kafka_itself_and_every_jar_once() -> None:
    locked = jars.read_lock()
    assert f"org.apache.kafka:kafka_2.13:{jars.KAFKA_VERSION}" in {jar.coordinate for jar in locked}
    assert len({jar.filename for jar in locked}) == len(locked)
    assert all(len(jar.sha256) == 64 for jar in locked)


def test_without_a_network_the_first_start_says_so(tmp_path: Path) -> None:
    nowhere = {"central": f"http://127.0.0.1:{free_port()}"}
    with pytest.raises(StackRefused, match="the first start needs the network"):
        jars.kafka_class_path(tmp_path, repositories=nowhere)


def test_a_jar_that_is_not_the_locked_one_is_refused_and_not_kept(tmp_path: Path, forger: str) -> None:
    with pytest.raises(StackRefused, match=r"is not what kafka-jars\.lock says"):
        jars.kafka_class_path(tmp_path, repositories={"central": forger})
    assert list(tmp_path.rglob("*.jar")) == []


def test_a_cache_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(StackRefused, match="cannot keep Kafka's jars"):
        jars.kafka_class_path(tmp_path / "cache")


def test_a_missing_system_library_is_named_with_its_package(tmp_path: Path) -> None:
    broken = tmp_path / "mongod"
    said = "mongod: error while loading shared libraries: libcurl.so.4: cannot open shared object file: No such file"
    broken.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 127\n")
    broken.chmod(0o755)
    with pytest.raises(StackRefused, match=r"mongod needs libcurl\.so\.4.*apt-get install libcurl4"):
        mongod.check_mongod_runs(str(broken))
