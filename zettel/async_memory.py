"""The memory for asyncio programs: each call runs in a thread, so that the event loop is not blocked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import update_wrapper
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from zettel.memory import Memory
from zettel.view import MemoryView

P = ParamSpec("P")
R = TypeVar("R")


def _mirrored(
    method: Callable[Concatenate[Memory, P], R],
) -> Callable[Concatenate[AsyncMemory, P], Coroutine[Any, Any, R]]:
    async def call(self: AsyncMemory, /, *args: P.args, **kwargs: P.kwargs) -> R:
        own: Callable[P, R] = getattr(self.memory, method.__name__)  # an earlier state lacks some methods
        return await asyncio.to_thread(own, *args, **kwargs)

    return update_wrapper(call, method)


class AsyncMemory:
    """``Memory`` with the same methods, awaited: ``hits = await memory.search("...")``. Use it in ``async with``.

    ``memory`` is the memory behind it. It may be used directly as well, and has the properties: head, length and
    embedder.
    """

    def __init__(self, memory: MemoryView) -> None:
        self.memory = memory

    add = _mirrored(Memory.add)
    add_many = _mirrored(Memory.add_many)
    ingest = _mirrored(Memory.ingest)
    get = _mirrored(Memory.get)
    notes = _mirrored(Memory.notes)
    namespaces = _mirrored(Memory.namespaces)
    check_embedder = _mirrored(Memory.check_embedder)
    check_derived = _mirrored(Memory.check_derived)
    search = _mirrored(Memory.search)
    recall = _mirrored(Memory.recall)
    why_not = _mirrored(Memory.why_not)
    update = _mirrored(Memory.update)
    take_edits = _mirrored(Memory.take_edits)
    mark_used = _mirrored(Memory.mark_used)
    forget = _mirrored(Memory.forget)
    link = _mirrored(Memory.link)
    unlink = _mirrored(Memory.unlink)
    links = _mirrored(Memory.links)
    neighbors = _mirrored(Memory.neighbors)
    topics = _mirrored(Memory.topics)
    graph = _mirrored(Memory.graph)
    log = _mirrored(Memory.log)
    history = _mirrored(Memory.history)
    diff = _mirrored(Memory.diff)
    undo = _mirrored(Memory.undo)
    verify = _mirrored(Memory.verify)
    export = _mirrored(Memory.export)
    load = _mirrored(Memory.load)
    close = _mirrored(Memory.close)

    async def as_of(self, *args: Any, **kwargs: Any) -> AsyncMemory:
        """See ``Memory.as_of``."""
        return AsyncMemory(await asyncio.to_thread(self.memory.as_of, *args, **kwargs))

    async def __aenter__(self) -> Self:
        """The memory itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close it."""
        await self.close()
