"""What every store does the same way: numbering commits, and turning errors of reading into zettel's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from zettel.errors import StoreDamagedError, ZettelError
from zettel.model import Commit
from zettel.protocols import Draft


def numbered(draft: Draft, head: int, now: datetime, last: datetime | None) -> Commit:
    """A draft as the commit after ``head``, made ``now``, but not before ``last``, the time of the commit before it."""
    number = head + 1
    changes = tuple(c.model_copy(update={"id": f"{number}.{i}"}) for i, c in enumerate(draft.changes, 1))
    at = now if last is None else max(now, last)  # a clock set back must not reorder the journal
    return Commit.model_construct(id=number, at=at, cause=draft.cause, changes=changes)


@contextmanager
def making_sense(place: str, remedy: str) -> Iterator[None]:
    """Turn the errors that unreadable data of a store raise into zettel's own."""
    try:
        yield
    except ZettelError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise StoreDamagedError(f"{place} holds what no zettel wrote ({reason}): {remedy}") from error
