"""The writer of an open memory: it plans on the newest head and appends; if others were quicker, it plans again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from typing import TypeAlias

from zettel import erasure, export
from zettel.arrivals import Arrivals
from zettel.asking import Asking
from zettel.checks import Incoming
from zettel.config import Config
from zettel.embedding import embed_notes, rounded, vector_key
from zettel.errors import HeadMovedError, InputError, ReadOnlyError, StoreLockedError
from zettel.export import Export
from zettel.filters import SEARCHED
from zettel.index.derived import Derived
from zettel.index.draft import IndexDraft
from zettel.intake import Arriving, Intake
from zettel.journal import Target
from zettel.model import Cause, Change, Commit, Note, NoteChange, Placement, Revision, TreeChange, parsed_fields
from zettel.models import Models
from zettel.protocols import Draft, Embedder, LinkRule, Passages, Policy, Store
from zettel.turns import Turns

_SEARCHED: frozenset[object] = frozenset(SEARCHED)
_PATIENCE = 2  # after so many plans that came too late, other writers are kept out during the next one
_TRIES = 100  # after so many plans that came too late, the writer gives up

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Planned:
    """A commit that is planned; ``index`` is the draft that it was planned on, if it needed one."""

    draft: Draft
    index: IndexDraft | None = None


@dataclass(frozen=True, slots=True)
class Open:
    """A plan that can't be made yet: ``ask`` must be called first, which may be slow."""

    ask: Callable[[], None]


class _NotLoadedError(Exception):
    """A plan needs the index, whose embedder is not loaded yet, which may take long."""


Plan: TypeAlias = Callable[[], Planned | Open | None]
"""Makes a plan on the memory as it is; None if there is nothing to do. It is called inside ``at_one_head``."""


