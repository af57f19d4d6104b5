"""A look inside an open memory, in one place: what is derived, and the plug-ins that it runs with."""

from __future__ import annotations

from typing import Any

from zettel.filters import Filter
from zettel.index.ranking import Ranking
from zettel.index.shortlist import Shortlist
from zettel.index.state import IndexState
from zettel.memory import Memory
from zettel.view import MemoryView


def state(memory: MemoryView) -> IndexState:
    """Index and tree at the head."""
    return memory._derived.steadily(memory._derived.at_head)


def held(memory: MemoryView) -> IndexState | None:
    """Index and tree as they are held now, if they are."""
    return memory._derived._state


def shortlist(memory: MemoryView) -> Shortlist:
    """What is held of a memory that is searched by shortlists."""
    found = memory._derived._shortlist
    assert found is not None
    return found


def ranking(memory: MemoryView, query: str, k: int = 10) -> Ranking:
    """What a search orders its hits by."""
    found = memory._derived.ranking(memory._question(query, None), Filter(), k)
    assert found is not None
    return found


def with_parts(memory: Memory, **parts: Any) -> Memory:
    """The memory, from now on with other rules, policies or analyzer."""
    for name, value in parts.items():
        if name == "analyzer":
            memory._models._analyzer = value
        else:
            setattr(memory._writer, f"_{name}", value)
    return memory


def parts(memory: Memory, name: str) -> tuple[Any, ...]:
    """The rules or policies that a memory runs with."""
    return tuple(getattr(memory._writer, f"_{name}"))
