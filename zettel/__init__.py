"""zettel: memory for AI agents, kept as a Zettelkasten.

    import zettel

    with zettel.open_memory("agent.zettel") as memory:
        memory.add("Caroline adopted a puppy named Max.", speaker="Caroline")
        print(memory.search("Which animal lives with Caroline?")[0].note.text)

Nothing is imported before it is used.
"""

from __future__ import annotations

import importlib
import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zettel.async_memory import AsyncMemory
    from zettel.config import Config
    from zettel.errors import (
        ConflictError,
        EmbedderError,
        InputError,
        NotFoundError,
        ReadOnlyError,
        StoreError,
        ZettelError,
    )
    from zettel.memory import Memory
    from zettel.model import Commit, Hit, IngestReport, Link, Message, Note, Source
    from zettel.registry import open_memory

logging.getLogger("zettel").addHandler(logging.NullHandler())  # quiet, unless the program that uses zettel listens

__version__ = "0.1.0"

_HOMES = {
    "AsyncMemory": "async_memory",
    "Commit": "model",
    "Config": "config",
    "ConflictError": "errors",
    "EmbedderError": "errors",
    "Hit": "model",
    "IngestReport": "model",
    "InputError": "errors",
    "Link": "model",
    "Memory": "memory",
    "Message": "model",
    "NotFoundError": "errors",
    "Note": "model",
    "ReadOnlyError": "errors",
    "Source": "model",
    "StoreError": "errors",
    "ZettelError": "errors",
    "open_memory": "registry",
}

__all__ = [
    "AsyncMemory",
    "Commit",
    "Config",
    "ConflictError",
    "EmbedderError",
    "Hit",
    "IngestReport",
    "InputError",
    "Link",
    "Memory",
    "Message",
    "NotFoundError",
    "Note",
    "ReadOnlyError",
    "Source",
    "StoreError",
    "ZettelError",
    "open_memory",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'zettel' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"zettel.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
