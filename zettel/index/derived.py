"""The one owner of what is derived from a store: index, topic tree, shortlist, ledger, and the vectors of questions."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar
from zoneinfo import ZoneInfo

from zettel.config import Config
from zettel.errors import HeadMovedError, StoreError, StoreLockedError
from zettel.filters import Filter
from zettel.index import saved
from zettel.index.checking import assert_same
from zettel.index.draft import IndexDraft
from zettel.index.exact import ExactIndex
from zettel.index.query import RawQuery
from zettel.index.ranking import Ranking
from zettel.index.shortlist import Shortlist
from zettel.index.state import IndexState, Known
from zettel.index.view import IndexView, Settings, ShortlistView, View, explain, search
from zettel.journal import Ledger
from zettel.model import Commit, Erasure, Hit, Note, WhyNot
from zettel.protocols import CandidateSource, Reader, Signal, Store, Vector

T = TypeVar("T")
_READINGS = 20  # if others write meanwhile, something is read at most so many times
_WORTH_SAVING = 1_000  # an index of fewer notes is built as quickly as it is read

_log = logging.getLogger(__name__)


class Derived:
    """Everything that is derived from a store, at exactly one head, and nothing that is not in the store.

    It is brought to the head by following the journal, or built again. A part that is to be changed is dropped first,
    and kept again when it is complete. So an error or an interrupt costs time wherever it comes, but leaves nothing
    half done. A plan works on a draft over the state, which does not change the state.

    ``fingerprint`` returns the embedder's fingerprint and is called when the index is first built. Not safe for several
    threads.
    """

    def __init__(
        self, reader: Reader, store: Store | None, namespace: str, fingerprint: Callable[[], str],
        signals: tuple[Signal, ...], config: Config, zone: ZoneInfo,
    ) -> None:  # fmt: skip
        self._reader = reader
        self._store = store  # None for an earlier state, which has no journal to follow
        self._candidates = reader if isinstance(reader, CandidateSource) else None  # asked once, since it takes long
        self._namespace = namespace
        self._fingerprint = fingerprint
        self._settings = Settings(signals, config, zone)
        self._state: IndexState | None = None
        self._shortlist: Shortlist | None = None
        self._ledger: Ledger | None = None
        self._questions: OrderedDict[str, Vector] = OrderedDict()
        self._erased: set[str] = set()  # for an earlier state: the notes that were erased when it was built
        self._n_saved = 0  # the number of notes in the index when it was last saved or loaded

    # ------------------------------------------------------------------ reading

    def steadily(self, read: Callable[[], T]) -> T:
        """Return what ``read`` reads at one head; call it again if others wrote to the store before it returned.

        If others write each time, they are kept out during the last call.

        Raises:
            StoreLockedError: others write each time, and can't be kept out, since the store is open for reading only.
        """
        for _ in range(_READINGS):
            try:
                with self._reader.at_one_head():
                    return read()
            except HeadMovedError:
                self.head_moved()
        if self._store is None or self._store.read_only:
            raise StoreLockedError(f"others wrote each of the {_READINGS} times that this was read: try again")
        with self._store.alone():
            return read()

    def head_moved(self) -> None:
        """Drop what may be of two heads, because others wrote while it was read."""
        if self._state is not None:
            self._state.drop_tree()

    def search(self, question: RawQuery, allowed: Filter, k: int) -> list[Hit]:
        """The ``k`` notes that answer a question best, best first."""
        return self.steadily(lambda: self._asked(lambda view: search(view, self._reader, question, allowed, k)))

    def ranking(self, question: RawQuery, allowed: Filter, k: int) -> Ranking | None:
        """The ranking by which ``search`` orders its hits; None if there is no note."""
        return self.steadily(lambda: self._asked(lambda view: view.ranking(question, allowed, k)))

    def why_not(self, question: RawQuery, note: Callable[[], Note], allowed: Filter, k: int) -> WhyNot:
        """Why a search did not return a note; ``note`` reads the note."""
        return self.steadily(lambda: self._asked(lambda view: explain(view, question, note(), allowed, k)))

    def _asked(self, ask: Callable[[View], T]) -> T:
        """Ask a view of the head, and return its answer."""
        source = self._candidates
        if source is None or source.n_notes() < max(self._config.exact_below, 1):
            return ask(self.view())
        shortlist, self._shortlist = self._shortlist, None
        if shortlist is None:
            shortlist = Shortlist(source, self._fingerprint(), self._config, self._empty())
        answer = ask(ShortlistView(shortlist, self._settings))
        self._shortlist = shortlist
        return answer

    def view(self) -> IndexView:
        """A view of the whole index at the head. It is made and used inside ``at_one_head`` of the store."""
        return IndexView(self.at_head(), self._reader, self._settings)

    def at_head(self) -> IndexState:
        """Index and tree at the head. It is called inside ``at_one_head`` of the store."""
        if self._store is None and self._erased != (erased := self._reader.erased()):
            self._state, self._erased = None, erased
        head = self._reader.head()
        state = self._state
        if state is not None and state.head > head:
            state = self._state = None
        if state is None:
            state = self._loaded() or self._built()
        if state.head < head:
            commits = list(self._reader.commits(state.head, head))
            step = state.gathered(commits, Known())
            if any(isinstance(change, Erasure) for commit in commits for change in commit.changes):
                self._forget_texts()
            self._state = None
            state.follow(step)
        if state.index.is_mostly_dead or not state.index.is_ordered:
            self._state = None
            state.repack()
        self._state = state
        return state

    def check(self) -> None:
        """Assert that the state at the head equals the one that a fresh process would build from the store.

        Raises:
            AssertionError: they differ.
        """
        state = self._state
        if state is not None and state.head == self._reader.head():
            assert_same(state, IndexState.built(self._empty(), self._reader, self._fingerprint()))

    def question_vector(self, text: str) -> Vector | None:
        """The vector of a question that was asked not long ago; None if it has to be made."""
        vector = self._questions.get(text)
        if vector is not None:
            self._questions.move_to_end(text)
        return vector

    def keep_question(self, text: str, vector: Vector) -> None:
        """Keep a question's vector; if there are too many, drop that of the question that was least recently asked."""
        self._questions[text] = vector
        while len(self._questions) > self._config.query_cache:
            self._questions.popitem(last=False)

    # ------------------------------------------------------------------ writing

    def draft(self) -> IndexDraft:
        """A draft for a plan, over index and tree at the head. It is made inside ``at_one_head`` of the store."""
        return self.at_head().draft()

    def adopt(self, commit: Commit, draft: IndexDraft) -> None:
        """Move on to a durable commit by the draft that it was planned on, which has all its notes as they are now."""
        state = self._state
        if state is None or state.head != commit.id - 1 or not draft.covers(commit):
            return  # the journal is followed when the state is next needed
        notes = {note_id: note.model_copy(update={"created_at": commit.at}) for note_id, note in draft.notes.items()}
        step = state.gathered([commit], Known(notes, draft.passages, draft.documents))
        self._state = None
        state.follow(step)
        self._state = state

    def ledger(self) -> Ledger:
        """The ledger of the journal up to the head. It is called inside ``at_one_head`` of the store."""
        ledger = self._ledger or Ledger()
        tail = list(self._reader.commits(ledger.head))
        if any(isinstance(change, Erasure) for commit in tail for change in commit.changes):
            ledger, tail = Ledger(), list(self._reader.commits())  # earlier commits were blanked, so all are read
        self._ledger = None
        ledger.extend(tail)
        self._ledger = ledger
        return ledger

    def forget_erased(self) -> None:
        """Let go of whatever was erased by a commit that was just tried."""
        self._forget_texts()
        state, self._state = self._state, None
        if state is not None:
            with suppress(StoreError):  # then it is built again when it is needed
                self._state = state
                self.steadily(self.at_head)
                return
            self._state = None

    def _forget_texts(self) -> None:
        """Drop what is kept of texts outside the index, since something was erased; the index follows the journal."""
        self._shortlist = self._ledger = None
        self._questions.clear()

    # ------------------------------------------------------- the index beside the store

    def save(self) -> None:
        """Save the index beside the store, if many notes came or went since it was last saved."""
        store, state = self._store, self._state
        folder = store.beside if store and not store.read_only else None
        if folder is None or state is None or len(state.index) < _WORTH_SAVING:
            return
        if abs(len(state.index) - self._n_saved) <= len(state.index) // 20:
            return  # following a few commits after loading costs less than saving all of it again
        state, made_of = self.steadily(lambda: (found := self.at_head(), self._made_of(found.head)))
        if made_of is None:
            return
        if saved.save(state.index, state.head, folder, self._namespace, self._fingerprint(), made_of):
            self._n_saved = len(state.index)
        else:
            _log.warning("the index could not be saved in %s: the next opening builds it again", folder)
        self.discard_if_erased(state.head)

    def discard_if_erased(self, head: int) -> None:
        """Delete the saved index if something was erased after ``head``, at which it was saved.

        Raises:
            StoreError: it has text that was erased, and can't be deleted.
        """
        store = self._store
        if store is None or store.read_only or store.beside is None:
            return
        if any(isinstance(change, Erasure) for commit in self._reader.commits(head) for change in commit.changes):
            try:
                saved.discard(store.beside, self._namespace)
            except OSError as error:
                raise StoreError(
                    f"the index beside the memory holds what was erased, and can't be deleted ({error}): delete the"
                    f" folder {store.beside}"
                ) from error
            self._n_saved = 0

    def _loaded(self) -> IndexState | None:
        """The state with the index that was saved beside the store; None if there is none that fits."""
        folder = self._store.beside if self._store else None
        if folder is None:
            return None
        index = self._empty()
        head = saved.load(index, folder, self._namespace, self._fingerprint(), self._made_of)
        if head is None:
            return None
        self._n_saved = len(index)
        self.discard_if_erased(head)
        _log.debug("loaded the index of %d notes at commit %d", len(index), head)
        return IndexState(index, head, self._reader, self._fingerprint())

    def _built(self) -> IndexState:
        state = IndexState.built(self._empty(), self._reader, self._fingerprint())
        _log.debug("built the index of %d notes at commit %d", len(state.index), state.head)
        return state

    def _empty(self) -> ExactIndex:
        config = self._config
        own = [column for signal in self._settings.signals for column in getattr(signal, "COLUMNS", ())]
        return ExactIndex(
            config.window, self._settings.zone, bits=config.lsh_bits, exact_below=config.exact_below, own=own
        )  # fmt: skip

    def _made_of(self, number: int) -> str | None:
        """A text that identifies a commit, so that another memory at the same path is recognized."""
        commit = next(self._reader.commits(number - 1, number), None)
        return None if commit is None else f"{commit.at.isoformat()} {commit.cause} {len(commit.changes)}"

    @property
    def _config(self) -> Config:
        return self._settings.config
