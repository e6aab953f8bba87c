"""Apache Kafka's jars: exactly those of `kafka-jars.lock`, from Maven Central, checked, and kept in the user's cache.

The lock names every jar with its hash, so a download needs no resolving, and a second one no network. jgo's
`EnvironmentBuilder` would fetch a whole JDK to sort jars into modules; a class path needs no sorting.
"""

import fcntl
import hashlib
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.local.errors import StackRefused
from deploy.local.settings import LocalSettings
from libs.runtime.settings import read_settings

if TYPE_CHECKING:  # jgo is not in the image, where the command line runs too: only a download imports it
    from jgo.maven import MavenContext

LOCK_FILE = Path(__file__).with_name("kafka-jars.lock")
KAFKA_VERSION = "4.4.0"
ROOTS = (f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}", "org.slf4j:slf4j-simple:2.0.17")
REQUEST_TIMEOUT = 30  # seconds without a byte before a download counts as failed
REPORT_EVERY = 5  # jars between two lines of progress
PARALLEL = 8  # downloads at once: the jars are small, so latency and not bandwidth is what takes time

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Jar:
    """One line of the lock: where a jar comes from and what it must hash to."""

    coordinate: str
    sha256: str

    @property
    def filename(self) -> str:
        """Return `artifact-version.jar`."""
        _, artifact, version = self.coordinate.split(":")
        return f"{artifact}-{version}.jar"


def read_lock(path: Path = LOCK_FILE) -> list[Jar]:
    """Return the jars of the lock file."""
    lines = [line.split() for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return [Jar(coordinate, sha256) for coordinate, sha256 in lines]


def kafka_class_path(
    cache: Path, progress: Progress = lambda _: None, repositories: dict[str, str] | None = None
) -> str:
    """Return Kafka's class path, downloading into `cache/kafka-<version>` whatever is not there yet.

    `repositories` are Maven repositories by name, Maven Central if none are given.
    Raises StackRefused when there is no network, no space, or a file that is not what the lock says.
    """
    folder = cache / f"kafka-{KAFKA_VERSION}"
    jars = read_lock()
    if _missing(jars, folder):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with _alone(folder):
                _download(_missing(jars, folder), folder, progress, repositories)
        except OSError as error:
            raise StackRefused(f"cannot keep Kafka's jars in {folder}: {error.strerror or error}") from error
    return ":".join(str(folder / jar.filename) for jar in jars)


def missing_jars(cache: Path) -> list[Jar]:
    """Return the jars that a start would still have to download."""
    return _missing(read_lock(), cache / f"kafka-{KAFKA_VERSION}")


def _missing(jars: list[Jar], folder: Path) -> list[Jar]:
    # A jar gets its final name only after its hash was checked, so being there is enough.
    return [jar for jar in jars if not (folder / jar.filename).exists()]


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one process download while the others wait for it."""
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _download(jars: list[Jar], folder: Path, progress: Progress, repositories: dict[str, str] | None) -> None:
    from jgo.maven import MavenContext

    done = 0
    with tempfile.TemporaryDirectory(dir=folder) as staging, ThreadPoolExecutor(PARALLEL) as pool:
        context = MavenContext(repo_cache=Path(staging), remote_repos=repositories, timeout=REQUEST_TIMEOUT)
        waiting = [pool.submit(_fetch, context, jar, folder) for jar in jars]
        for future in as_completed(waiting):
            try:
                future.result()
            except StackRefused:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
            done += 1
            if done % REPORT_EVERY == 0 or done == len(jars):
                progress(f"downloading Apache Kafka {KAFKA_VERSION}: {done} of {len(jars)} jars")


def _fetch(context: "MavenContext", jar: Jar, folder: Path) -> None:
    import requests

    try:
        path = context.create_dependency(jar.coordinate).artifact.resolve()
    except (requests.RequestException, RuntimeError, AssertionError) as error:
        raise StackRefused(
            f"cannot download {jar.coordinate} from Maven Central ({type(error).__name__}): "
            "the first start needs the network; connect and try again, or set WABUS_KAFKA_BOOTSTRAP to a Kafka of yours"
        ) from error
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != jar.sha256:
        raise StackRefused(f"{jar.coordinate} is not what {LOCK_FILE.name} says: expected {jar.sha256}, got {found}")
    shutil.move(path, folder / jar.filename)


def resolve() -> list[Jar]:
    """Resolve the roots anew with all they need at run time: for a change of Kafka's version."""
    from jgo.maven import MavenContext

    with tempfile.TemporaryDirectory() as staging:
        context = MavenContext(repo_cache=Path(staging), timeout=REQUEST_TIMEOUT)
        roots = [context.create_dependency(root) for root in ROOTS]
        inputs, transitive = context.resolver.resolve(roots)
        artifacts = {dep.artifact.filename: dep.artifact for dep in [*inputs, *transitive]}
        return sorted(
            (Jar(f"{a.groupId}:{a.artifactId}:{a.version}", _sha256(a.resolve())) for a in artifacts.values()),
            key=lambda jar: jar.coordinate,
        )


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> None:
    """Fetch the jars, or with `--resolve` write the lock anew; one sentence and exit code 1 when that cannot be."""
    if sys.argv[1:] == ["--resolve"]:
        heading = [line for line in LOCK_FILE.read_text().splitlines() if line.startswith("#")]
        LOCK_FILE.write_text("\n".join([*heading, *(f"{jar.coordinate} {jar.sha256}" for jar in resolve())]) + "\n")
        return
    settings = read_settings(LocalSettings)
    try:
        if settings.kafka_bootstrap is None:
            kafka_class_path(settings.cache, _say)
    except StackRefused as refused:
        sys.exit(str(refused))


def _say(step: str) -> None:
    sys.stdout.write(f"· {step}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
