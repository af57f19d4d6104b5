"""Exports: a memory as JSONL, and back.

The first line says what the file is and how many lines follow. Each further line is a note or a link; in an export with
history, it is a note that ever arrived, or a commit. Vectors are left out: they follow from the texts, and are made
again. An export without history has no topic tree either: the notes are inserted into a new one.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from zettel.embedding import vector_key
from zettel.errors import InputError, StoreDamagedError, StoreError, see
from zettel.journal import replay, tree_faults
from zettel.model import (
    REVISABLE,
    Change,
    Commit,
    Erasure,
    Link,
    LinkChange,
    Note,
    NoteChange,
    Placement,
    Revision,
    TopicChange,
    link_fields,
    revisable_fields,
    touched,
)
from zettel.protocols import Draft, Passages, Reader, Store


class _Derived(BaseModel):
    """A line that names the notes whose texts a note's annotations quote."""

    note_id: str
    sources: tuple[str, ...] = Field(alias="from")


_LARGEST = 2**53  # the limit of a topic's numbers: every reader of JSON can tell smaller whole numbers apart


class _Topic(BaseModel):
    """A topic as a change leaves it; ``name`` is empty if the name quoted an erased note."""

    model_config = ConfigDict(extra="forbid", strict=True)

    parent: int | None
    number: int = Field(ge=1, le=_LARGEST)
    name: str
    named_at: int = Field(ge=0, le=_LARGEST)


VERSION = 1
_MODELS: dict[str, type[BaseModel]] = {"note": Note, "derived": _Derived, "link": Link, "commit": Commit}
_NOTHING = "nothing was loaded: export again, or restore a copy of the file"
_MARK = b'{"zettel":"export"'  # how an export begins


