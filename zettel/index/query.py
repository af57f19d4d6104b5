"""Questions: checking what is asked, and reading its terms and the time it speaks of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from zettel.errors import InputError
from zettel.protocols import Query, Vector
from zettel.text import terms
from zettel.times import query_interval

_LAST = datetime.max.replace(microsecond=0, tzinfo=UTC).timestamp()  # a float is too coarse for its microseconds


@dataclass(frozen=True, slots=True)
class RawQuery:
    """A text with its vector; ``at`` is the time of the question, None for the memory's own present."""

    text: str
    vector: Vector
    at: datetime | None = None

    def read(self, present: Callable[[], datetime]) -> Query:
        """The question with its stems and the time it speaks of; ``present`` gives the memory's own present."""
        return read_query(self.text, self.vector, self.at or present())


def check_query(text: str, k: int) -> None:
    """Refuse a question that can't be searched for.

    Raises:
        InputError: it is empty or not a text, or ``k`` is below 1.
    """
    if not isinstance(text, str) or not text.strip():
        raise InputError(f"the query is empty ({text!r}): ask in words")
    if any("\ud800" <= c <= "\udfff" for c in text):
        raise InputError("the query holds a lone surrogate, which is no character: decode it properly first")
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise InputError(f"k is {k!r}: it must be a whole number of at least 1")


def read_query(text: str, vector: Vector, at: datetime) -> Query:
    """A question, asked ``at`` a time, with its stems and the time it speaks of."""
    since, until = query_interval(text, at) or (None, None)
    return Query(text, tuple(terms(text)), vector, at, since, until)


def present(newest: float | None) -> datetime:
    """The time of a question if the caller gives none: the latest time of a note, which is the memory's own present.

    So the same question to the same memory has the same answer whatever the clock says. ``newest`` is in seconds
    since 1970; None if it is unknown.
    """
    return datetime.now(UTC) if newest is None else datetime.fromtimestamp(min(newest, _LAST), UTC)
