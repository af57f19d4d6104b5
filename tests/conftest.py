"""What several test files share: memories in real files, opened quickly."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from zettel import registry
from zettel.memory import Memory
from zettel.protocols import Analyzer

# In importlib mode test files can't import each other: what they share under a name of its own stands in this folder.
sys.path.insert(0, str(Path(__file__).parent / "helpers"))

Opener = Callable[..., Memory]


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
