"""The protocol of transcript formats, which read files and give messages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from zettel.model import Message, Problem


@dataclass(frozen=True, slots=True)
class Transcript:
    """A file as a transcript format sees it. ``name`` is the file's name without folder and endings.

    ``text`` is the decoded content. Bytes that are not UTF-8 are lone surrogates in it (``surrogateescape``).
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
        """The endings of files with this format, in lower case and with a dot ({".json"}), for searching folders."""
        ...

    def sniff(self, transcript: Transcript) -> float:
        """The confidence that the content has this format, from 0 (no) to 1 (certain). Nothing is raised."""
        ...

    def read(self, transcript: Transcript) -> Iterator[Entry | Problem]:
        """The messages in order. A malformed one becomes a ``Problem`` with its place, and reading goes on after it.

        Every message has a ``conversation_id``, which stays the same when the file grows or moves to another folder.

        Raises:
            TranscriptError: nothing in the file can be read; the error says what was expected and what was found.
        """
        ...
