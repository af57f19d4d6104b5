"""Exports: a memory as JSONL, and back.

The first line tells what it is; then come, one a line, the notes and links, or with history all notes that ever arrived
and the commits. Vectors are left out: they follow from the texts, and are made anew.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from zettel.embedding import embed_notes, vector_key
from zettel.errors import InputError, StoreError
from zettel.model import Commit, Link, LinkChange, Note, NoteChange, revisable_fields
from zettel.protocols import Draft, Embedder, Passages, Reader, Store

VERSION = 1


def write(path: Path, reader: Reader, namespace: str, *, history: bool) -> int:
    """Write an export, whole or not at all; returns the number of lines.

    Raises:
        StoreError: the file can't be written.
    """
    part = path.with_name(f"{path.name}.part")
    n_lines = 0
    try:
        with part.open("w", encoding="utf-8", newline="\n") as file:
            for line in _lines(reader, namespace, history=history):
                file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")
                n_lines += 1
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StoreError(f"the export can't be written to {path}: {error.strerror}") from error
    return n_lines


def _lines(reader: Reader, namespace: str, *, history: bool) -> Iterator[dict[str, Any]]:
    yield {"zettel": "export", "version": VERSION, "namespace": namespace, "history": history}
    if history:
        for note in reader.arrived(range(1, reader.last_ordinal() + 1)).values():
            yield {"note": note.model_dump(mode="json", exclude_defaults=True)}
        for commit in reader.commits():
            yield {"commit": commit.model_dump(mode="json")}
    else:
        for note in reader.notes():
            yield {"note": note.model_dump(mode="json", exclude_defaults=True)}
        for link in reader.links():
            yield {"link": link.model_dump(mode="json")}


@dataclass(frozen=True, slots=True)
class Export:
    """An export, read; ``commits`` is None for one without history."""

    notes: tuple[Note, ...]
    links: tuple[Link, ...]
    commits: tuple[Commit, ...] | None


def read(path: Path) -> Export:
    """Read and check an export.

    Raises:
        InputError: it is none, or a line is damaged; the message names the line.
    """
    try:
        with path.open(encoding="utf-8") as file:
            return _parse(path, file)
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 ({error.reason} at byte {error.start}): it is no export of zettel") from error


def _parse(path: Path, lines: Iterator[str]) -> Export:
    head = _json(path, 1, next(lines, ""))
    if head.get("zettel") != "export":
        raise InputError(f"{path} is no export of zettel: its first line should tell so; make one with `zettel export`")
    if head.get("version") != VERSION:
        raise InputError(f"{path} has version {head.get('version')}, this zettel reads {VERSION}: upgrade zettel")
    found: dict[str, list[Any]] = {"note": [], "link": [], "commit": []}
    models = {"note": Note, "link": Link, "commit": Commit}
    for number, line in enumerate(lines, 2):
        row = _json(path, number, line)
        kind = next(iter(row), "")
        if len(row) != 1 or kind not in models:
            raise InputError(f"{path}, line {number}: expected a note, a link or a commit; nothing was loaded")
        try:
            found[kind].append(models[kind].model_validate(row[kind]))
        except ValidationError as error:
            raise InputError(f"{path}, line {number}: {error}; nothing was loaded") from error
    commits = tuple(found["commit"]) if head.get("history") else None
    if commits is not None and [c.id for c in commits] != list(range(1, len(commits) + 1)):
        raise InputError(f"{path}: its commits are not numbered 1 to {len(commits)}; nothing was loaded")
    return Export(tuple(found["note"]), tuple(found["link"]), commits)


def _json(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise InputError(f"{path}, line {number}: not JSON ({error}); nothing was loaded") from error
    if not isinstance(row, dict):
        raise InputError(f"{path}, line {number}: not a JSON object; nothing was loaded")
    return row


def plan(export: Export, reader: Reader, embedder: Embedder) -> Draft | None:
    """The draft that adds what an export without history has and the memory lacks; None where it lacks nothing."""
    known = reader.known(note.id for note in export.notes)
    ordinal = reader.last_ordinal()
    missing = {note.id: note for note in export.notes if note.id not in known}
    notes = [note.model_copy(update={"ordinal": ordinal + n}) for n, note in enumerate(missing.values(), 1)]
    present = {note.id for note in notes} | {note.id for note in reader.notes(known)}
    there = {link.key for link in reader.links(present)}
    links = [link for link in export.links if link.key not in there and present.issuperset(link.key[:2])]
    changes = (
        *(NoteChange(id="", note_id=n.id, ordinal=n.ordinal, after=revisable_fields(n)) for n in notes),
        *(_link_change(link) for link in links),
    )
    if not changes:
        return None
    keys = [vector_key(embedder.fingerprint, note) for note in notes]
    passages = _missing_passages(dict(zip(keys, notes, strict=True)), reader, embedder)
    return Draft("load", changes, tuple(zip(notes, keys, strict=True)), passages)


def restore(export: Export, store: Store, embedder: Embedder) -> None:
    """Replay an export with history into an empty store."""
    keys = [vector_key(embedder.fingerprint, note) for note in export.notes]
    passages = _missing_passages(dict(zip(keys, export.notes, strict=True)), store, embedder)
    rows = {note.ordinal: (note, key) for note, key in zip(export.notes, keys, strict=True)}
    store.restore(export.commits or (), rows, passages)


def _missing_passages(notes: dict[str, Note], reader: Reader, embedder: Embedder) -> dict[str, Passages]:
    stored = reader.passages(notes)
    return embed_notes(embedder, {key: note for key, note in notes.items() if key not in stored})


def _link_change(link: Link) -> LinkChange:
    return LinkChange(
        id="", source_id=link.source_id, target_id=link.target_id, kind=link.kind,
        after=link.model_dump(include={"weight", "reason", "created_by"}),
    )  # fmt: skip
