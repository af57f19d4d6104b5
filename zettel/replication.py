"""Keeping a replica on a server in step with its memory: pushing the journal, finding people's edits, comparing.

A replica has the journal of the memory that it is a copy of, replayed up to some commit. What people change in its
graph is found by comparing the graph with what the memory was at that commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, Literal

from pydantic import ValidationError

from zettel.effects import Effects
from zettel.embedding import vector_key
from zettel.errors import EmbedderMismatchError, InputError, StoreDamagedError
from zettel.journal import State
from zettel.model import (
    LINK_FIELDS,
    LINK_KINDS,
    NOTE_FIELDS,
    Commit,
    Erasure,
    Link,
    LinkKind,
    Note,
    NoteChange,
    Problem,
    Revision,
    parsed_fields,
    revisable_fields,
)
from zettel.protocols import Passages, Reader, Replica, Store
from zettel.snapshot import Snapshot

_AT_ONCE = 1_000  # about so many notes are written in one transaction
_CHANGES = 20_000  # about so many changes are written in one transaction
_NO_REASON = "drawn in the graph"  # the reason of a link that people made in the graph without giving one


# ------------------------------------------------------------------------ pushing


@dataclass(frozen=True, slots=True)
class Pushed:
    """The progress of a push: the newest commit on the server, the memory's head, and the notes sent so far."""

    head: int
    goal: int
    notes: int


def push(
    source: Store, replica: Replica, *, origin: str, overwrite: bool = False,
    on_progress: Callable[[Pushed], None] | None = None,
) -> Pushed:  # fmt: skip
    """Bring a replica from its head to that of ``source``. If this is interrupted, what was acknowledged stays.

    Raises:
        InputError: it is a replica of another memory.
        EmbedderMismatchError: the server's vectors were made by another embedder.
        ConflictError: what people changed in the graph would be overwritten, and ``overwrite`` is False.
    """
    _expect_same_journal(source, replica)
    fingerprint = source.fingerprint() or ""
    if fingerprint and replica.set_fingerprint(fingerprint) != fingerprint:
        raise EmbedderMismatchError(
            f"the vectors on the server were made by embedder {replica.fingerprint()!r}, this memory's by"
            f" {fingerprint!r}: push it to another database"
        )
    goal = source.head()
    pushed = Pushed(replica.head(), goal, 0)
    groups = _groups(source.commits(pushed.head, goal))
    with ThreadPoolExecutor(1) as beside:  # reads the next group while the server writes one
        pending = beside.submit(_read, groups, source, fingerprint)
        while (group := pending.result()) is not None:
            erased, rewrites = source.erased(), _blanked(group.commits, source, replica)
            before = _before(source, replica)
            pending = beside.submit(_read, groups, source, fingerprint)
            replica.receive(
                group.commits, group.rows, group.passages, rewrites=rewrites, erased=erased, origin=origin,
                overwrite=overwrite, before=before,
            )  # fmt: skip
            pushed = Pushed(group.commits[-1].id, goal, pushed.notes + len(group.rows))
            if on_progress is not None:
                on_progress(pushed)
    return pushed


@dataclass(frozen=True, slots=True)
class _Group:
    """Commits that are written in one transaction, with the rows and the vectors of the notes that they add."""

    commits: Sequence[Commit]
    rows: Mapping[int, tuple[Note, str]]
    passages: Mapping[str, Passages]


def _read(groups: Iterator[list[Commit]], source: Reader, fingerprint: str) -> _Group | None:
    """Read the next group; None after the last one. Nobody else may use ``source`` meanwhile."""
    commits = next(groups, None)
    if commits is None:
        return None
    rows = _rows_of(commits, source, fingerprint)
    return _Group(commits, rows, source.passages(key for _, key in rows.values()))


