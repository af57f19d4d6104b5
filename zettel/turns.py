"""The lock of an open memory."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from zettel.errors import StoreError


class Turns:
    """A lock for one thread at a time, which may take it again, and only in the process that opened the memory.

    A forked child has copies of its parent's files and locks. A lock may be taken in them by a thread that the child
    does not have, so the child would wait forever.
    """

    def __init__(self, end_left_over: Callable[[], None]) -> None:
        self._lock = threading.RLock()
        self._process = os.getpid()
        self._end_left_over = end_left_over

    def here(self) -> threading.RLock:
        """The lock, to be held by a ``with``: nothing of ours runs as it is taken or released, so none is interrupted.

        A thread that does not hold it yet ends first what a call has left open that was broken off.

        Raises:
            StoreError: this is another process, forked from the one that opened the memory.
        """
        self.check_process()
        if not self._lock._is_owned():  # type: ignore[attr-defined]  # noqa: SLF001 -- as threading.Condition asks
            with self._lock:
                self._end_left_over()
        return self._lock

    def check_process(self) -> None:
        """Refuse to go on in a forked child; see ``here``."""
        if os.getpid() != self._process:
            raise StoreError(
                f"this memory was opened by process {self._process}, and this is process {os.getpid()}, forked from it:"
                " open the memory again in the child"
            )
