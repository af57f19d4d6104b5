"""A memory that can be written to: each method that changes it orders the steps, and the writer commits them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import JsonValue, ValidationError

from zettel import export
from zettel.checks import Incoming, check, check_all, check_id, check_json
from zettel.config import DEFAULT, Config
from zettel.errors import Call, ConflictError, InputError, NotFoundError, Remedy, see
from zettel.filters import read_time
from zettel.ingest import ParsedFile, find_files, identify, read_file
from zettel.journal import Target
from zettel.linker import link_change
from zettel.model import (
    NOTE_FIELDS,
    Change,
    Commit,
    FileReport,
    IngestReport,
    Link,
    LinkChange,
    LinkKind,
    Message,
    Note,
    NoteChange,
    Problem,
    Progress,
    Revision,
    Source,
    Use,
    revisable_fields,
)
from zettel.protocols import Draft, Store
from zettel.replication import Edit, as_link, changed_since, unusable
from zettel.view import MemoryView, Parts, commit_number, is_name
from zettel.writer import Planned, Writer

__all__ = ["Memory", "Parts"]


class Memory(MemoryView):
    """The notes under one namespace and their journal, with everything that reads, searches or changes them.

    Safe for several threads, which take turns; several processes may open the same file. Use it in a ``with``
    statement, or call ``close`` at the end.
    """

    def __init__(
        self, store: Store, parts: Parts, *, namespace: str = "default", timezone: str = "UTC", config: Config = DEFAULT
    ) -> None:
        super().__init__(store, parts, store=store, namespace=namespace, timezone=timezone, config=config)
        self._source = store
        self._writer = Writer(
            store, self._derived, self._models, self._turns, lambda: self.embedder, self.check_embedder, parts.rules,
            parts.policies, namespace, config,
        )  # fmt: skip

    # ------------------------------------------------------------------- adding

    def add(
        self,
        text: str,
        *,
        time: datetime | str | None = None,
        speaker: str | None = None,
        tags: Collection[str] = (),
        metadata: Mapping[str, JsonValue] | None = None,
        source: Source | str | None = None,
        id: str | None = None,
    ) -> Note:
        """Add one note, and return it once it is durable.

        Each call adds a new note, unless an ``id`` names it: adding the same text under the same id again changes
        nothing. ``time`` says when it happened (a datetime, or ISO 8601 text of any precision); ``source`` is a
        ``zettel.Source`` or an address. ``tags`` come before the tags that the analyzer finds.

        Raises:
            InputError: the text is empty, too long or not a text, or the id names a note with another text.
        """
        given = Source(uri=source) if isinstance(source, str) else source
        if isinstance(tags, str) or not isinstance(tags, Collection) or not all(isinstance(t, str) for t in tags):
            raise InputError(f"tags {tags!r} can't be used: give a list of texts")
        if metadata is not None and not isinstance(metadata, Mapping):
            raise InputError(f"metadata {metadata!r} can't be used: give a mapping of names to JSON values")
        try:
            message = Message(text=text, speaker=speaker, time=time, metadata=dict(metadata or {}))
            item = check(message, self._zone, self.config.max_text, given)
        except ValidationError as error:
            raise InputError(f"this can't become a note: {error}") from error
        check_json(list(tags))
        name = None if id is None else check_id(id)
        return self._writer.take_in([replace(item, id=name, tags=tuple(dict.fromkeys(tags)))], "add")[1][0]

    def add_many(self, messages: Iterable[Message | str]) -> list[Note]:
        """Add a batch in one commit, and return one note for each input, in order.

        The notes are the same as if they were added one by one. A message with a ``conversation_id`` and a
        ``message_id`` is the same note each time it is added; any other message becomes a new note each time.

        Raises:
            InputError: lists every bad item; nothing was added.
        """
        items = check_all(messages, self._zone, self.config.max_text, self.namespace)
        return self._writer.take_in(items, "add")[1] if items else []

    def ingest(
        self,
        where: str | Path | Sequence[str | Path],
        *,
        format: str = "auto",
        on_progress: Callable[[Progress], None] | None = None,
    ) -> IngestReport:
        """Take in the messages of transcript files: a file, a folder, a glob pattern, or several of these.

        Each batch (``Config.batch`` messages) is one commit, after which ``on_progress`` is called. Messages that are
        in the memory already, or were forgotten or erased, are left out. So a second run adds nothing, a file that has
        grown adds only its new messages, and a run that was killed continues where it ended. Parts of a file that
        can't be used are reported with their places.

        Raises:
            InputError: there is no such file, or no such format.
        """
        self._writer.check_writable()
        paths = find_files(where, self._parts.formats)
        reports: list[FileReport] = []
        commits: list[int] = []
        for path in paths:
            parsed = read_file(path, self._parts.formats, format)
            reports.append(FileReport(uri=parsed.uri, format=parsed.format, problems=parsed.problems))
            for reports[-1], commit in self._ingest_file(parsed):
                commits += [commit] if commit else []
                if commit and on_progress is not None:
                    on_progress(_progress(reports[-1], commit, len(parsed.entries), len(reports), len(paths)))
        return IngestReport(
            new=sum(r.new for r in reports), unchanged=sum(r.unchanged for r in reports),
            failed=sum(len(r.problems) for r in reports), commits=tuple(commits), files=tuple(reports),
        )  # fmt: skip

    def _ingest_file(self, parsed: ParsedFile) -> Iterator[tuple[FileReport, int | None]]:
        """Take in a file batch by batch; after each, yield the file's report so far and the batch's commit, if any."""
        ids = identify(self.namespace, parsed.entries)
        with self._turns.here():
            known = self._reader.known(ids)
        items: list[Incoming] = []
        problems = list(parsed.problems)
        for entry, name in zip(parsed.entries, ids, strict=True):
            if name in known:
                continue
            source = Source(uri=parsed.uri, format=parsed.format, span=entry.span)
            try:
                item = check(entry.message, self._zone, self.config.max_text, source)
            except InputError as error:
                problems.append(Problem(place=entry.span, reason=str(error)))
            else:
                known.add(name)  # a message that occurs twice in one file is one note
                items.append(replace(item, id=name))
        unchanged = len(parsed.entries) - len(items) - (len(problems) - len(parsed.problems))
        report = FileReport(uri=parsed.uri, format=parsed.format, unchanged=unchanged, problems=tuple(problems))
        yield report, None
        for start in range(0, len(items), self.config.batch):
            batch = items[start : start + self.config.batch]
            commit, _ = self._writer.take_in(batch, "ingest")
            arrived = [c for c in commit.changes if isinstance(c, NoteChange)] if commit else []
            new = len(arrived)  # another process may have taken some in meanwhile
            counts = {"new": report.new + new, "unchanged": report.unchanged + len(batch) - new}
            report = report.model_copy(update=counts)
            yield report, commit.id if commit else None

    def close(self) -> None:
        """Close the file, and save the index beside it if that pays; a second call does nothing."""
        with self._turns.here():
            try:
                if self._writer.wrote:
                    self._derived.save()
            finally:
                self._writer.wrote = False
                super().close()

    # ------------------------------------------------------------------ changing

    def update(self, id: str, /, **fields: Any) -> Note:
        """Change annotations of a note: context, keywords, tags, entities, metadata, status, valid_until or trust.

        Its text, time, speaker and sources never change: add a new note for a new fact.

        Raises:
            InputError: there is no such field, or a value can't be used.
            NotFoundError: there is no such note.
        """
        if strange := sorted(set(fields).difference(NOTE_FIELDS.by_hand)):
            raise InputError(f"{strange[0]!r} of a note can't be changed: only {', '.join(NOTE_FIELDS.by_hand)} can")
        if fields.get("valid_until") is not None:
            fields["valid_until"] = read_time(fields["valid_until"], self._zone)[0]

        def plan() -> Planned | None:
            note = self.get(id)
            try:
                after = revisable_fields(Note.model_validate({**note.model_dump(), **fields}))
            except ValidationError as error:
                raise InputError(f"note {id!r} can't be changed so: {error}") from error
            check_json({name: value for name, value in fields.items() if NOTE_FIELDS.by_name[name].is_json})
            revision = _revision(note, {k: v for k, v in after.items() if k in fields}, "changed by update()")
            return self._writer.revised(Draft("update", (revision,)), {note.id: note}) if revision.after else None

        self._writer.commit(plan)
        return self.get(id)

    def link(self, a: str, b: str, kind: LinkKind = "similar", *, reason: str, weight: float = 1.0) -> Link:
        """Link one note to another, saying why; a link of the same kind and direction is replaced.

        Raises:
            NotFoundError: one of the notes does not exist.
            InputError: there is no such kind, the reason is empty, the weight is outside (0, 1], or both ends are the
                same note.
        """
        try:
            new = Link(source_id=a, target_id=b, kind=kind, weight=weight, reason=reason, created_by="user")
        except ValidationError as error:
            raise InputError(f"{a!r} and {b!r} can't be linked so: {error}") from error
        if a == b or not reason.strip():
            raise InputError(f"a link needs two notes and a reason: got {a!r}, {b!r}, reason {reason!r}")
        check_json(reason)

        def plan() -> Planned | None:
            ends = {self.get(a).id, self.get(b).id}
            old = next((x for x in self._reader.links(ends) if x.key == new.key), None)
            return None if old == new else Planned(Draft("update", (link_change(new, replaces=old),)))

        self._writer.commit(plan)
        return new

    def unlink(self, a: str, b: str, kind: LinkKind | None = None) -> Commit:
        """Remove the links between two notes, in either direction: those of one kind, or all.

        Raises:
            NotFoundError: there is no such note or link.
        """

        def plan() -> Planned:
            ends = {self.get(a).id, self.get(b).id}
            old = [x for x in self._reader.links(ends) if {*x.key[:2]} == ends and kind in (None, x.kind)]
            if not old:
                raise NotFoundError(f"no {kind or ''} link between {a!r} and {b!r}:", remedy=see("links"))
            return Planned(Draft("update", tuple(link_change(link, gone=True) for link in old)))

        commit = self._writer.commit(plan)
        assert commit is not None  # noqa: S101 -- a plan that returns a draft ends in a commit
        return commit

    def take_edits(self, edits: Iterable[Edit]) -> Commit | None:
        """Take over what people changed in the graph of a replica, in one commit of cause "edit".

        Edits that the memory has already are skipped; returns None if no edit is left. See ``replication.find_edits``.

        Raises:
            InputError: an edit can't be taken over; none was taken over.
            ConflictError: the memory has changed, since the edits were found, what they would change; none was taken
                over.
        """
        wanted = list(edits)

        def plan() -> Planned | None:
            notes = {note.id: note for note in self._reader.notes({edit.note_id for edit in wanted})}
            fields: dict[str, dict[str, JsonValue]] = {}
            links: list[Edit] = []
            for edit in wanted:
                if fault := unusable(edit, notes.get(edit.note_id)):
                    raise InputError(f"the {edit.field} of note {edit.note_id!r} can't become {edit.graph!r}: {fault}")
                if now := changed_since(edit, self._reader):
                    raise ConflictError(
                        f"the {edit.field} of note {edit.note_id!r} has become {now} since the edits were found;"
                        " nothing was taken over: find the edits again"
                    )
                if edit.what == "note":
                    fields.setdefault(edit.note_id, {})[edit.field] = edit.graph
                else:
                    links.append(edit)
            revisions = [_revision(notes[i], values, "edited in the graph") for i, values in fields.items()]
            revisions = [revision for revision in revisions if revision.after]
            changes: tuple[Change, ...] = (*revisions, *self._relinked(links))
            return self._writer.revised(Draft("edit", changes), notes) if changes else None

        return self._writer.commit(plan)

    def _relinked(self, edits: Iterable[Edit]) -> Iterator[LinkChange]:
        for edit in edits:
            ends = {self.get(edit.note_id).id, self.get(edit.target_id or "").id}
            key = edit.note_id, edit.target_id, edit.field
            old = next((link for link in self._reader.links(ends) if link.key == key), None)
            if edit.graph is not None:
                yield link_change(as_link(edit), replaces=old)
            elif old is not None:
                yield link_change(old, gone=True)

    def mark_used(self, ids: str | Iterable[str]) -> Commit | None:
        """Record that an agent used notes; returns None if ``ids`` is empty.

        Raises:
            NotFoundError: one of the notes does not exist.
        """
        if not isinstance(ids, Iterable):
            raise InputError(f"{ids!r} are no ids: give one, or a list of them")
        wanted = list(dict.fromkeys([ids] if isinstance(ids, str) else ids))

        def plan() -> Planned | None:
            uses = tuple(Use(id="", note_id=self.get(i).id) for i in wanted)
            return Planned(Draft("use", uses)) if uses else None

        return self._writer.commit(plan)

    def forget(self, id: str, *, erase: bool = False) -> Commit | None:
        """Archive a note, so that searches skip it and ``undo`` brings it back; None if it is archived already.

        Quotations of it in other notes' annotations stay.

        ``erase=True`` removes its text, annotations and vectors everywhere, and quotations of it in other notes'
        annotations too; only its id stays, so that no ingestion brings it back. This can't be undone. A note whose
        arrival was undone can be erased as well, since its text is still in the file. Words that somebody wrote about
        it, in another note or by ``update``, are not found.

        Raises:
            NotFoundError: there is no such note.
            StoreError: the note is erased, but another process that reads the file keeps old pages of it.
        """

        def archive() -> Planned | None:
            note = self.get(id)
            revision = _revision(note, {"status": "archived"}, "forgotten")
            return self._writer.revised(Draft("forget", (revision,)), {note.id: note}) if revision.after else None

        return self._writer.erase(lambda: self._ever(id)) if erase else self._writer.commit(archive)

    def _ever(self, id: str) -> Note:
        """The note of this id, even if its arrival was undone: its text is still in the store then."""
        if id in self:
            return self.get(id)
        ordinals = [change.ordinal for commit in self._reader.commits_of(id) for change in commit.changes
                    if isinstance(change, NoteChange) and change.note_id == id] if is_name(id) else []  # fmt: skip
        rows = self._reader.arrived(ordinals)
        if not rows:
            raise self._missing(id)
        return rows[max(rows)]

    def undo(
        self, what: int | str | Commit | Change | None = None, *, trigger: str | Note | None = None,
        cascade: bool = False,
    ) -> Commit:  # fmt: skip
        """Take back a commit (by number), one change (by id, "12.3"), or all revisions that a note's arrival caused.

        The undo is a new commit. If it removes a note, the note's links and uses are removed too. Undoing something
        that is undone already changes nothing and returns the commit that undid it. To take back an undo, undo its
        commit.

        Raises:
            ConflictError: later changes build on it; ``cascade=True`` takes them back too.
            InputError: it erased something, or neither or both of commit and trigger are given.
            NotFoundError: there is no such commit, change or trigger.
        """
        if (what is None) == (trigger is None):
            raise InputError(
                f"undo({what!r}, trigger={trigger!r}) names no one thing:",
                remedy=Remedy(
                    "give a commit's number, a change's id, or {} with a note's id", (Call("undo", "trigger"),)
                ),
            )
        target = None if what is None else _target(what)
        cause = trigger.id if isinstance(trigger, Note) else trigger

        def plan() -> Planned | None:
            return self._writer.undone(lambda: self._targets(target, cause), cascade=cascade)

        commit = self._writer.commit(plan)
        if commit is not None:
            return commit
        with self._turns.here():
            number = self._derived.steadily(lambda: self._derived.ledger().undone_by(self._targets(target, cause)))
            if number is None:
                raise InputError(f"{target} changed nothing that could be undone by itself")
            return next(self._reader.commits(number - 1, number))

    def _targets(self, target: str | int | None, trigger: str | None) -> Target:
        ledger = self._derived.ledger()
        if target is None:
            caused = ledger.triggered_by(trigger or "")
            if not caused:
                remedy = see("history", words="see {} of its neighbors")
                raise NotFoundError(f"note {trigger!r} has caused no revision:", remedy=remedy)
            return caused
        known = ledger.knows(target) if isinstance(target, str) else ledger.commit(target) is not None
        if not known:
            raise NotFoundError(f"no {'change' if isinstance(target, str) else 'commit'} {target}:", remedy=see("log"))
        return target

    def load(self, path: str | Path) -> Commit | None:
        """Load an export, all of it or nothing; the notes keep their ids. None if the export has nothing new.

        An export without history adds the notes that the memory lacks, in one commit. An export with history is
        replayed, with its numbers and times, and only into an empty memory.

        Raises:
            InputError: the file is not an export, or a line of it is damaged; nothing was loaded.
        """
        self._writer.check_writable()
        parsed = export.read(Path(path))
        if parsed.commits is None:
            return self._writer.load(parsed)
        return self._writer.restore(parsed, str(path))


def _target(what: int | str | Commit | Change) -> int | str:
    named: object = getattr(what, "id", what)
    return named if isinstance(named, str) and "." in named else commit_number(named)


def _progress(report: FileReport, commit: int, total: int, file: int, files: int) -> Progress:
    left = total - report.new - report.unchanged
    return Progress(
        commit=commit, uri=report.uri, file=file, files=files, done=total - left, total=total, new=report.new
    )  # fmt: skip


def _revision(note: Note, fields: Mapping[str, JsonValue], reason: str) -> Revision:
    """The revision that gives a note these values; values that the note has already are left out."""
    before = revisable_fields(note)
    changed = {name: value for name, value in fields.items() if before[name] != value}
    return Revision(
        id="", note_id=note.id, before={name: before[name] for name in changed}, after=changed, reason=reason,
        created_by="user",
    )  # fmt: skip
