"""What transcript formats implement: files to messages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from zettel.model import Message, Problem


@dataclass(frozen=True, slots=True)
class Transcript:
    """A file as a transcript format sees it. ``name`` is the file's name without folder and endings.

    ``text`` is the decoded content, in which bytes that are not UTF-8 stand as lone surrogates (``surrogateescape``).
    """

    uri: str
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A message and its place in the file ("line 12", "[0].session_3[7]")."""

    message: Message
    span: str


@runtime_checkable
class TranscriptFormat(Protocol):
    """Reads one transcript layout. A file in ``transcripts/`` defines ``FORMAT: TranscriptFormat``."""

    @property
    def name(self) -> str:
        """The file's name: "locomo"."""
        ...

    @property
    def suffixes(self) -> frozenset[str]:
        """Endings, lower case with dot, of the files that a folder is searched for ({".json"})."""
        ...

    def sniff(self, transcript: Transcript) -> float:
        """How sure it is that this is its format, from the content alone: 0 (no) to 1 (certain). Never raises."""
        ...

    def read(self, transcript: Transcript) -> Iterator[Entry | Problem]:
        """The messages in order; a malformed one is yielded as a ``Problem`` with its place, and the rest goes on.

        Every message has a ``conversation_id``, which is the same when the file has grown or moved to another folder.

        Raises:
            TranscriptError: nothing in the file can be read; the message says what was expected and what stands there.
        """
        ...
