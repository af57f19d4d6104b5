"""Faults at every point of a call: the n-th call of the store, statement of SQLite, or line of zettel that it comes by.

A fault is tried in two steps: the points of a kind are counted first, on a copy, and then one of them is chosen.
"""

from __future__ import annotations

import dis
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import cache, wraps
from pathlib import Path
from types import CodeType, FrameType, TracebackType
from typing import Any, Literal

import zettel
from zettel.errors import HeadMovedError, StoreError, StoreFullError, StoreLockedError
from zettel.protocols import Store

Kind = Literal["call", "statement", "line", "new line"]

_HOME = str(Path(zettel.__file__).parent)
_CALLS = frozenset(name for name in dir(Store) if not name.startswith("_")) - {"read_only", "beside", "close"}
_MOMENTS = frozenset({"at_one_head", "alone"})
_MAY_MOVE = frozenset({"append", "the end of at_one_head"})  # calls that may say that others wrote meanwhile
_SQLITE = {"busy": (sqlite3.SQLITE_BUSY, "SQLITE_BUSY", "database is locked"),
           "full": (sqlite3.SQLITE_FULL, "SQLITE_FULL", "database or disk is full"),
           "io": (sqlite3.SQLITE_IOERR, "SQLITE_IOERR", "disk I/O error")}  # fmt: skip


@dataclass
class Points:
    """Counts the points of one kind that a call comes by; has something happen at one of them.

    ``at`` counts from 1; 0 only counts. ``after`` has it happen when the store's call is done, instead of before it.
    """

    kind: Kind
    at: int = 0
    happens: Callable[[str], BaseException | None] = lambda where: None
    after: bool = False
    n: int = 0
    where: str = ""  # the point at which it happened
    raised: BaseException | None = None
    _depth: int = 0
    _lines: set[tuple[CodeType, int]] = field(default_factory=set)

    def come_by(self, where: str) -> None:
        self.n += 1
        if self.n == self.at:
            self.where = where
            self._depth += 1  # what is done here by others is no point of this call
            try:
                self.raised = self.happens(where)
            finally:
                self._depth -= 1
            if self.raised is not None:
                raise self.raised

    @contextmanager
    def inside(self) -> Iterator[None]:
        """The inside of a store's call, whose own calls don't count."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1

    def is_at_line(self, frame: FrameType) -> bool:
        if self._depth or frame.f_lasti not in _interruptible(frame.f_code):
            return False
        if self.kind == "new line":
            here = frame.f_code, frame.f_lasti
            if here in self._lines:
                return False
            self._lines.add(here)
        return True


_current: list[Points] = []


def _points(kind: str) -> Points | None:
    return _current[-1] if _current and _current[-1].kind == kind and not _current[-1]._depth else None


@contextmanager
def at(points: Points) -> Iterator[Points]:
    """Inside it, the points are counted, and what is to happen at one of them happens."""
    _current.append(points)
    before = sys.gettrace()

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        if not frame.f_code.co_filename.startswith(_HOME):
            return None
        if event == "line" and points.is_at_line(frame):
            points.come_by(f"{frame.f_code.co_filename}:{frame.f_lineno}")
        return trace

    if points.kind in ("line", "new line"):
        sys.settrace(trace)
    try:
        yield points
    finally:
        sys.settrace(before)
        _current.pop()


@cache
def _interruptible(code: CodeType) -> frozenset[int]:
    """The offsets of lines at which a signal may end the line: those that call something, or go round a loop.

    CPython looks for signals there. The line that leaves a ``with`` is none: what it calls is the exit itself.
    """
    starts = [offset for offset, line in dis.findlinestarts(code) if line is not None]
    found: dict[int, list[dis.Instruction]] = {start: [] for start in starts}
    here: list[dis.Instruction] | None = None
    for instruction in dis.get_instructions(code):
        here = found.get(instruction.offset, here)
        if here is not None:
            here.append(instruction)
    return frozenset(start for start, line in found.items() if _calls(line) and not _leaves_with(line))


def _calls(line: list[dis.Instruction]) -> bool:
    return any(i.opname.startswith(("CALL", "JUMP_BACKWARD", "FOR_ITER")) for i in line)


def _leaves_with(line: list[dis.Instruction]) -> bool:
    names = [i for i in line if i.opname not in ("NOP", "SWAP", "COPY", "POP_TOP", "CACHE", "PUSH_EXC_INFO")]
    return any(i.opname == "WITH_EXCEPT_START" for i in names[:1]) or (
        len(names) > 3 and all(i.opname == "LOAD_CONST" and i.argval is None for i in names[:3])
    )


# ------------------------------------------------------------------- what happens


def store_error(name: str) -> Callable[[str], BaseException]:
    """What a store's call raises: "locked", "full", "failed", "moved", or "interrupt", "memory" by Python itself."""

    def make(where: str) -> BaseException:
        if name == "moved" and where in _MAY_MOVE:
            return HeadMovedError("others wrote meanwhile (a fault for the test)")
        errors: dict[str, type[BaseException]] = {
            "full": StoreFullError, "failed": StoreError, "interrupt": KeyboardInterrupt, "memory": MemoryError,
        }  # fmt: skip
        return errors.get(name, StoreLockedError)(f"{name} (a fault for the test)")

    return make


