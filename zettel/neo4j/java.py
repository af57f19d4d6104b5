"""The Java machines on this computer, and which release of Neo4j they can run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from zettel.errors import StoreError
from zettel.neo4j.releases import REMEDY, Release

_JVM_FOLDERS = ("usr/lib/jvm/*", "usr/java/*", "Library/Java/JavaVirtualMachines/*/Contents/Home")


def runnable(releases: Collection[Release]) -> tuple[Release, str]:
    """The newest of some releases that a Java on this machine can run, and the path of that Java.

    Raises:
        StoreError: no Java here can run any of them.
    """
    javas = list(_javas())
    for release in reversed(list(releases)):
        for java, version in javas:
            if version >= release.java:
                return release, java
    there = ", ".join(f"Java {version} ({java})" for java, version in javas) or "no Java"
    raise StoreError(f"Neo4j needs Java {min(r.java for r in releases)} or later, and there is {there}. {REMEDY}")


def _javas() -> Iterator[tuple[str, int]]:
    """The path and the version of each Java here: first that of JAVA_HOME, then the PATH's, then the system's."""
    root = Path("/")
    homes = [Path(os.environ["JAVA_HOME"])] if os.environ.get("JAVA_HOME") else []
    usual = [home for pattern in _JVM_FOLDERS for home in sorted(root.glob(pattern), reverse=True)]
    places = [home / "bin" / "java" for home in homes]
    places += [Path(found) for found in [shutil.which("java")] if found]
    places += [home / "bin" / "java" for home in usual]
    for java in dict.fromkeys(str(place.resolve()) for place in places if os.access(place, os.X_OK)):
        version = re.search(r'version "(?:1\.)?(\d+)', output([java, "-version"]))
        if version is not None:
            yield java, int(version[1])


def output(command: Sequence[str]) -> str:
    """What a command prints on both its outputs; "" if it can't be run."""
    try:
        done = subprocess.run(  # noqa: S603
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="replace")