def _groups(commits: Iterable[Commit]) -> Iterator[list[Commit]]:
    """Divide commits into groups that are each written in one transaction."""
    group: list[Commit] = []
    notes = changes = 0
    for commit in commits:
        group.append(commit)
        notes += sum(isinstance(change, NoteChange) for change in commit.changes)
        changes += len(commit.changes)
        if notes >= _AT_ONCE or changes >= _CHANGES:
            yield group
            group, notes, changes = [], 0, 0
    if group:
        yield group


def _rows_of(commits: Sequence[Commit], source: Reader, fingerprint: str) -> dict[int, tuple[Note, str]]:
    """The rows of the notes that commits add for the first time."""
    arrivals = (c for commit in commits for c in commit.changes if isinstance(c, NoteChange) and c.undoes is None)
    rows = source.arrived(change.ordinal for change in arrivals)
    return {ordinal: (note, vector_key(fingerprint, note)) for ordinal, note in rows.items()}


def _blanked(commits: Sequence[Commit], source: Reader, replica: Reader) -> list[Commit]:
    """The commits that the replica has and that an erasure, which is among the new ones, has blanked since."""
    if not any(isinstance(change, Erasure) for commit in commits for change in commit.changes):
        return []
    pairs = zip(source.commits(upto=replica.head()), replica.commits(), strict=True)
    return [ours for ours, theirs in pairs if ours.changes != theirs.changes]


def _before(source: Reader, replica: Reader) -> dict[str, dict[str, Any]]:
    """The fields of the replica's notes by its own journal, if an erasure has blanked the memory's; else empty."""
    if source.erased() <= replica.erased():
        return {}
    return {note_id: fields for note_id, (_, fields) in _as_pushed(replica).notes.items()}


def _as_pushed(replica: Reader) -> State:
    """The notes and links that a replica's own journal amounts to, whatever people have changed in its graph.

    The journal is added up and not replayed step by step: if a push of an erasure was interrupted, the values of before
    are blanked in some commits, while the earlier commits still have them.
    """
    sum_ = Effects()
    for commit in replica.commits():
        for change in commit.changes:
            sum_.add(change, commit.id, {})
    erased = replica.erased()
    return State(
        notes={
            note_id: (note.ordinal, note.fields)
            for note_id, note in sum_.newest.items()
            if note.fields is not None and note_id not in erased
        },
        links={
            key: link.after for key, link in sum_.links.items() if link.after is not None and erased.isdisjoint(key[:2])
        },
    )


def _expect_same_journal(source: Reader, replica: Replica) -> None:
    """Refuse a replica of another memory.

    Raises:
        InputError: it is a replica of another memory, or not a replica.
    """
    head = replica.head()
    if not head:
        return
    if replica.role == "discarded":
        raise InputError("the namespace on the server was begun to be deleted: push to it with --rebuild")
    if replica.role == "primary":
        raise InputError(
            "the namespace on the server is a memory of its own, no replica: push to another one with --to NAME"
        )
    if head > source.head():
        raise InputError(
            f"the replica is at commit {head}, this memory only at {source.head()}: it comes from a newer copy"
            f" ({replica.origin}); push that, or start again with --rebuild"
        )
    for number in dict.fromkeys((1, head)):
        ours = next(source.commits(number - 1, number))
        theirs = next(replica.commits(number - 1, number), None)
        if theirs is None:
            raise StoreDamagedError(f"commit {number} is missing in the graph: push with --rebuild --overwrite")
        if (ours.at, ours.cause) != (theirs.at, theirs.cause):
            raise InputError(
                f"the namespace on the server holds a replica of another memory ({replica.origin}): push to another one"
                " with --to NAME"
            )


# ---------------------------------------------------------------------- comparing


@dataclass(frozen=True, slots=True)
class Edit:
    """Something that people changed in the graph: a field of a note, or a link.

    ``before`` is the value that the memory had when it was pushed, ``graph`` the value in the graph, and ``memory`` the
    value that the memory has now. If the last is neither of the others, the edit is a ``conflict``. For a link,
    ``field`` is its kind, and a value has its weight and reason, or is None if there is no such link.
    """

    what: Literal["note", "link"]
    note_id: str
    field: str
    before: Any
    graph: Any
    memory: Any
    target_id: str | None = None

    @property
    def conflict(self) -> bool:
        """Whether the memory has changed the same thing, to another value."""
        return self.memory not in (self.before, self.graph)