class Writer:
    """Commits plans to a store, one after the other, and keeps the derived state in step.

    Effects happen only here, and in this order: plan, append, adopt. A plan changes nothing. Slow questions, to a model
    say, are asked between two plans, while no lock is held.
    """

    def __init__(
        self, store: Store, derived: Derived, models: Models, turns: Turns, embedder: Callable[[], Embedder],
        check: Callable[[Embedder], None], rules: Sequence[LinkRule], policies: Sequence[Policy], namespace: str,
        config: Config,
    ) -> None:  # fmt: skip
        self.wrote = False  # whether anything was committed
        self._store = store
        self._derived = derived
        self._models = models
        self._turns = turns
        self._embedder = embedder
        self._check = check
        self._rules = rules
        self._policies = policies
        self._shared: Embedder | None = None  # the embedder, once it is loaded
        self._namespace = namespace
        self._config = config

    # --------------------------------------------------------------- committing

    def commit(self, plan: Plan) -> Commit | None:
        """Append what ``plan`` makes of the newest head; if another writer was quicker, plan again.

        After several plans that came too late, other writers are kept out during the next one.

        Raises:
            ReadOnlyError: the store can't be written to.
            StoreLockedError: others were quicker each time; nothing was written.
        """
        self.check_writable()
        behind = 0
        while behind < _TRIES:
            try:
                with self._turns.here():
                    outcome = self._attempt(plan, alone=behind >= _PATIENCE)
            except HeadMovedError:
                behind += 1
                _log.debug("another writer was quicker, %d times so far: planning again", behind)
                continue
            if not isinstance(outcome, Open):
                return outcome
            outcome.ask()
        raise StoreLockedError(f"other writers were quicker {_TRIES} times in a row; nothing was written: try again")

    def check_writable(self) -> None:
        """Refuse to change a memory that is open for reading only.

        Raises:
            ReadOnlyError: it is.
        """
        if self._store.read_only:
            raise ReadOnlyError(
                "the memory was opened with read_only=True, or is a replica: open it for writing, or change the memory"
                " that a replica comes from"
            )

    def _attempt(self, plan: Plan, *, alone: bool) -> Commit | Open | None:
        """Plan once, and append the plan to the head that it was made on."""
        with self._store.alone() if alone else nullcontext():
            head, planned = self._planned(plan)
            if not isinstance(planned, Planned):
                return planned
            if planned.draft.passages:
                self._name_embedder()
            commit = self._store.append(planned.draft, head)
        self.wrote = True
        if planned.index is not None:
            self._derived.adopt(commit, planned.index)
        _log.debug("commit %d (%s): %d changes", commit.id, commit.cause, len(commit.changes))
        return commit

    def _planned(self, plan: Plan) -> tuple[int, Planned | Open | None]:
        """The head, and the plan that was made on it."""
        try:
            with self._store.at_one_head():
                return self._store.head(), plan()
        except _NotLoadedError:
            return 0, Open(self._load)
        except HeadMovedError:
            self._derived.head_moved()
            raise

    def _name_embedder(self) -> None:
        """Have the store remember which embedder makes its vectors, before the first of them is written."""
        embedder = self._embedder()
        if self._store.set_fingerprint(embedder.fingerprint) != embedder.fingerprint:
            self._check(embedder)  # raises: another process was quicker, with another embedder

    def _load(self) -> None:
        """Load the embedder."""
        self._shared = self._models.shared(self._embedder())

    # ------------------------------------------------------------------ adding

    def take_in(self, items: Sequence[Incoming], cause: Cause) -> tuple[Commit | None, list[Note]]:
        """Add notes, and return the note of each item, in order.

        Notes that were there already are returned too. A note that was removed meanwhile is left out.
        """
        intake = Intake(self._store, self._namespace, items, cause)
        ids: Sequence[str] = ()
        made: dict[str, Note] = {}
        asking = Asking()
        read: tuple[int, Arriving] | None = None  # what was read, and at which head

        def answer(asked: Asking) -> None:
            nonlocal asking
            asking = asked.answered()

        def plan() -> Planned | Open | None:
            nonlocal ids, made, read
            head = self._store.head()
            read = read if read is not None and read[0] == head else (head, intake.arriving())
            arriving = read[1]
            ids = arriving.ids
            if not arriving.new:
                made = {note.id: note for note in self._store.notes(ids)}
                return None
            if self._shared is None:
                return Open(self._load)
            by = self._shared
            if unasked := intake.unasked(arriving, by.fingerprint):
                return Open(lambda: intake.ask(unasked, self._models.analyzer, lambda: by))
            index = self._derived.draft()
            asked = Asking(asking.answers, asking.rounds)
            arrivals = Arrivals(self._store, index, self._rules, self._policies, self._config, asked)
            draft = intake.decide(arriving, self._models.analyzer().name, by.fingerprint, arrivals)
            if asked.unanswered:
                return Open(lambda: answer(asked))
            new = {name for _, name, _ in arriving.new}
            # These are not read after the commit, since another process may undo or erase one of them at once.
            made = {note_id: arrivals.note(note_id) for note_id in new}
            made |= {note.id: note for note in self._store.notes(set(ids) - new)}
            return Planned(draft, index)

        commit = self.commit(plan)
        if commit is not None:
            new = {change.note_id for change in commit.changes if isinstance(change, NoteChange)}
            made |= {i: note.model_copy(update={"created_at": commit.at}) for i, note in made.items() if i in new}
        return commit, [made[note_id] for note_id in ids if note_id in made]

    def load(self, parsed: Export) -> Commit | None:
        """Add the notes and links of an export without history that the memory lacks; None if it lacks none."""
        embedder = self._models.shared(self._embedder())
        made: dict[str, Passages] = {}

        def plan() -> Planned | Open | None:
            missing = export.unembedded(parsed, self._store, embedder.fingerprint, made)
            if missing:
                return Open(lambda: made.update(embed_notes(embedder, missing)))
            draft = export.plan(parsed, self._store, embedder.fingerprint, made)
            return None if draft is None else self._arrived(draft)

        return self.commit(plan)

    def restore(self, parsed: Export, path: str) -> Commit | None:
        """Replay an export with history, with its numbers and times, into an empty memory; returns its last commit.

        Raises:
            InputError: the memory has commits.
        """
        embedder = self._models.shared(self._embedder())
        passages: dict[str, Passages] = {}
        for _ in range(_TRIES):
            with self._turns.here():
                missing = export.unembedded(parsed, self._store, embedder.fingerprint, passages)
            passages.update(embed_notes(embedder, missing) if missing else {})
            with self._turns.here(), suppress(HeadMovedError):  # another namespace has erased what had a vector here
                if self._store.head():
                    raise InputError(
                        f"{path} holds a history, which loads into an empty memory only, and namespace"
                        f" {self._namespace!r} has commits: choose a new file or namespace, or export without history"
                    )
                self._name_embedder()
                export.restore(parsed, self._store, embedder.fingerprint, passages)
                self.wrote = True
                return next(self._store.commits(self._store.head() - 1), None)
        raise StoreLockedError(f"others erased what this export holds {_TRIES} times; nothing was loaded: try again")

    # --------------------------------------------------- places among the topics

    def _arrived(self, draft: Draft) -> Planned:
        """Complete a draft of notes that arrive with their links: give each note a place among the topics."""
        keys = dict.fromkeys(key for _, key in draft.arrivals if key not in draft.passages)
        vectors = {key: rounded(new) for key, new in draft.passages.items()} | self._store.passages(keys)
        absent = {note.id: (note, vectors[key]) for note, key in draft.arrivals if note.status in SEARCHED}
        return self.placed(draft, [], list(absent), absent)

    def placed(
        self, draft: Draft, leaving: Sequence[str], arriving: Sequence[str],
        absent: Mapping[str, tuple[Note, Passages]] | None = None,
    ) -> Planned:  # fmt: skip
        """Complete a draft by the changes of the topic tree that remove notes from it and insert others.

        ``leaving`` are notes that are no longer searched, ``arriving`` notes that are searched from now on. ``absent``
        holds those of the arriving notes that are not in the memory yet, with their vectors.
        """
        if not leaving and not arriving:
            return Planned(draft)
        return Planned(replace(draft, changes=(*draft.changes, *self.moves(leaving, arriving, absent))))

    def moves(
        self, leaving: Sequence[str], arriving: Sequence[str], absent: Mapping[str, tuple[Note, Passages]] | None = None
    ) -> list[TreeChange]:
        """The changes of the topic tree that remove notes from it and insert others; see ``placed``."""
        if self._shared is None:
            raise _NotLoadedError
        index = self._derived.draft()
        for note, passages in (absent or {}).values():
            if not index.has(note.id):
                index.enter(note, passages)
        return index.tree.rearrange(leaving, arriving)

    def revised(self, draft: Draft, notes: Mapping[str, Note]) -> Planned:
        """Complete a draft by the changes of places that its revisions cause: only a searched note has a place."""
        leaving: list[str] = []
        arriving: list[str] = []
        for revision in (change for change in draft.changes if isinstance(change, Revision)):
            note = notes[revision.note_id]
            was, will = note.status in SEARCHED, revision.after.get("status", note.status) in SEARCHED
            if was != will:
                (leaving if was else arriving).append(note.id)
        return self.placed(draft, leaving, arriving)

    # ----------------------------------------------------------- erasing, undoing

    def erase(self, find: Callable[[], Note]) -> Commit | None:
        """Erase the note that ``find`` reads; its arrival may have been undone.

        Raises:
            StoreError: the note is erased, but another process that reads the file keeps old pages of it.
        """
        with self._turns.here():
            head = self._store.head()

        def plan() -> Planned:
            note = find()
            moves = self.moves([note.id], []) if note.id in self._store.places() else []
            return Planned(erasure.plan(note, self._store, moves))

        try:
            return self.commit(plan)
        finally:
            with self._turns.here():
                self._derived.forget_erased()
                self._derived.discard_if_erased(head)

    def undone(self, target: Callable[[], Target], *, cascade: bool) -> Planned | None:
        """The plan that undoes a target; None if it is undone already."""
        ledger = self._derived.ledger()
        found = target()
        changes = ledger.undo(found, cascade=cascade)
        if not changes:
            return None
        return Planned(Draft("undo", (*changes, *self._restored_tree(found, changes))))

    def _restored_tree(self, targets: Target, changes: Sequence[Change]) -> Sequence[TreeChange]:
        """The changes of the topic tree that belong to an undo.

        If everything that the targets did to the tree is still in effect, it is inverted. Otherwise the tree keeps its
        shape, and notes only leave it or come back to it.
        """
        rows = self._store.arrived(c.ordinal for c in changes if isinstance(c, NoteChange) and c.after is not None)
        back: dict[str, Note] = {}
        searched: dict[str, bool] = {}
        for change in changes:
            if isinstance(change, NoteChange):
                searched[change.note_id] = change.after is not None and change.after["status"] in _SEARCHED
                if change.after is not None and change.ordinal in rows:
                    back[change.note_id] = rows[change.ordinal].model_copy(update=parsed_fields(change.after))
            elif isinstance(change, Revision) and "status" in change.after:
                searched[change.note_id] = change.after["status"] in _SEARCHED
        inverse = self._derived.ledger().tree_inverse(targets)
        places = self._store.places()
        after = places | {c.note_id: c.after for c in inverse or () if isinstance(c, Placement)}
        if inverse is not None and all((after.get(i) is not None) == has_place for i, has_place in searched.items()):
            return inverse
        leaving = [i for i, has_place in searched.items() if not has_place and i in places]
        arriving = [i for i, has_place in searched.items() if has_place and i not in places]
        if not leaving and not arriving:
            return []
        if self._shared is None:
            raise _NotLoadedError
        keys = {i: vector_key(self._shared.fingerprint, note) for i, note in back.items()}
        stored = self._store.passages(keys.values())
        absent = {i: (back[i], stored[key]) for i, key in keys.items() if key in stored}
        present = {note.id for note in self._store.notes(arriving)}
        return self.moves(leaving, [i for i in arriving if i in places or i in absent or i in present], absent)
