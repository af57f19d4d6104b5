"""Installing a release of Neo4j by Maven, from its published artifacts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zettel.errors import StoreError
from zettel.neo4j.releases import REMEDY, Release

_SET_UP_S = 1800.0
_UNFINISHED = ".setting-up-"
_GOAL = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_POM = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>zettel</groupId><artifactId>neo4j</artifactId><version>{version}</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.neo4j</groupId><artifactId>neo4j</artifactId><version>{version}</version></dependency>
    <dependency>
      <groupId>org.neo4j.client</groupId><artifactId>neo4j-browser</artifactId><version>{browser}</version>
    </dependency>
  </dependencies>
</project>
"""


def maven() -> str:
    """The path of the command ``mvn``.

    Raises:
        StoreError: there is none on the PATH.
    """
    command = shutil.which("mvn")
    if command is None:
        raise StoreError(f"Neo4j is set up by Maven, and there is no mvn on the PATH. {REMEDY}")
    return command


def set_up(folder: Path, release: Release, java: str) -> Path:
    """The folder of a release, which Maven fills if it does not exist yet.

    The folder gets its name when it is complete, so a folder of that name is never half filled. Another process that
    wants the same release meanwhile waits.

    Raises:
        StoreError: Maven is missing or failed, or the folder can't be written.
    """
    place = folder / release.version
    if place.is_dir():
        return place
    command = maven()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder / ".lock"):
            for left in folder.glob(f"{_UNFINISHED}*"):  # by a killed process: no other one is in here
                shutil.rmtree(left, ignore_errors=True)
            if not place.is_dir():
                with tempfile.TemporaryDirectory(dir=folder, prefix=_UNFINISHED) as unfinished:
                    filled = Path(unfinished) / "filled"
                    filled.mkdir()
                    _run_maven(command, filled, release, java)
                    filled.rename(place)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StoreError(f"Neo4j {release.version} could not be set up in {folder}: {error}. {REMEDY}") from error
    return place


@contextmanager
def _locked(lock: Path) -> Iterator[None]:
    """Hold an exclusive lock of a file, for which other processes wait."""
    import fcntl  # noqa: PLC0415 -- other systems than POSIX have none

    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run_maven(maven: str, folder: Path, release: Release, java: str) -> None:
    sys.stderr.write(f"zettel: setting up Neo4j {release.version} with Maven (140 MB, once) ...\n")
    sys.stderr.flush()
    (folder / "pom.xml").write_text(_POM.format(version=release.version, browser=release.browser), encoding="utf-8")
    options = ["-q", "-B", "-Dstyle.color=never", "--strict-checksums", "-DincludeScope=runtime"]
    command = [maven, *options, "-DoutputDirectory=lib", _GOAL]
    environment = {**os.environ, "JAVA_HOME": str(Path(java).parent.parent)}
    done = subprocess.run(  # noqa: S603
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, timeout=_SET_UP_S, check=False,
    )  # fmt: skip
    if done.returncode:
        lines = done.stdout.decode(errors="replace").splitlines()
        first = next((line for line in lines if "ERROR" in line), "".join(lines[-1:]))[:1000]
        raise StoreError(f"Maven could not set up Neo4j {release.version}: {first}. {REMEDY}")