@dataclass(frozen=True, slots=True)
class Edits:
    """What people changed in a replica's graph: the edits that can be taken over, and the others with the reasons."""

    edits: tuple[Edit, ...]
    refused: tuple[Problem, ...]


def find_edits(source: Reader, replica: Replica) -> Edits:
    """What people changed in the graph since it was pushed.

    Raises:
        InputError: it is a replica of another memory.
    """
    with source.at_one_head(), replica.at_one_head():
        return _edits(source, replica)


def _edits(source: Reader, replica: Replica) -> Edits:
    if source is not replica:
        _expect_same_journal(source, replica)
    known = {note.id: note for note in Snapshot(source, replica.head()).notes()}
    now = {note.id: note for note in source.notes()}
    base = _as_pushed(replica)  # by the replica's journal, since an erasure may have blanked the memory's
    notes, strange = replica.as_edited()
    erased = source.erased()  # the next push removes these notes from the graph
    present = {note.id: (note, tags) for note, tags in notes if note.id not in erased}
    edits: list[Edit] = []
    refused = list(strange)
    for note_id, (note, tags) in present.items():
        if note_id in known and note_id in base.notes:
            refused += _unchangeable(note, known[note_id])
            edits += _fields_edited(note, tags, base.notes[note_id][1], now.get(note_id))
        else:
            refused.append(Problem.of_note(note_id, "it was made in the graph: add it to the memory"))
    gone = known.keys() - present.keys() - {problem.note_id for problem in strange}
    for note_id in sorted(gone):
        reason = "it was deleted in the graph: forget it in the memory, or bring it back by push --rebuild"
        refused.append(Problem.of_note(note_id, reason))
    linked, odd = _links_edited(base, source, replica, gone | erased)
    usable: list[Edit] = []
    for edit in (*edits, *linked):
        if fault := _refusal(edit, now):
            refused.append(Problem.of_note(edit.note_id, fault))
        else:
            usable.append(edit)
    return Edits(tuple(usable), (*refused, *odd))


def _refusal(edit: Edit, now: Mapping[str, Note]) -> str:
    """Why an edit can't be taken over into the notes as they are now; "" if it can, or if there is nothing to do."""
    if edit.memory == edit.graph:
        return ""
    there = edit.note_id in now and (edit.target_id is None or edit.target_id in now)
    fault = unusable(edit, now.get(edit.note_id)) if there else "the memory has no such note any more"
    what = f"its {edit.field}" if edit.what == "note" else f"its {edit.field} link to note {edit.target_id}"
    return f"{what} can't become {edit.graph!r}: {fault}" if fault else ""


def _unchangeable(note: Note, known: Note) -> Iterator[Problem]:
    for name in NOTE_FIELDS.fixed:
        if name in ("id", "address"):
            continue
        if getattr(note, name) != getattr(known, name):
            reason = f"its {name} was changed in the graph, which never changes: undo that by push --rebuild"
            yield Problem.of_note(note.id, reason)


def _fields_edited(note: Note, tags: frozenset[str], before: Mapping[str, Any], now: Note | None) -> Iterator[Edit]:
    graph = revisable_fields(note)
    memory = {} if now is None else revisable_fields(now)
    if tags != {tag for tag in before["tags"] if tag and len(tag) <= _LONGEST}:
        kept = [tag for tag in before["tags"] if tag in tags or len(tag) > _LONGEST]
        graph["tags"] = [*kept, *sorted(tags.difference(kept))]
    for name in NOTE_FIELDS.by_hand:
        if graph[name] != before[name]:
            yield Edit("note", note.id, name, before[name], graph[name], memory.get(name))


