"""A view of a memory at one head, which ranks the notes that answer a question and explains the ranking."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from zettel.config import Config
from zettel.embedding import check_dimension
from zettel.errors import NotFoundError
from zettel.filters import Filter, in_zone
from zettel.index.query import RawQuery, present
from zettel.index.ranking import Ranking, rank, why_not
from zettel.index.routing import route
from zettel.index.shortlist import Shortlist
from zettel.index.state import IndexState
from zettel.model import Hit, Note, WhyNot
from zettel.protocols import Reader, Signal


@dataclass(frozen=True, slots=True)
class Settings:
    """The signals and settings by which every view ranks."""

    signals: Sequence[Signal]
    config: Config
    zone: ZoneInfo


class View(Protocol):
    """A memory at one head. It is used inside ``at_one_head`` of its store."""

    @property
    def is_exact(self) -> bool:
        """Whether every search scores all notes."""
        ...

    def ranking(
        self, question: RawQuery, allowed: Filter, k: int, *, exact: bool = False, forced: Collection[str] = ()
    ) -> Ranking | None:
        """Score the notes that may be among the best ``k``; None if there is no note.

        With ``exact``, all notes are scored, if the view has them all. Notes in ``forced`` are scored in any case.
        """
        ...


class IndexView:
    """A view of a whole index; see ``View``. From ``Config.exact_below`` notes on, searches are routed."""

    def __init__(self, state: IndexState, reader: Reader, settings: Settings) -> None:
        self._state = state
        self._reader = reader
        self._settings = settings
        self.index = state.index
        self.is_exact = len(state.index) < settings.config.exact_below

    def ranking(
        self, question: RawQuery, allowed: Filter, k: int, *, exact: bool = False, forced: Collection[str] = ()
    ) -> Ranking | None:
        """See ``View``; ``forced`` is ignored, since ``exact`` scores every note here."""
        del forced
        index, config = self.index, self._settings.config
        if not len(index):
            return None
        check_dimension(question.vector.shape[-1], index.dimension)
        query = question.read(self._present)
        way = None if exact or self.is_exact else route(index, self._state.tree, question.vector, config)
        return rank(index, query, allowed, self._settings.signals, config, self._reader.links, route=way, k=k)

    def _present(self) -> datetime:
        return in_zone(present(self.index.newest()), self._settings.zone)


class ShortlistView:
    """A view of a memory that is too large to be read; see ``View`` and ``shortlist``."""

    is_exact = False

    def __init__(self, shortlist: Shortlist, settings: Settings) -> None:
        self._shortlist = shortlist
        self._settings = settings

    def ranking(
        self, question: RawQuery, allowed: Filter, k: int, *, exact: bool = False, forced: Collection[str] = ()
    ) -> Ranking | None:
        """See ``View``; ``exact`` makes no difference, since only the candidates and ``forced`` notes can be scored."""
        del exact
        query = question.read(lambda: in_zone(self._shortlist.present(), self._settings.zone))
        return self._shortlist.rank(query, allowed, self._settings.signals, k, forced)


def search(view: View, reader: Reader, question: RawQuery, allowed: Filter, k: int) -> list[Hit]:
    """The ``k`` notes that answer a question best, best first."""
    ranking = view.ranking(question, allowed, k)
    return ranking.hits(k, reader) if ranking else []


def explain(view: View, question: RawQuery, note: Note, allowed: Filter, k: int) -> WhyNot:
    """Why a search did not return a note.

    Raises:
        NotFoundError: the memory has no note that can be searched.
    """
    whole = view.ranking(question, allowed, k, exact=True, forced=[note.id])
    if whole is None:
        raise NotFoundError(f"note {note.id!r} can't be searched: the memory has no note with vectors")
    if view.is_exact:
        return why_not(whole, note, allowed, k)
    routed = view.ranking(question, allowed, k)
    found = set() if routed is None else {routed.index.ids[row] for row in routed.top(k)}
    return why_not(whole, note, allowed, k, found, shortlisted=isinstance(view, ShortlistView))
