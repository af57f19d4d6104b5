"""A Neo4j that can be started on this computer: the ``neo4j`` on the PATH, or a release that Maven installs."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from zettel.errors import InputError, MissingExtraError, StoreError
from zettel.neo4j.java import output, runnable
from zettel.neo4j.maven import maven, set_up
from zettel.neo4j.releases import FLAGS, OLDEST, RELEASES


@dataclass(frozen=True, slots=True)
class Installation:
    """A Neo4j that can be started: its version, the command, and the settings that it needs.

    ``distribution`` is true for the ``neo4j`` of an ordinary installation, which builds the command of its Java machine
    by itself, and false for a release that Maven installed here.
    """

    version: str
    command: tuple[str, ...]
    settings: Mapping[str, str]
    distribution: bool = False


def find(folder: Path, release: str | None = None) -> Installation:
    """A Neo4j to start: the release of that name; for None, the ``neo4j`` on the PATH, or else the newest release.

    The newest release is the newest that a Java here can run. A release that is not here yet is installed in ``folder``
    by Maven (140 MB, half a minute).

    Raises:
        InputError: no release of that name is known to work.
        StoreError: there is no Neo4j and none can be set up; the message says what is missing.
    """
    if release is not None and release not in RELEASES:
        raise InputError(f"no release {release!r} of Neo4j is known to work: there are {', '.join(RELEASES)}")
    _check_system()
    distribution = _distribution() if release is None else None
    if distribution is not None:
        return distribution
    chosen, java = runnable(RELEASES.values() if release is None else (RELEASES[release],))
    lib = set_up(folder.absolute(), chosen, java) / "lib"
    command = (java, "-Xms256m", "-Xmx512m", *FLAGS, *chosen.flags, "-cp", f"{lib}/*", chosen.main)
    return Installation(chosen.version, command, chosen.settings)


def missing() -> str:
    """The reason why no server can be installed and started here; "" if nothing seems to be missing."""
    try:
        _check_system()
        check_driver()
        if _distribution() is None:
            runnable(RELEASES.values())
            maven()
    except (StoreError, MissingExtraError) as error:
        return str(error)
    return ""


def _check_system() -> None:
    if os.name != "posix":
        raise StoreError(f"no Neo4j is started from here on {sys.platform}: use a server that is running")


def check_driver() -> None:
    """Check that the Neo4j driver is installed.

    Raises:
        MissingExtraError: it is not.
    """
    if importlib.util.find_spec("neo4j") is None:
        raise MissingExtraError("the Neo4j driver is not installed. Run: pip install 'zettel[neo4j]'")


def _distribution() -> Installation | None:
    """The ``neo4j`` on the PATH, if it is new enough."""
    command = shutil.which("neo4j")
    if command is None:
        return None
    version = re.search(r"(\d+)\.(\d+)[.\w-]*", output([command, "--version"]))
    if version is None or (int(version[1]), int(version[2])) < OLDEST:
        return None
    settings = {
        "server.config.strict_validation.enabled": "false",  # a release ignores settings that it does not know
        "server.memory.heap.initial_size": "256m",
        "server.memory.heap.max_size": "512m",
    }
    for release in RELEASES.values():
        settings.update(release.settings)
    return Installation(version[0], (command, "console"), settings, distribution=True)