def statement_error(name: str) -> Callable[[str], BaseException]:
    """What a statement of SQLite raises: "busy", "full", "io", or "interrupt"."""

    def make(where: str) -> BaseException:
        if name not in _SQLITE:
            return KeyboardInterrupt("a fault for the test")
        code, called, text = _SQLITE[name]
        error = sqlite3.OperationalError(text)
        error.sqlite_errorcode, error.sqlite_errorname = code, called
        return error

    return make


# ------------------------------------------------------------------------ wrapping


class Connection(sqlite3.Connection):
    """A connection whose statements are points."""

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        return self._done(super().execute, statement, *values)

    def executemany(self, statement: str, *values: Any) -> sqlite3.Cursor:
        return self._done(super().executemany, statement, *values)

    def _done(self, execute: Callable[..., sqlite3.Cursor], statement: str, *values: Any) -> sqlite3.Cursor:
        can_fail = not statement.startswith("ROLLBACK") and statement != "SELECT 1"  # which reads no file
        points = _points("statement") if can_fail else None
        where = " ".join(statement.split())[:60]
        if points is not None and not points.after:
            points.come_by(where)
        cursor = execute(statement, *values)
        if points is not None and points.after:
            points.come_by(f"after {where}")
        return cursor


class _Moment(AbstractContextManager[Any]):
    """A store's context manager, of which entering is a point, and leaving another."""

    def __init__(self, name: str, inner: AbstractContextManager[Any]) -> None:
        self._name, self._inner = name, inner

    def __enter__(self) -> Any:
        points = _points("call")
        if points is None:
            return self._inner.__enter__()
        points.come_by(self._name)
        with points.inside():
            return self._inner.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        points = _points("call")
        if points is None:
            return self._inner.__exit__(kind, error, traceback)
        with points.inside():
            handled = self._inner.__exit__(kind, error, traceback)
        if error is None:
            points.come_by(f"the end of {self._name}")
        return handled


def _counted(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def call(self: Any, *values: Any, **named: Any) -> Any:
        points = _points("call")
        if name in _MOMENTS:
            return _Moment(name, method(self, *values, **named))
        if points is None:
            return method(self, *values, **named)
        if not points.after:
            points.come_by(name)
        with points.inside():
            result = method(self, *values, **named)
        if points.after:
            points.come_by(name)
        return result

    return call


def points_of(store: type[Any]) -> dict[str, Callable[..., Any]]:
    """The methods of a class of stores, as points: for ``monkeypatch.setattr``."""
    return {name: _counted(name, getattr(store, name)) for name in _CALLS if callable(getattr(store, name, None))}
