"""What several test files share: memories in real files, opened quickly."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from zettel import registry
from zettel.memory import Memory
from zettel.protocols import Analyzer

# In importlib mode test files can't import each other: what they share under a name of its own stands in this folder.
sys.path.insert(0, str(Path(__file__).parent / "helpers"))

import neo4j_place

Opener = Callable[..., Memory]


@pytest.fixture(scope="session")
def neo4j_server() -> Iterator[Callable[[str], neo4j_place.Place]]:
    """Gives the server of a release, started when it is first asked for; stores find its password in NEO4J_PASSWORD."""
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        for name in ("NEO4J_URI", "NEO4J_USERNAME", "NEO4J_PASSWORD", "NEO4J_DATABASE"):
            patch.delenv(name, raising=False)  # somebody's own server is none of the tests' business

        @cache
        def started(release: str) -> neo4j_place.Place:
            if why := neo4j_place.why_none():
                pytest.skip(f"no Neo4j server: {why}")
            place = stack.enter_context(neo4j_place.server(release))
            if place.password:
                patch.setenv("NEO4J_PASSWORD", place.password)
            return place

        yield started


@pytest.fixture(params=neo4j_place.releases())
def neo4j_uri(request: pytest.FixtureRequest, neo4j_server: Callable[[str], neo4j_place.Place]) -> str:
    """The address of a real server with nothing in it, of each release that is tested."""
    place = neo4j_server(request.param)
    neo4j_place.empty(place)
    return place.uri


@pytest.fixture(scope="session")
def analyzer() -> Analyzer:
    """The default analyzer, made once: loading it takes longer than all else a small test does."""
    return registry.analyzer()


@pytest.fixture
def opened(tmp_path: Path, analyzer: Analyzer) -> Iterator[Opener]:
    """Opens memories in the test's own folder, with the embedder that needs no weights; closes them at the end."""
    memories: list[Memory] = []

    def open_one(name: str = "agent.zettel", **options: Any) -> Memory:
        defaults: dict[str, Any] = {"embedder": "hashing", "analyzer": analyzer}
        memories.append(registry.open_memory(tmp_path / name, **{**defaults, **options}))
        return memories[-1]

    yield open_one
    for memory in memories:
        memory.close()


@pytest.fixture
def memory(opened: Opener) -> Memory:
    """An empty memory."""
    return opened()
