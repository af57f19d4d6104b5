"""The messages around each note in its session, which are its context."""

from __future__ import annotations

from bisect import bisect_left
from typing import TypeAlias

from zettel.index._table import Table

Session: TypeAlias = tuple[str, str]  # conversation and session, as ``Note.conversation`` has them


class Sessions:
    """The rows of each session, in the order of their notes, and the windows that follow from them.

    The windows are a column of the table. ``of`` has the session of each row, ``stale`` the rows with changed windows.
    """

    def __init__(self, table: Table, window: int) -> None:
        self.of: list[Session | None] = []
        self.stale: set[int] = set()
        self._table = table
        self._window = window
        self._rows: dict[Session, list[int]] = {}

    def rows(self, session: Session | None) -> list[int]:
        """The rows in a session, in order."""
        return self._rows.get(session, []) if session is not None else []

    def append(self, session: Session | None) -> None:
        """Add a row to the table; `place` puts it into its session."""
        row = len(self.of)
        self.of.append(session)
        self._table.windows[row] = -1
        self.stale.add(row)

    def place(self, row: int, *, searched: bool) -> None:
        """Put a row into its session, or remove it: a note that is not searched is not in the context of others."""
        session = self.of[row]
        if session is None:
            return
        rows = self._rows.setdefault(session, [])
        ordinals = self._table.ordinals
        place = bisect_left(rows, ordinals[row], key=ordinals.__getitem__)  # nearly always at the end
        placed = place < len(rows) and rows[place] == row
        if searched and not placed:
            rows.insert(place, row)
            self._slide(rows, place)
        elif placed and not searched:
            del rows[place]
            self._slide(rows, place)
            self._table.windows[row] = -1
            self.stale.add(row)
        if not rows:
            del self._rows[session]

    def _slide(self, rows: list[int], place: int) -> None:
        """Set the windows of the rows near ``place`` again, after a row was inserted or removed there."""
        w = self._window
        for i in range(max(place - w, 0), min(place + w + 1, len(rows))):
            before = [rows[i - d] if i >= d else -1 for d in range(1, w + 1)]
            after = [rows[i + d] if i + d < len(rows) else -1 for d in range(1, w + 1)]
            self._table.windows[rows[i]] = before + after
            self.stale.add(rows[i])

    def resume(self, of: list[Session | None]) -> None:
        """Use saved rows, whose windows the table has already; each one that is searched is in its session."""
        self.of = of
        searched, ordinals = self._table.searched.tolist(), self._table.ordinals.tolist()
        placed = [row for row, session in enumerate(of) if session is not None and searched[row]]
        for row in sorted(placed, key=ordinals.__getitem__):
            self._rows.setdefault(of[row], []).append(row)  # type: ignore[arg-type]
