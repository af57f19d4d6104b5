"""Opening memories for a command, and finding notes by the beginning of their ids."""

# ruff: noqa: PLC0415 -- what is heavy is imported when a command runs: --help must be quick

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, get_args

import typer

from zettel.cli import options, wording
from zettel.errors import InputError, NotFoundError, StoreAccessError, StoreError
from zettel.model import Note, Status, touched
from zettel.text import shorten

if TYPE_CHECKING:
    from zettel.memory import Memory
    from zettel.protocols import Store
    from zettel.view import MemoryView

T = TypeVar("T")
_SHOWN = 10  # candidates that an ambiguous id lists


@contextmanager
def reading(
    address: str, *, namespace: str, embedder: str | None = None, timezone: str = "UTC", signals: str | None = None
) -> Iterator[Memory]:
    """The memory at ``address``, opened for reading. It must exist, and nothing is written to it."""
    from zettel.config import Config
    from zettel.registry import open_memory

    config = Config(signals=options.listed(signals))
    opened = _let_in(
        lambda: open_memory(
            address, namespace=namespace, embedder=embedder, timezone=timezone, read_only=True, config=config
        )
    )
    with opened as memory:
        yield memory


@contextmanager
def writing(
    address: str,
    *,
    namespace: str,
    embedder: str | None = None,
    analyzer: str | None = None,
    timezone: str = "UTC",
    batch: int | None = None,
    rules: str | None = None,
    policies: str | None = None,
    make: bool = False,
) -> Iterator[Memory]:
    """The memory at ``address``, opened for changes. It must exist, unless ``make`` is set."""
    from zettel.config import DEFAULT, Config
    from zettel.registry import open_memory

    if not make and "://" not in address and not Path(address).exists():
        raise StoreError(f"no memory at {address}: check the path, or make one with `zettel add` or `zettel ingest`")
    config = Config(
        batch=DEFAULT.batch if batch is None else batch, rules=options.listed(rules), policies=options.listed(policies)
    )
    opened = _let_in(
        lambda: open_memory(
            address, namespace=namespace, embedder=embedder, analyzer=analyzer, timezone=timezone, config=config
        )
    )
    with opened as memory:
        yield memory


def store(address: str, namespace: str, *, read_only: bool) -> Store:
    """The store at ``address`` itself."""
    from zettel.config import DEFAULT
    from zettel.registry import open_store

    return _let_in(lambda: open_store(address, namespace=namespace, read_only=read_only, config=DEFAULT))


def _let_in(opening: Callable[[], T]) -> T:
    """The result of ``opening``. If a server refuses and the environment has no password, the user is asked for one."""
    try:
        return opening()
    except StoreAccessError:
        if os.environ.get("NEO4J_PASSWORD") or not sys.stdin.isatty():
            raise
    os.environ["NEO4J_PASSWORD"] = typer.prompt("Password for the server", hide_input=True, err=True)
    return opening()


def made_by(address: str, namespace: str) -> str | None:
    """The fingerprint of the embedder that made a memory's vectors; None if there are none yet."""
    from zettel.config import DEFAULT
    from zettel.registry import open_store

    try:
        store = _let_in(lambda: open_store(address, namespace=namespace, read_only=True, config=DEFAULT))
    except StoreError:  # whoever opens the memory itself reports the error, or makes the memory
        return None
    try:
        return store.fingerprint()
    finally:
        store.close()


def find_id(memory: MemoryView, given: str) -> str:
    """The id of the note whose id is ``given`` or begins with it.

    Notes that were removed or erased are considered only if no present note has such an id.

    Raises:
        InputError: several ids begin with ``given``.
        NotFoundError: no id does.
    """
    if given in memory:
        return given
    notes = {note.id: note.text for note in every_note(memory) if note.id.startswith(given)}
    found = sorted(notes) or sorted(i for i in _ever(memory) if i.startswith(given))
    if given in found or len(found) == 1:
        return given if given in found else found[0]
    if not found:
        raise NotFoundError(f"no note's id begins with {given!r}: ids come from search, show and log")
    listed = "; ".join(f"{i} ({shorten(notes[i], 40)})" if i in notes else i for i in found[:_SHOWN])
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    raise InputError(f"{given!r} begins the ids of {len(found)} notes, give more of it: {listed}{more}")


def every_note(memory: MemoryView) -> list[Note]:
    """All notes present, whatever their status."""
    return memory.notes(status=get_args(Status))


def titles(memory: MemoryView) -> wording.Title:
    """A function that gives the title of a note by its id."""

    @cache
    def title(note_id: str) -> str:
        return wording.title(note_id, memory.get(note_id) if note_id in memory else None)

    return title


def topic_titles(memory: MemoryView) -> Callable[[int], str]:
    """A function that gives the title of a topic by its id: address and name, or the id of one that was removed."""
    known = {topic.id: f"{topic.address} {wording.topic_name(topic)}" for topic in memory.topics()}
    return lambda topic_id: known.get(topic_id, f"that is gone ({topic_id})")


def _ever(memory: MemoryView) -> set[str]:
    """The ids of all notes in the journal."""
    return {note_id for commit in memory.log() for change in commit.changes for note_id in touched(change)}
