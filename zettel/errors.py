"""Every error zettel raises on purpose.

::

    ZettelError
    ├── InputError            a value the caller gave cannot be used
    ├── NotFoundError         no such note, commit, revision or namespace
    ├── ConflictError         an undo is blocked by later changes
    ├── ReadOnlyError         a change was asked of a memory opened for reading
    ├── TranscriptError       a file could not be read as a transcript
    ├── AnalyzerError         an analyzer could not do its work
    ├── PluginError           a link rule or an evolution policy could not do its work
    ├── EmbedderError         an embedder could not do its work
    │   ├── ModelNotFoundError    its weights are not on this machine
    │   └── EmbedderMismatchError the memory was made by another embedder
    ├── MissingExtraError     an optional package is not installed
    └── StoreError            the file or server that holds the memory failed
        ├── StoreAccessError      the server does not let this user in
        ├── StoreLockedError      another process held it for too long
        ├── StoreFullError        no space left
        ├── StoreVersionError     it was written by a newer zettel
        ├── StoreDamagedError     it is not a zettel memory, or no longer whole
        └── HeadMovedError        another writer committed first (retried inside)

A message says what went wrong, with which value, and the way out. If the way out is a call, or an argument of one, then
``remedy`` holds it as data, and the message spells it as Python does. A command line spells it in its own way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Call:
    """A method of a memory that helps, or an argument of one; ``value`` is None for an argument of any value."""

    name: str
    argument: str | None = None
    value: object = None

    def __str__(self) -> str:
        """As Python spells it: ``log()``, ``cascade=True``, ``trigger=``."""
        if self.argument is None:
            return f"{self.name}()"
        return f"{self.argument}={'' if self.value is None else repr(self.value)}"


@dataclass(frozen=True, slots=True)
class Remedy:
    """The way out of an error: words with a ``{}`` for each of the calls."""

    words: str
    calls: tuple[Call, ...]

    def __str__(self) -> str:
        """As Python spells it."""
        return self.worded(str)

    def worded(self, spell: Callable[[Call], str]) -> str:
        """The words, with each call as ``spell`` spells it."""
        return self.words.format(*map(spell, self.calls))


def see(*names: str, words: str = "see {}") -> Remedy:
    """A remedy that names methods: ``see("log")`` reads "see log()"."""
    return Remedy(words, tuple(map(Call, names)))


class ZettelError(Exception):
    """The root: catching it catches every error zettel raises on purpose.

    ``remedy`` stands at the end of the message; it is None if no call helps, and the message then tells what does.
    """

    def __init__(self, message: str = "", *, remedy: Remedy | None = None) -> None:
        super().__init__(message if remedy is None else f"{message} {remedy}")
        self.remedy = remedy
        self._problem = message

    def worded(self, spell: Callable[[Call], str]) -> str:
        """The message, with the calls of its remedy as ``spell`` spells them."""
        return str(self) if self.remedy is None else f"{self._problem} {self.remedy.worded(spell)}"


class InputError(ZettelError, ValueError):
    """A value the caller gave cannot be used.

    ``items`` lists the bad ones of a batch as ``(position, reason)``, positions counted from 0; it is empty if the call
    took a single value.
    """

    def __init__(self, message: str, items: Sequence[tuple[int, str]] = (), *, remedy: Remedy | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.items = tuple(items)


class NotFoundError(ZettelError, LookupError):
    """No such note, commit, revision or namespace."""


class ConflictError(ZettelError):
    """An undo is blocked by later changes.

    ``blocking`` holds the ids of those changes (such as ``"12.3"``), newest first.
    """

    def __init__(self, message: str, blocking: Sequence[str] = (), *, remedy: Remedy | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.blocking = tuple(blocking)


class ReadOnlyError(ZettelError):
    """A change was asked of a memory opened for reading, or of one shown as of an earlier time."""


class TranscriptError(ZettelError):
    """A file could not be read as a transcript."""


class AnalyzerError(ZettelError):
    """An analyzer could not do its work."""


class PluginError(ZettelError):
    """A link rule or an evolution policy could not do its work; the message names it."""


class EmbedderError(ZettelError):
    """An embedder could not do its work."""


class ModelNotFoundError(EmbedderError):
    """The weights of a model are not on this machine; the message names the ways to get them."""


class EmbedderMismatchError(EmbedderError):
    """The memory's vectors were made by another embedder than the one given."""


class MissingExtraError(ZettelError, ImportError):
    """An optional package is not installed; the message holds the command that installs it."""


class StoreError(ZettelError):
    """The file or server that holds the memory failed."""


class StoreAccessError(StoreError):
    """The server does not let this user in, or wants a password."""


class StoreLockedError(StoreError):
    """Another process held the store for longer than the busy timeout."""


class StoreFullError(StoreError):
    """No space is left where the store lives; nothing of the refused commit was kept."""


class StoreVersionError(StoreError):
    """The store was written by a newer zettel."""


class StoreDamagedError(StoreError):
    """The file is not a zettel memory, or is no longer whole."""


class HeadMovedError(StoreError):
    """Another writer committed first: the plan must be made again on the new head."""