_LONGEST = 500  # characters: a longer tag has no node in the graph; see ``store.neo4j.rows``


def _links_edited(base: State, source: Reader, replica: Replica, gone: Set[str]) -> tuple[list[Edit], list[Problem]]:
    before = {key: _side(link) for key, link in base.links.items()}
    graph, memory = (
        {link.key: _side(LINK_FIELDS.dump(link, sound=False)) for link in reader.links()}
        for reader in (replica, source)
    )
    edits = [
        Edit("link", key[0], key[2], before.get(key), graph.get(key), memory.get(key), key[1])
        for key in sorted(before.keys() | graph.keys())
        if before.get(key) != graph.get(key) and gone.isdisjoint(key[:2])
    ]
    *most, last = (kind.upper() for kind in LINK_KINDS)
    kinds = f"{', '.join(most)} or {last}"
    odd = [
        Problem.of_note(a, f"{type_} to note {b} is no kind of link: use {kinds}")
        for a, b, type_ in replica.odd_links()
    ]
    return edits, odd


def _side(link: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a link that people may change."""
    return {**{name: link[name] for name in LINK_FIELDS.by_hand}, "reason": link["reason"] or _NO_REASON}


def unusable(edit: Edit, known: Note | None) -> str:
    """Why an edit can't be taken over; "" if it can."""
    try:
        if edit.what == "note":
            if known is None:
                return "the memory has no such note any more"
            if edit.field == "tags" and "" in edit.graph:
                return "a tag needs a name"
            Note.model_validate({**known.model_dump(), **parsed_fields({edit.field: edit.graph})})
        elif edit.graph is not None:
            if edit.note_id == edit.target_id:
                return "a link needs two notes"
            as_link(edit)
    except ValidationError as error:
        return "; ".join(str(part["msg"]) for part in error.errors())
    return ""


def changed_since(edit: Edit, reader: Reader) -> str:
    """The value that the memory has now; "" if it is still the one that the edit was found with, or the edit's own."""
    if edit.what == "note":
        notes = reader.notes([edit.note_id])
        memory = revisable_fields(notes[0])[edit.field] if notes else None
    else:
        key = edit.note_id, edit.target_id or "", edit.field
        links = {link.key: _side(LINK_FIELDS.dump(link)) for link in reader.links([edit.note_id])}
        memory = links.get(key)
    return "" if memory in (edit.memory, edit.graph) else repr(memory)


def as_link(edit: Edit) -> Link:
    """The link that an edit has made or changed."""
    kind: LinkKind = edit.field  # type: ignore[assignment]  # checked by the model
    return Link(source_id=edit.note_id, target_id=edit.target_id or "", kind=kind, created_by="user", **edit.graph)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The sizes of a memory and its replica, and their differences; if ``problems`` is empty, there are none."""

    memory: Mapping[str, int]
    graph: Mapping[str, int]
    problems: tuple[Problem, ...]


def compare(source: Store, replica: Replica) -> Comparison:
    """Compare a memory with its replica: journal, notes, links, topics, vectors, revisions.

    Raises:
        InputError: it is a replica of another memory.
    """
    _expect_same_journal(source, replica)
    with source.at_one_head(), replica.at_one_head():
        return _compared(source, replica)


def _compared(source: Store, replica: Replica) -> Comparison:
    changes = (change for commit in source.commits() for change in commit.changes)
    ours = {**_census(source), "revisions": sum(isinstance(change, Revision) for change in changes)}
    theirs = {**_census(replica), "revisions": replica.n_revisions()}
    problems = [
        Problem(place=name, reason=f"the memory has {ours[name]:,}, the graph {theirs[name]:,}: push or pull")
        for name in ours
        if ours[name] != theirs[name]
    ]
    head = replica.head()
    problems += _journals_differ(source, replica, head)
    problems += _states_differ(Snapshot(source, head), replica)
    problems += _vectors_differ(source, replica)
    problems += replica.check()
    return Comparison(ours, theirs, tuple(problems))


def _census(store: Store) -> dict[str, int]:
    return {
        "commits": store.head(),
        "notes": store.n_notes(),
        "links": len(store.links()),
        "topics": len(store.topics()),
        "erased": len(store.erased()),
    }


def _journals_differ(source: Reader, replica: Reader, head: int) -> Iterator[Problem]:
    for ours, theirs in zip(source.commits(upto=head), replica.commits(), strict=False):
        if ours != theirs:
            yield Problem(place=f"commit {ours.id}", reason="it is another in the graph: push --rebuild")


def _states_differ(base: Reader, replica: Replica) -> Iterator[Problem]:
    """The places at which the graph is not what the memory was when it was last pushed."""
    known = {note.id: note for note in base.notes()}
    sound, strange = replica.as_edited()
    yield from strange
    shown = {note.id: note for note, _ in sound}
    unread = {problem.note_id for problem in strange}
    for note_id in sorted((known.keys() | shown.keys()) - unread):
        ours, theirs = known.get(note_id), shown.get(note_id)
        if ours is None or theirs is None:
            reason = "the memory has no such note: push, or push --rebuild"
            reason = "it is missing in the graph: push --rebuild" if theirs is None else reason
            yield Problem.of_note(note_id, reason)
        elif ours != theirs:
            dumps = ours.model_dump(), theirs.model_dump()
            fields = [name for name in dumps[0] if dumps[0][name] != dumps[1][name]]
            reason = f"{', '.join(fields)} differ in the graph: pull, or push --rebuild"
            yield Problem.of_note(note_id, reason)
    links, linked = ({link.key: link for link in reader.links()} for reader in (base, replica))
    for key in sorted(links.keys() | linked.keys()):
        if links.get(key) != linked.get(key):
            reason = "it differs in the graph: pull, or push --rebuild"
            yield Problem(place=f"the {key[2]} link from note {key[0]} to note {key[1]}", reason=reason)
    topics, grown = ({i: asdict(row) for i, row in reader.topics().items()} for reader in (base, replica))
    for topic_id in sorted(topics.keys() | grown.keys()):
        if topics.get(topic_id) != grown.get(topic_id):
            yield Problem(place=f"topic {topic_id}", reason="it differs in the graph: push --rebuild")
    places, placed = base.places(), replica.places()
    for note_id in sorted(places.keys() | placed.keys()):
        if places.get(note_id) != placed.get(note_id):
            yield Problem(place=f"the place of note {note_id}", reason="it differs in the graph: push --rebuild")


def _vectors_differ(source: Store, replica: Replica) -> Iterator[Problem]:
    fingerprint = source.fingerprint() or ""
    keys = {vector_key(fingerprint, note): note.id for note in source.notes()}
    for some in _pieces(keys):
        ours, theirs = source.passages(some), replica.passages(some)
        for key in some:
            mine, other = ours.get(key), theirs.get(key)
            same = mine is not None and other is not None and mine.spans == other.spans
            if mine is not None and not (same and other is not None and (mine.vectors == other.vectors).all()):
                reason = "they differ in the graph: push --rebuild"
                yield Problem(place=f"the vectors of note {keys[key]}", reason=reason)


def _pieces(keys: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(keys)
    while piece := list(islice(rest, _AT_ONCE)):
        yield piece


def promote(replica: Replica) -> None:
    """Turn a replica into a primary, which can be written to from now on.

    Raises:
        InputError: there is no replica, or people have changed its graph, so that it differs from its journal.
    """
    if replica.role != "replica":
        raise InputError("there is no replica in that namespace: push a memory to it first")
    found = find_edits(replica, replica)
    if n := len(found.edits) + len(found.refused):
        raise InputError(
            f"{n} changes were made in the graph that its journal does not have: pull them into the memory it comes"
            " from, or take them back by push --rebuild"
        )
    replica.promote()
