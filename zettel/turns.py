"""The lock of an open memory."""

from __future__ import annotations

import os
import threading
from types import TracebackType

from zettel.errors import StoreError


class Turns:
    """One thread at a time, as often as it likes, and only in the process that opened the memory.

    A child that was forked has the files and the locks of its parent as they were at that moment, perhaps held by a
    thread that the child does not have: to wait there would be to wait forever.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._process = os.getpid()

    def __enter__(self) -> None:
        """Wait for one's turn.

        Raises:
            StoreError: this is another process, forked from the one that opened the memory.
        """
        if os.getpid() != self._process:
            raise StoreError(
                f"this memory was opened by process {self._process}, and this is process {os.getpid()}, forked from it:"
                " open the memory anew in the child"
            )
        self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Let the next thread in."""
        self._lock.release()
