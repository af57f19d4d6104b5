"""SQLite's errors as zettel's own, each with its remedy."""

from __future__ import annotations

import sqlite3

from zettel.errors import ReadOnlyError, StoreDamagedError, StoreError, StoreFullError, StoreLockedError


def translated(error: sqlite3.Error, where: str, busy_timeout_s: float) -> StoreError | ReadOnlyError:
    """The error to raise for one of SQLite's about the memory ``where``, which was waited for for so many seconds."""
    name = getattr(error, "sqlite_errorname", "") or ""
    if isinstance(error, sqlite3.ProgrammingError) and "closed" in str(error):
        return StoreError(f"the memory {where} is closed: open it again")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return StoreLockedError(
            f"{where} was locked by another process for {busy_timeout_s:g} s; nothing was written: wait for"
            " it, or raise Config.busy_timeout_s"
        )
    if name.startswith("SQLITE_FULL"):
        return StoreFullError(f"no space left for {where}; nothing of this commit was written: free some and retry")
    if name.startswith("SQLITE_READONLY"):
        return ReadOnlyError(
            f"{where} can't be written (file, folder or disk is read-only): open it read_only=True"
        )
    damaged = "no such ", "Could not decode "  # a table is missing, or a text is not UTF-8
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or str(error).startswith(damaged):
        return StoreDamagedError(f"{where} is damaged or no zettel memory ({error}): restore a copy of the file")
    reason = f"{error}, {name or type(error).__name__}"
    return StoreError(f"{where} failed ({reason}): check that the file can be read and written")
