"""The memory: the one place where effects happen, in order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import JsonValue, ValidationError

from zettel import erasure, export
from zettel.embedding import rounded, vector_key
from zettel.errors import (
    Call,
    HeadMovedError,
    InputError,
    NotFoundError,
    ReadOnlyError,
    Remedy,
    StoreLockedError,
    see,
)
from zettel.filters import SEARCHED, read_time
from zettel.growth import Growth, Materials
from zettel.index import ExactIndex, saved
from zettel.ingest import ParsedFile, find_files, identify, read_file
from zettel.intake import Incoming, Intake, Plan, analyze, check, check_all, check_id, check_json
from zettel.journal import Ledger, Target
from zettel.linker import link_change
from zettel.model import (
    NOTE_FIELDS,
    Cause,
    Change,
    Commit,
    Erasure,
    FileReport,
    IngestReport,
    Link,
    LinkChange,
    LinkKind,
    Message,
    Note,
    NoteChange,
    Placement,
    Problem,
    Progress,
    Revision,
    Source,
    TreeChange,
    Use,
    parsed_fields,
    revisable_fields,
)
from zettel.protocols import Analysis, Draft, Passages, Store, Utterance
from zettel.reading import Parts, Reading, commit_number, is_name
from zettel.replication import Edit, as_link, unusable

__all__ = ["Memory", "Parts"]

_SEARCHED: frozenset[object] = frozenset(SEARCHED)
_WORTH_SAVING = 1_000  # notes below which an index is built as quickly as it is read
_PATIENCE = 2  # plans that others were quicker than, before the next is made with nobody else writing
_TRIES = 100  # plans made again because another writer was quicker, before giving up


class Memory(Reading):
    """Notes under one namespace, their journal, and the searching of them.

    Safe for several threads, which take turns; several processes may open the same file. Use it in a ``with``
    statement, or call ``close`` at the end.
    """

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

        It is a new note each time, unless an ``id`` names it: adding the same text under the same id again changes
        nothing. ``time`` is when it happened (a datetime, or ISO 8601 text of any precision), ``source`` a
        ``zettel.Source`` or an address. ``tags`` come before those the analyzer finds.

        Raises:
            InputError: the text is empty, too long or no text, or the id names a note with another text.
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
        return self._take_in([replace(item, id=name, tags=tuple(dict.fromkeys(tags)))], "add")[1][0]

    def add_many(self, messages: Iterable[Message | str]) -> list[Note]:
        """Add a batch in one commit, and return one note an input, in order.

        It gives the same notes as adding them one by one. A message that its transcript names (``conversation_id`` and
        ``message_id``) is the same note each time it is added; any other is a new one.

        Raises:
            InputError: lists every bad item; nothing was added.
        """
        items = check_all(messages, self._zone, self.config.max_text, self.namespace)
        return self._take_in(items, "add")[1] if items else []

    def ingest(
        self,
        where: str | Path | Sequence[str | Path],
        *,
        format: str = "auto",
        on_progress: Callable[[Progress], None] | None = None,
    ) -> IngestReport:
        """Take in the messages of transcript files: a file, a folder, a glob pattern, or several of these.

        One commit a batch (``Config.batch`` messages), after which ``on_progress`` is told. What is there already, and
        what was forgotten or erased, is passed over; so a second run adds nothing, a grown file only its new messages,
        and a run that was killed goes on where it ended. What can't be used is reported with its place.

        Raises:
            InputError: no such file, or no such format.
        """
        self._writable()
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
        """Take in one file batch by batch; after each, the file's report so far and the batch's commit, if any."""
        ids = identify(self.namespace, parsed.entries)
        with self._lock:
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
                known.add(name)  # a message told twice in one file is one note
                items.append(replace(item, id=name))
        unchanged = len(parsed.entries) - len(items) - (len(problems) - len(parsed.problems))
        report = FileReport(uri=parsed.uri, format=parsed.format, unchanged=unchanged, problems=tuple(problems))
        yield report, None
        for start in range(0, len(items), self.config.batch):
            batch = items[start : start + self.config.batch]
            commit, _ = self._take_in(batch, "ingest")
            arrived = [c for c in commit.changes if isinstance(c, NoteChange)] if commit else []
            new = len(arrived)  # another process may have taken some in meanwhile
            counts = {"new": report.new + new, "unchanged": report.unchanged + len(batch) - new}
            report = report.model_copy(update=counts)
            yield report, commit.id if commit else None

    def _take_in(self, items: Sequence[Incoming], cause: Cause) -> tuple[Commit | None, list[Note]]:
        self._writable()
        with self._lock:
            intake = Intake(self._reader, self.namespace, self._get_analyzer, lambda: self.embedder, self._growth)
            plan = Plan(None, [], None)

            def draft() -> Draft | None:
                nonlocal plan
                if plan.growth is not None:  # another writer was quicker
                    plan.growth.take_back()
                plan = Plan(None, [], None)
                plan = intake.plan(items, cause)
                return plan.draft

            try:
                commit = self._commit(draft)
            except BaseException:
                if plan.growth is not None:
                    plan.growth.take_back()
                raise
            if commit is None or plan.growth is None:
                held = {note.id: note for note in self._reader.notes(plan.ids)}
                return None, [held[i] for i in plan.ids if i in held]
            self._covers(commit)
            new = {c.note_id for c in commit.changes if isinstance(c, NoteChange)}
            # Not read again: another process may have undone or erased one of them since.
            held = {i: plan.growth.note(i).model_copy(update={"created_at": commit.at}) for i in new}
            held |= {note.id: note for note in self._reader.notes(set(plan.ids) - new)}
            return commit, [held[i] for i in plan.ids if i in held]

    def _commit(self, plan: Callable[[], Draft | None], *, erases: bool = False) -> Commit | None:
        """Append what ``plan`` makes of the newest head; where another writer was quicker, plan again.

        One who comes second again and again keeps the others out while planning.
        """
        store = self._writable()
        for tried in range(_TRIES):
            try:
                with store.alone() if tried >= _PATIENCE and not erases else nullcontext():
                    head = store.head()
                    draft = self._planned(plan)
                    if draft is None:
                        return None
                    if draft.passages:
                        self._name_embedder(store)
                    commit = store.append(draft, head)
            except HeadMovedError:
                continue
            self._wrote = True
            return commit
        raise StoreLockedError(f"other writers were quicker {_TRIES} times in a row; nothing was written: try again")

    def _planned(self, plan: Callable[[], Draft | None]) -> Draft | None:
        try:
            return plan()
        except HeadMovedError:
            self._tree = self._router = None  # it may be of two moments
            raise

    def _growth(self) -> Growth:
        """What takes notes in at the newest head."""
        index, tree = self._index_and_tree()
        return Growth(
            self._writable(), index, tree, self._materials, self._parts.rules, self._parts.policies, self.config
        )  # fmt: skip

    def _save_index(self) -> None:
        """Keep the index beside the store, where many notes came or went since it was saved."""
        store, index = self._store, self._index
        folder = store.beside if store and not store.read_only else None
        if folder is None or index is None or len(index) < _WORTH_SAVING:
            return
        if abs(len(index) - self._n_saved) <= len(index) // 20:
            return  # what a process that takes it up has to follow costs less than writing all of it again

        def read() -> tuple[ExactIndex, str | None]:
            index = self._caught_up()
            return index, self._made_of(index.head)

        index, made_of = self._steadily(read)
        if made_of and saved.save(index, folder, self.namespace, self.embedder.fingerprint, made_of):
            self._n_saved = len(index)
        self._discard_if_erased(index.head)

    def close(self) -> None:
        """Let go of the file, and keep the index beside it where it is worth it; a second call does nothing."""
        with self._lock:
            try:
                if self._wrote:
                    self._save_index()
            finally:
                self._wrote = False
                super().close()

    def _covers(self, commit: Commit) -> None:
        """Note that index and tree hold a commit already, because its plan has put it there."""
        if self._index is not None and self._index.head == commit.id - 1:
            self._index.head = commit.id
        else:
            self._index = None

    def _reseat(
        self, leaving: Sequence[str], arriving: Sequence[str], absent: Mapping[str, tuple[Note, Passages]] | None = None
    ) -> list[TreeChange]:
        """The changes of the topic tree that follow where notes leave the searched ones, or come back to them.

        ``absent`` are those of the arriving ones that are no notes now, but will be.
        """
        index, tree = self._index_and_tree()
        new = {i: held for i, held in (absent or {}).items() if index.row(i) is None}
        index.put([note for note, _ in new.values()], {i: passages for i, (_, passages) in new.items()})
        for note, _ in new.values():
            self._materials.put(note)
        changes = tree.settle(leaving, arriving)
        tree.revert(changes)  # like the index, it follows the journal
        index.remove(new)
        return changes

    def _name_embedder(self, store: Store) -> None:
        """Have the store remember who makes its vectors, before the first of them is written."""
        if store.set_fingerprint(self.embedder.fingerprint) != self.embedder.fingerprint:
            self.check_embedder(self.embedder)  # raises: another process was quicker, with another embedder

    # ------------------------------------------------------------------ changing

    def update(self, id: str, /, **fields: Any) -> Note:
        """Change annotations of a note: context, keywords, tags, entities, metadata, status, valid_until or trust.

        Its text, time, speaker and sources never change: add a new note for a new fact.

        Raises:
            InputError: no such field, or a value that can't be used.
            NotFoundError: there is no such note.
        """
        if strange := sorted(set(fields).difference(NOTE_FIELDS.by_hand)):
            raise InputError(f"{strange[0]!r} of a note can't be changed: only {', '.join(NOTE_FIELDS.by_hand)} can")
        if fields.get("valid_until") is not None:
            fields["valid_until"] = read_time(fields["valid_until"], self._zone)[0]

        def plan() -> Draft | None:
            note = self.get(id)
            try:
                after = revisable_fields(Note.model_validate({**note.model_dump(), **fields}))
            except ValidationError as error:
                raise InputError(f"note {id!r} can't be changed so: {error}") from error
            check_json({name: value for name, value in fields.items() if NOTE_FIELDS.by_name[name].is_json})
            revision = _revision(note, {k: v for k, v in after.items() if k in fields}, "changed by update()")
            return Draft("update", (revision, *self._seat(note, revision))) if revision.after else None

        with self._lock:
            self._commit(plan)
            return self.get(id)

    def link(self, a: str, b: str, kind: LinkKind = "similar", *, reason: str, weight: float = 1.0) -> Link:
        """Link one note to another, saying why; a link of the same kind and direction is replaced.

        Raises:
            NotFoundError: one of the notes does not exist.
            InputError: no such kind, an empty reason, a weight outside (0, 1], or both ends are one note.
        """
        try:
            new = Link(source_id=a, target_id=b, kind=kind, weight=weight, reason=reason, created_by="user")
        except ValidationError as error:
            raise InputError(f"{a!r} and {b!r} can't be linked so: {error}") from error
        if a == b or not reason.strip():
            raise InputError(f"a link needs two notes and a reason: got {a!r}, {b!r}, reason {reason!r}")
        check_json(reason)

        def plan() -> Draft | None:
            ends = {self.get(a).id, self.get(b).id}
            old = next((x for x in self._reader.links(ends) if x.key == new.key), None)
            return None if old == new else Draft("update", (link_change(new, replaces=old),))

        with self._lock:
            self._commit(plan)
        return new

    def unlink(self, a: str, b: str, kind: LinkKind | None = None) -> Commit:
        """Take out the links between two notes, in either direction: those of one kind, or all.

        Raises:
            NotFoundError: there is no such note or link.
        """

        def plan() -> Draft:
            ends = {self.get(a).id, self.get(b).id}
            old = [x for x in self._reader.links(ends) if {*x.key[:2]} == ends and kind in (None, x.kind)]
            if not old:
                raise NotFoundError(f"no {kind or ''} link between {a!r} and {b!r}:", remedy=see("links"))
            return Draft("update", tuple(link_change(link, gone=True) for link in old))

        with self._lock:
            commit = self._commit(plan)
        assert commit is not None  # noqa: S101 -- a plan that returns a draft ends in a commit
        return commit

    def take_edits(self, edits: Iterable[Edit]) -> Commit | None:
        """Take over what people changed in the graph of a replica, in one commit of cause "edit"; None for nothing.

        What the memory has already is passed over; see ``replication.find_edits``.

        Raises:
            InputError: one of them can't be taken over; nothing was.
        """
        wanted = list(edits)

        def plan() -> Draft | None:
            notes = {note.id: note for note in self._reader.notes({edit.note_id for edit in wanted})}
            fields: dict[str, dict[str, JsonValue]] = {}
            drawn: list[Edit] = []
            for edit in wanted:
                if fault := unusable(edit, notes.get(edit.note_id)):
                    raise InputError(f"the {edit.field} of note {edit.note_id!r} can't become {edit.graph!r}: {fault}")
                if edit.what == "note":
                    fields.setdefault(edit.note_id, {})[edit.field] = edit.graph
                else:
                    drawn.append(edit)
            revisions = [_revision(notes[i], values, "edited in the graph") for i, values in fields.items()]
            revisions = [revision for revision in revisions if revision.after]
            changes: tuple[Change, ...] = (*revisions, *self._relinked(drawn))
            return Draft("edit", (*changes, *self._seat_all(notes, revisions))) if changes else None

        with self._lock:
            return self._commit(plan)

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
        """Record that an agent used notes; None where ``ids`` is empty.

        Raises:
            NotFoundError: one of them does not exist.
        """
        if not isinstance(ids, Iterable):
            raise InputError(f"{ids!r} are no ids: give one, or a list of them")
        wanted = list(dict.fromkeys([ids] if isinstance(ids, str) else ids))

        def plan() -> Draft | None:
            uses = tuple(Use(id="", note_id=self.get(i).id) for i in wanted)
            return Draft("use", uses) if uses else None

        with self._lock:
            return self._commit(plan)

    def forget(self, id: str, *, erase: bool = False) -> Commit | None:
        """Put a note away: searches pass it over, ``undo`` brings it back; None where it is put away already.

        What other notes' contexts quote of it stays.

        ``erase=True`` removes its text, annotations and vectors everywhere, quotations of it in other notes'
        annotations included; only its id stays, so that no ingestion brings it back. That can't be undone. It works on
        a note whose arrival was undone, too, since that leaves its text in the file. What somebody wrote about it in
        their own words, as another note or by ``update``, is not found.

        Raises:
            NotFoundError: there is no such note.
            StoreError: the note is erased, but another process that reads the file holds old pages of it.
        """

        def archive() -> Draft | None:
            note = self.get(id)
            revision = _revision(note, {"status": "archived"}, "forgotten")
            return Draft("forget", (revision, *self._seat(note, revision))) if revision.after else None

        with self._lock:
            if not erase:
                return self._commit(archive)
            head = self._writable().head()
            try:
                return self._commit(lambda: self._erasing(self._ever(id)), erases=True)
            finally:
                self._discard_if_erased(head)
                self._ledger = Ledger()  # what is held of the note outside of the store goes too
                self._queries.clear()
                self._tree, self._router, self._materials = None, None, Materials(self._reader.notes)
                self._shortlist = None
                if self._index is not None:
                    self._index.remove([id])

    def _erasing(self, note: Note) -> Draft:
        moves = self._reseat([note.id], []) if note.id in self._reader.places() else []
        return erasure.plan(note, self._reader, self._analyze, moves)

    def _seat(self, note: Note, revision: Revision) -> list[TreeChange]:
        """How a note leaves the topics when it is searched no longer, and comes back when it is again."""
        return self._seat_all({note.id: note}, [revision])

    def _seat_all(self, notes: Mapping[str, Note], revisions: Iterable[Revision]) -> list[TreeChange]:
        leaving: list[str] = []
        arriving: list[str] = []
        for revision in revisions:
            note = notes[revision.note_id]
            was, will = note.status in SEARCHED, revision.after.get("status", note.status) in SEARCHED
            if was != will:
                (leaving if was else arriving).append(note.id)
        return self._reseat(leaving, arriving) if leaving or arriving else []

    def _analyze(self, utterances: Sequence[Utterance]) -> list[Analysis]:
        return analyze(self._get_analyzer(), utterances)

    def _ever(self, id: str) -> Note:
        """The note of this id, whether it is present or its arrival was undone: that, too, leaves its text behind."""
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

        It is done as a new commit. Links and uses of a note that goes, go with it. Undoing what is undone already
        changes nothing and returns the commit that did so; to take back an undo, undo its commit.

        Raises:
            ConflictError: later changes build on it; ``cascade=True`` takes them along.
            InputError: it erased something; or neither or both of commit and trigger are given.
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

        def plan() -> Draft | None:
            with self._reader.one_moment():
                self._read_journal()
                targets = self._targets(target, cause)
                changes = self._ledger.undo(targets, cascade=cascade)
                draft = (*changes, *self._replant(targets, changes)) if changes else ()
            return Draft("undo", draft) if draft else None

        with self._lock:
            commit = self._commit(plan)
            if commit is not None:
                return commit
            number = self._ledger.undone_by(self._targets(target, cause))
            if number is None:
                raise InputError(f"{target} changed nothing that could be undone by itself")
            return next(self._reader.commits(number - 1, number))

    def _read_journal(self) -> None:
        """Bring the ledger up to the head."""
        tail = list(self._reader.commits(self._ledger.head))
        if any(isinstance(change, Erasure) for commit in tail for change in commit.changes):
            self._ledger, tail = Ledger(), list(self._reader.commits())  # earlier commits were blanked
        self._ledger.extend(tail)

    def _targets(self, target: str | int | None, trigger: str | None) -> Target:
        if target is None:
            caused = self._ledger.triggered_by(trigger or "")
            if not caused:
                remedy = see("history", words="see {} of its neighbors")
                raise NotFoundError(f"note {trigger!r} has caused no revision:", remedy=remedy)
            return caused
        known = self._ledger.knows(target) if isinstance(target, str) else self._ledger.commit(target) is not None
        if not known:
            raise NotFoundError(f"no {'change' if isinstance(target, str) else 'commit'} {target}:", remedy=see("log"))
        return target

    def _replant(self, targets: Target, changes: Sequence[Change]) -> Sequence[TreeChange]:
        """What becomes of the topic tree: what the targets did to it is inverted where all of it still stands.

        Else it keeps its shape, and notes only leave it or come back to it.
        """
        rows = self._reader.arrived(c.ordinal for c in changes if isinstance(c, NoteChange) and c.after is not None)
        back: dict[str, Note] = {}
        seated: dict[str, bool] = {}
        for change in changes:
            if isinstance(change, NoteChange):
                seated[change.note_id] = change.after is not None and change.after["status"] in _SEARCHED
                if change.after is not None and change.ordinal in rows:
                    back[change.note_id] = rows[change.ordinal].model_copy(update=parsed_fields(change.after))
            elif isinstance(change, Revision) and "status" in change.after:
                seated[change.note_id] = change.after["status"] in _SEARCHED
        inverse = self._ledger.tree_inverse(targets)
        places = self._reader.places()
        after = places | {c.note_id: c.after for c in inverse or () if isinstance(c, Placement)}
        if inverse is not None and all((after.get(i) is not None) == seat for i, seat in seated.items()):
            return inverse
        leaving = [i for i, seat in seated.items() if not seat and i in places]
        arriving = [i for i, seat in seated.items() if seat and i not in places]
        if not leaving and not arriving:
            return []
        keys = {i: vector_key(self.embedder.fingerprint, note) for i, note in back.items()}
        stored = self._reader.passages(keys.values())
        absent = {i: (back[i], stored[key]) for i, key in keys.items() if key in stored}
        return self._reseat(leaving, [i for i in arriving if i in places or i in absent or i in self], absent)

    def load(self, path: str | Path) -> Commit | None:
        """Take in an export, ids kept: all of it, or nothing. None where it brings nothing new.

        An export without history adds the notes that are missing, in one commit; one with history is replayed,
        numbers and times kept, into an empty memory only.

        Raises:
            InputError: the file is no export, or a line of it is damaged; nothing was taken in.
        """
        store = self._writable()
        with self._lock:
            parsed = export.read(Path(path))
            if parsed.commits is None:
                kept: dict[str, Passages] = {}  # so that a plan made again embeds nothing again

                def plan() -> Draft | None:
                    draft = export.plan(parsed, self._reader, self.embedder, kept)
                    return draft and replace(draft, changes=(*draft.changes, *self._seats(draft)))

                return self._commit(plan)
            if store.head():
                raise InputError(
                    f"{path} holds a history, which loads into an empty memory only, and namespace {self.namespace!r}"
                    " has commits: choose a new file or namespace, or export without history"
                )
            self._name_embedder(store)
            export.restore(parsed, store, self.embedder)
            return next(store.commits(store.head() - 1), None)

    def _seats(self, draft: Draft) -> list[TreeChange]:
        """Where the notes of a draft come to stand among the topics."""
        keys = dict.fromkeys(key for _, key in draft.arrivals if key not in draft.passages)
        vectors = {key: rounded(new) for key, new in draft.passages.items()} | self._reader.passages(keys)
        absent = {note.id: (note, vectors[key]) for note, key in draft.arrivals if note.status in SEARCHED}
        return self._reseat([], list(absent), absent) if absent else []

    def _writable(self) -> Store:
        if self._store is not None and self._store.read_only:
            raise ReadOnlyError(
                "the memory was opened with read_only=True, or is a replica: open it for writing, or change the memory"
                " that a replica comes from"
            )
        if self._store is None:
            raise ReadOnlyError("this is the memory as of an earlier time: change the memory itself")
        return self._store


def _target(what: int | str | Commit | Change) -> int | str:
    named: object = getattr(what, "id", what)
    return named if isinstance(named, str) and "." in named else commit_number(named)


def _progress(report: FileReport, commit: int, total: int, file: int, files: int) -> Progress:
    left = total - report.new - report.unchanged
    return Progress(
        commit=commit, uri=report.uri, file=file, files=files, done=total - left, total=total, new=report.new
    )  # fmt: skip


def _revision(note: Note, fields: Mapping[str, JsonValue], reason: str) -> Revision:
    """The revision that gives a note these values, without those it has already."""
    before = revisable_fields(note)
    changed = {name: value for name, value in fields.items() if before[name] != value}
    return Revision(
        id="", note_id=note.id, before={name: before[name] for name in changed}, after=changed, reason=reason,
        created_by="user",
    )  # fmt: skip
