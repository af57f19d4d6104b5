"""Neo4j servers for tests: started here, or given by the environment.

ZETTEL_TEST_NEO4J_RELEASES  names of releases to test with, with commas between them; without it, the Neo4j on the
                            PATH, or else the oldest release.
                            Where it is set no test is skipped: a server that can't be had is a failure.
ZETTEL_TEST_NEO4J_URI       a running server to test with instead. Everything in it is deleted.
ZETTEL_TEST_NEO4J_USERNAME, ZETTEL_TEST_NEO4J_PASSWORD  who may use that one; without a password, anybody.
"""

import functools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from neo4j import Driver, GraphDatabase

from zettel.errors import StoreError
from zettel.neo4j import installation as neo4j_installation
from zettel.neo4j import releases as neo4j_releases
from zettel.neo4j import server as neo4j_server

#: Where releases are set up, once for all test runs.
INSTALLATIONS = Path(__file__).parents[2] / ".neo4j"

GIVEN = "given"
_FOUND = "on the PATH"
_PASSWORD = "only-for-tests"


@dataclass(frozen=True)
class Place:
    """A server that answers. ``password`` is None where it asks for none, ``server`` where it was not started here."""

    uri: str
    user: str
    password: str | None
    server: neo4j_server.Server | None

    @property
    def auth(self) -> tuple[str, str] | None:
        """User and password, as the driver takes them."""
        return None if self.password is None else (self.user, self.password)


def releases() -> list[str]:
    """What to test with: names of releases, "given", or "on the PATH"."""
    if os.environ.get("ZETTEL_TEST_NEO4J_URI"):
        return [GIVEN]
    return _asked_for() or [_FOUND if shutil.which("neo4j") else next(iter(neo4j_releases.RELEASES))]


def installation(release: str) -> neo4j_installation.Installation:
    """A Neo4j of a release, set up where it is not yet."""
    return neo4j_installation.find(INSTALLATIONS, None if release == _FOUND else release)


@functools.cache
def why_none() -> str:
    """Why there is no server to test with; "" where there is one. Sets up what ``releases`` names."""
    if os.environ.get("ZETTEL_TEST_NEO4J_URI") or _asked_for():
        return ""
    why = neo4j_installation.missing()
    if not why:
        try:
            for release in releases():
                installation(release)
        except StoreError as error:
            why = str(error)
    return why


@contextmanager
def server(release: str) -> Iterator[Place]:
    """A server of a release with an empty place of its own, for as long as the block; or the one that is given."""
    if release == GIVEN:
        user = os.environ.get("ZETTEL_TEST_NEO4J_USERNAME", neo4j_server.USER)
        password = os.environ.get("ZETTEL_TEST_NEO4J_PASSWORD")
        yield Place(os.environ["ZETTEL_TEST_NEO4J_URI"], user, password, None)
        return
    with (
        tempfile.TemporaryDirectory() as home,
        neo4j_server.Server(installation(release), Path(home), password=_PASSWORD, ports=(0, 0)) as running,
    ):
        yield Place(running.uri, neo4j_server.USER, _PASSWORD, running)


def empty(place: Place) -> None:
    """Delete all that is in a place."""
    with GraphDatabase.driver(place.uri, auth=place.auth) as driver:
        wipe(driver)


def wipe(driver: Driver) -> None:
    """Delete all nodes and relationships; constraints and indexes stay."""
    with driver.session() as session:
        session.run("MATCH (n) CALL (n) { DETACH DELETE n } IN TRANSACTIONS OF 1000 ROWS").consume()


def _asked_for() -> list[str]:
    return [name.strip() for name in os.environ.get("ZETTEL_TEST_NEO4J_RELEASES", "").split(",") if name.strip()]
