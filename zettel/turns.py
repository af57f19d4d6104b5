"""The lock of an open memory."""

from __future__ import annotations

import os
import threading
from types import TracebackType

from zettel.errors import StoreError


class Turns:
    """A lock for one thread at a time, which may take it again, and only in the process that opened the memory.

    A forked child has copies of its parent's files and locks. A lock may be taken in them by a thread that the child
    does not have, so the child would wait forever.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._process = os.getpid()

    def __enter__(self) -> None:
        """Wait for this thread's turn.

        Raises:
            StoreError: this is another process, forked from the one that opened the memory.
        """
        if os.getpid() != self._process:
            raise StoreError(
                f"this memory was opened by process {self._process}, and this is process {os.getpid()}, forked from it:"
                " open the memory again in the child"
            )
        self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Let the next thread have its turn."""
        self._lock.release()