def write(path: Path, reader: Reader, namespace: str, *, history: bool) -> int:
    """Write an export, whole or not at all; returns the number of lines.

    Raises:
        InputError: there is another file, such as a memory, at the path; or the history is one of an earlier time, and
            lacks what was erased since.
        StoreError: the file can't be written.
    """
    lines = _lines(reader, namespace, history=history)
    try:
        if path.exists() and not _is_export(path):
            raise InputError(f"{path} exists and is no export of zettel: it would be overwritten; name another file")
        # Written under a new name first: no file is overwritten before the export is whole, and no link is followed.
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.", suffix=".part")
        part = Path(name)
        try:
            with open(handle, "w", encoding="utf-8", newline="\n") as file:
                file.writelines(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except BaseException:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise
    except InputError:
        raise
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise StoreError(f"the export can't be written to {str(path)!r} ({reason}): name another file") from error
    return len(lines)


def _is_export(path: Path) -> bool:
    """Whether a file is empty, or is an export by its first bytes."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(len(_MARK))
    return head in (b"", _MARK)


def _lines(reader: Reader, namespace: str, *, history: bool) -> list[dict[str, Any]]:
    head = {"zettel": "export", "version": VERSION, "namespace": namespace, "history": history}
    notes = reader.notes()
    if history:
        notes = list(reader.arrived(range(1, reader.last_ordinal() + 1)).values())
    lines = [{"note": note.model_dump(mode="json", exclude_defaults=True, exclude={"address"})} for note in notes]
    if history:
        commits = list(reader.commits())
        changes = [change for commit in commits for change in commit.changes]
        gone = reader.erased() - {change.note_id for change in changes if isinstance(change, Erasure)}
        if lost := next((c.note_id for c in changes if isinstance(c, NoteChange) and c.note_id in gone), None):
            raise InputError(
                f"note {lost!r} was erased since, so the history up to then is no longer whole: export the memory"
                " itself, or leave the history out"
            )
        lines += [{"commit": commit.model_dump(mode="json")} for commit in commits]
    else:
        derived = _derivations(reader, {note.id for note in notes})
        lines += [{"derived": {"note_id": i, "from": sorted(sources)}} for i, sources in sorted(derived.items())]
        lines += [{"link": link.model_dump(mode="json")} for link in reader.links()]
    return [{**head, "lines": len(lines)}, *lines]


def _derivations(reader: Reader, present: set[str]) -> dict[str, set[str]]:
    """The notes whose texts each note's annotations quote; a later erasure must know them."""
    derived: dict[str, set[str]] = {}
    for change in (change for commit in reader.commits() for change in commit.changes):
        quoted = present.intersection(getattr(change, "derived_from", ()))
        if quoted and isinstance(change, NoteChange | Revision) and change.note_id in present:
            derived.setdefault(change.note_id, set()).update(quoted)
    return derived


@dataclass(frozen=True, slots=True)
class Export:
    """An export that was read; ``commits`` is None if it has no history, and then ``derived`` is filled."""

    notes: tuple[Note, ...]
    links: tuple[Link, ...]
    derived: Mapping[str, tuple[str, ...]]
    commits: tuple[Commit, ...] | None


def read(path: Path) -> Export:
    """Read and check an export.

    Raises:
        InputError: the file is not an export, or a line is damaged or missing; the message names the line.
    """
    try:
        with path.open(encoding="utf-8") as file:
            return _parse(path, file)
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 (at byte {error.start}), so no export of zettel; {_NOTHING}") from error
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        reason = error.strerror if isinstance(error, OSError) else error
        message = f"{str(path)!r} can't be read ({reason}):"
        raise InputError(message, remedy=see("export", words="name a file written by {}")) from error


def _parse(path: Path, lines: Iterator[str]) -> Export:
    first = next(lines, "")
    head = _json(first) if first.startswith('{"zettel":') else {}
    if not isinstance(head, dict) or head.get("zettel") != "export":
        message = f"{path} is no export of zettel, its first line should tell so;"
        raise InputError(message, remedy=see("export", words="make one with {}"))
    if head.get("version") != VERSION:
        raise InputError(f"{path} has version {head.get('version')}, this zettel reads {VERSION}: upgrade zettel")
    found: dict[str, list[Any]] = {kind: [] for kind in _MODELS}
    number = 1
    for number, line in enumerate(lines, 2):
        row = _json(line)
        kind, value = next(iter(row.items())) if isinstance(row, dict) and len(row) == 1 else ("", None)
        if kind not in found:
            reason = row if isinstance(row, str) else "neither a note, a link nor a commit"
            raise InputError(f"{path}, line {number}: {reason}; {_NOTHING}")
        try:
            found[kind].append(_MODELS[kind].model_validate(value))
        except ValidationError as error:
            raise InputError(f"{path}, line {number}: {error}; {_NOTHING}") from error
    if number - 1 != head.get("lines"):
        raise InputError(f"{path} has {number - 1} lines of the {head.get('lines')} it was written with; {_NOTHING}")
    export = Export(
        tuple(found["note"]),
        tuple(found["link"]),
        {row.note_id: row.sources for row in found["derived"]},
        tuple(found["commit"]) if head.get("history") else None,
    )
    if fault := _unfit_note(export) or (_broken_history(export) if export.commits is not None else ""):
        raise InputError(f"{path}: {fault}; {_NOTHING}")
    return export


def _json(line: str) -> object:
    """The JSON object on a line; if there is none, the reason, as text."""
    try:
        value = json.loads(line, parse_constant=_refuse)
        if "\\ud" in line.lower():
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return "a lone surrogate, which is no character"
    except (ValueError, RecursionError) as error:
        return f"not JSON ({error})"
    return value if isinstance(value, dict) else "not a JSON object"


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _unfit_note(export: Export) -> str:
    """What is wrong with the first note that a memory can't have; "" if there is no such note."""
    for note in export.notes:
        if not note.text.strip() or not note.id.isprintable() or not note.id:
            return f"note {note.id!r} has no text, or no proper id"
        expected = note.sources[0].sha256 if note.sources else None
        if expected is not None and hashlib.sha256(note.text.encode()).hexdigest() != expected:
            return f"the text of note {note.id} is not the one its source was hashed with"
    return ""


def _broken_history(export: Export) -> str:
    """The reason why the commits are not a journal of the notes; "" if they are."""
    commits = export.commits or ()
    changes = [change for commit in commits for change in commit.changes]
    erased = {change.note_id for change in changes if isinstance(change, Erasure)}
    return _misnumbered(commits, changes) or _unfit_change(export, changes, erased) or _broken_tree(commits, erased)


def _misnumbered(commits: Sequence[Commit], changes: Sequence[Change]) -> str:
    """What is wrong with the numbers of commits, changes and notes; "" if they are in order."""
    if [commit.id for commit in commits] != list(range(1, len(commits) + 1)):
        return f"its commits are not numbered 1 to {len(commits)}"
    if any(change.id != f"{c.id}.{n}" for c in commits for n, change in enumerate(c.changes, 1)):
        return "its changes are not numbered by their commits and places in them"
    if any(earlier.at > later.at for earlier, later in pairwise(commits)):
        return "its commits are not in the order of their times"
    ordinals = {change.ordinal for change in changes if isinstance(change, NoteChange)}
    if ordinals != set(range(1, len(ordinals) + 1)):
        return f"the ordinals of its notes are not 1 to {len(ordinals)}"
    return ""


def _unfit_change(export: Export, changes: Iterable[Change], erased: Set[str]) -> str:
    """What is wrong with the first change that names a missing note, or has impossible values; "" if none does."""
    ids = {note.ordinal: note.id for note in export.notes}
    named: set[str] = set()
    made: dict[str, Change] = {}
    for change in changes:
        if change.undoes is not None and type(made.get(change.undoes)) is not type(change):
            return f"change {change.id} takes back change {change.undoes}, which is none of its kind before it"
        made[change.id] = change
        if isinstance(change, NoteChange):
            named.add(change.note_id)
            if change.note_id not in erased and ids.get(change.ordinal) != change.note_id:
                return f"change {change.id} speaks of note {change.note_id}, which is missing"
        spoken_of = {*touched(change), *getattr(change, "derived_from", ()), getattr(change, "trigger", None)} - {None}
        if not spoken_of.issubset(named):
            return f"change {change.id} speaks of notes that are not there yet"
        sides = () if isinstance(change, Placement) else (getattr(change, side, None) for side in ("before", "after"))
        if not all(_is_valid(change, side) for side in sides if side is not None):
            kind = "topic" if isinstance(change, TopicChange) else "note or link"
            return f"change {change.id} holds values that no {kind} can have"
    return ""


def _broken_tree(commits: Iterable[Commit], erased: Set[str]) -> str:
    """What is wrong with the first commit that does not fit the state before it, or leaves an unsound tree; else ""."""
    try:
        for commit, state in replay(commits, erased):
            if any(isinstance(change, TopicChange | Placement) for change in commit.changes):
                for place, reason in tree_faults(state):
                    return f"after commit {commit.id}, {place} is unsound: {reason}"
    except StoreDamagedError as error:
        return str(error)
    return ""


def _is_valid(change: Change, side: dict[str, Any]) -> bool:
    """Whether the values before or after a change are possible for a note, a link or a topic."""
    try:
        if isinstance(change, TopicChange):
            _Topic.model_validate(side)
            return 1 <= change.topic_id <= _LARGEST
        if isinstance(change, LinkChange):
            Link.model_validate({**side, "source_id": "", "target_id": "", "kind": change.kind})
            return True
        any_time = datetime.min.replace(tzinfo=UTC)
        Note.model_validate({**side, "id": "", "text": "", "created_at": any_time, "ordinal": 1})
        return set(REVISABLE).issuperset(side)
    except ValidationError:
        return False


def unembedded(
    export: Export, reader: Reader, fingerprint: str, made: Mapping[str, Passages]
) -> dict[str, Note]:
    """The notes of an export whose vectors are neither in the store nor in ``made``, by the key of their vectors.

    If the export has no history, only notes that the memory lacks are returned.
    """
    known = reader.known(note.id for note in export.notes) if export.commits is None else set()
    notes = {vector_key(fingerprint, note): note for note in export.notes if note.id not in known}
    stored = reader.passages(notes)
    return {key: note for key, note in notes.items() if key not in stored and key not in made}


def plan(export: Export, reader: Reader, fingerprint: str, made: Mapping[str, Passages]) -> Draft | None:
    """The draft that adds the notes and links of an export without history that the memory lacks; None if it has all.

    ``made`` holds the vectors that the store lacks, by key; see ``unembedded``.
    """
    known = reader.known(note.id for note in export.notes)
    ordinal = reader.last_ordinal()
    missing = {note.id: note for note in export.notes if note.id not in known}
    notes = [note.model_copy(update={"ordinal": ordinal + n}) for n, note in enumerate(missing.values(), 1)]
    present = {note.id for note in notes} | {note.id for note in reader.notes(known)}
    there = {link.key for link in reader.links(present)}
    links = {k.key: k for k in export.links if k.key not in there and present.issuperset(k.key[:2])}.values()
    changes: tuple[Change, ...] = (
        *(_arrival(note, present.intersection(export.derived.get(note.id, ()))) for note in notes),
        *(_link_change(link) for link in links),
    )
    if not changes:
        return None
    keys = [vector_key(fingerprint, note) for note in notes]
    stored = reader.passages(keys)
    passages = {key: made[key] for key in keys if key not in stored}
    return Draft("load", changes, tuple(zip(notes, keys, strict=True)), passages)


def _arrival(note: Note, derived_from: Iterable[str]) -> NoteChange:
    return NoteChange(
        id="", note_id=note.id, ordinal=note.ordinal, after=revisable_fields(note),
        derived_from=tuple(sorted(derived_from)),
    )  # fmt: skip


def restore(export: Export, store: Store, fingerprint: str, passages: Mapping[str, Passages]) -> None:
    """Replay an export with history into an empty store; ``passages`` are the vectors that the store lacks, by key."""
    keys = [vector_key(fingerprint, note) for note in export.notes]
    rows = {note.ordinal: (note, key) for note, key in zip(export.notes, keys, strict=True)}
    store.restore(export.commits or (), rows, passages)


def _link_change(link: Link) -> LinkChange:
    return LinkChange(
        id="", source_id=link.source_id, target_id=link.target_id, kind=link.kind,
        after=link_fields(link),
    )  # fmt: skip
