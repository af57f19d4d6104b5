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
        AnalyzerError,
        ConflictError,
        EmbedderError,
        EmbedderMismatchError,
        HeadMovedError,
        InputError,
        MissingExtraError,
        ModelNotFoundError,
        NotFoundError,
        PluginError,
        ReadOnlyError,
        StoreAccessError,
        StoreDamagedError,
        StoreError,
        StoreFullError,
        StoreLockedError,
        StoreVersionError,
        TranscriptError,
        ZettelError,
    )
    from zettel.filters import Filters
    from zettel.memory import Memory
    from zettel.model import (
        Attachment,
        Commit,
        Erasure,
        Evidence,
        FieldDiff,
        FileReport,
        HistoryEntry,
        Hit,
        IngestReport,
        Lesson,
        Link,
        LinkChange,
        Message,
        Note,
        NoteChange,
        Placement,
        Problem,
        Progress,
        Revision,
        Source,
        Topic,
        TopicChange,
        Use,
        Verification,
        WhyNot,
    )
    from zettel.protocols.analysis import Analyzer
    from zettel.protocols.embedding import Embedder
    from zettel.registry import open_memory
    from zettel.view import MemoryView

logging.getLogger("zettel").addHandler(logging.NullHandler())  # quiet, unless the program that uses zettel listens

__version__ = "0.1.0"

_HOMES = {
    "Analyzer": "protocols.analysis",
    "AnalyzerError": "errors",
    "AsyncMemory": "async_memory",
    "Commit": "model",
    "Config": "config",
    "ConflictError": "errors",
    "Embedder": "protocols.embedding",
    "EmbedderError": "errors",
    "EmbedderMismatchError": "errors",
    "Erasure": "model",
    "Evidence": "model",
    "FieldDiff": "model",
    "FileReport": "model",
    "Filters": "filters",
    "HeadMovedError": "errors",
    "HistoryEntry": "model",
    "Hit": "model",
    "IngestReport": "model",
    "Lesson": "model",
    "Attachment": "model",
    "InputError": "errors",
    "Link": "model",
    "LinkChange": "model",
    "Memory": "memory",
    "MemoryView": "view",
    "Message": "model",
    "MissingExtraError": "errors",
    "ModelNotFoundError": "errors",
    "NotFoundError": "errors",
    "Note": "model",
    "NoteChange": "model",
    "Placement": "model",
    "PluginError": "errors",
    "Problem": "model",
    "Progress": "model",
    "ReadOnlyError": "errors",
    "Revision": "model",
    "Source": "model",
    "StoreAccessError": "errors",
    "StoreDamagedError": "errors",
    "StoreError": "errors",
    "StoreFullError": "errors",
    "StoreLockedError": "errors",
    "StoreVersionError": "errors",
    "Topic": "model",
    "TopicChange": "model",
    "TranscriptError": "errors",
    "Use": "model",
    "Verification": "model",
    "WhyNot": "model",
    "ZettelError": "errors",
    "open_memory": "registry",
}

__all__ = [
    "Analyzer",
    "AnalyzerError",
    "AsyncMemory",
    "Attachment",
    "Commit",
    "Config",
    "ConflictError",
    "Embedder",
    "EmbedderError",
    "EmbedderMismatchError",
    "Erasure",
    "Evidence",
    "FieldDiff",
    "FileReport",
    "Filters",
    "HeadMovedError",
    "HistoryEntry",
    "Hit",
    "IngestReport",
    "InputError",
    "Lesson",
    "Link",
    "LinkChange",
    "Memory",
    "MemoryView",
    "Message",
    "MissingExtraError",
    "ModelNotFoundError",
    "NotFoundError",
    "Note",
    "NoteChange",
    "Placement",
    "PluginError",
    "Problem",
    "Progress",
    "ReadOnlyError",
    "Revision",
    "Source",
    "StoreAccessError",
    "StoreDamagedError",
    "StoreError",
    "StoreFullError",
    "StoreLockedError",
    "StoreVersionError",
    "Topic",
    "TopicChange",
    "TranscriptError",
    "Use",
    "Verification",
    "WhyNot",
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
