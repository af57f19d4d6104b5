"""What every store does the same way: numbering commits, telling which notes a change speaks of, reading its rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from zettel.errors import StoreDamagedError, ZettelError
from zettel.model import Change, Commit, NoteChange, Revision, touched
from zettel.protocols import Draft


def numbered(draft: Draft, head: int, now: datetime, last: datetime | None) -> Commit:
    """A draft as the commit after ``head``, made ``now``: not before ``last``, the time of the commit before it."""
    number = head + 1
    changes = tuple(c.model_copy(update={"id": f"{number}.{i}"}) for i, c in enumerate(draft.changes, 1))
    at = now if last is None else max(now, last)  # a clock set back must not reorder the journal
    return Commit.model_construct(id=number, at=at, cause=draft.cause, changes=changes)


def spoken_of(change: Change) -> tuple[str, ...]:
    """The notes under which a commit is found again: those it is about, and those whose text it quotes."""
    match change:  # not by getattr: pydantic takes long to say that there is no such field
        case Revision(note_id=note_id, derived_from=derived, trigger=trigger):
            return (note_id, *derived, trigger) if trigger else (note_id, *derived)
        case NoteChange(note_id=note_id, derived_from=derived):
            return (note_id, *derived)
    return touched(change)


@contextmanager
def making_sense(place: str, remedy: str) -> Iterator[None]:
    """Turn the errors of making sense of what a store holds into ours."""
    try:
        yield
    except ZettelError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise StoreDamagedError(f"{place} holds what no zettel wrote ({reason}): {remedy}") from error
