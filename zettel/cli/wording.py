"""Notes, links and topics in words. Pure: values in, text out."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from zettel.errors import Call
from zettel.model import Link, Note, Source, Topic
from zettel.text import shorten
from zettel.times import describe

_GENERATED_ID = re.compile(r"z1[0-9a-f]{24}|[0-9a-f-]{20,}")
_SHORT_ID = 12
_TITLE = 48  # characters of a note's text that its title has
_NAME = 80  # and of a speaker's or a topic's name

_COMMANDS = {"history": "show", **{name: name for name in ("search", "log", "links", "export", "load")}}
"""The commands that do the work of a method."""

#: What a note is called in a line about it, by its id.
Title = Callable[[str], str]


def short_id(note_id: str) -> str:
    """The beginning of a generated id, long enough to name the note; an id that a person gave stays whole."""
    return note_id[:_SHORT_ID] if _GENERATED_ID.fullmatch(note_id) else note_id


def title(note_id: str, note: Note | None) -> str:
    """A note in a few words: its id, who said it, and how it begins; only the id if the note is gone."""
    if note is None:
        return short_id(note_id)
    speaker = f"{shorten(note.speaker, _NAME)}: " if note.speaker else ""
    return f"{short_id(note_id)} {speaker}“{shorten(note.text, _TITLE)}”"


def when(note: Note) -> str:
    """When it happened: "8 May 2023, 13:56"."""
    return describe(note.time, note.time_precision or "second") if note.time else "time unknown"


def stamp(time: datetime) -> str:
    """A time of the journal: "2025-03-04 18:30:05"."""
    return f"{time:%Y-%m-%d %H:%M:%S}"


def origin(source: Source) -> str:
    """Where a text comes from: file, place in it, conversation, session and message, each only once."""
    parts = [file_name(source.uri)] if source.uri else []
    parts += [source.span] if source.span else []
    parts += [f"conversation {source.conversation_id}"] if source.conversation_id and not source.uri else []
    parts += [f"session {source.session_id}"] if source.session_id else []
    parts += [f"message {source.message_id}"] if source.message_id else []
    return ", ".join(parts) or "no source"


def file_name(uri: str) -> str:
    """The name of the file at a ``file://`` address; any other address as it is."""
    return unquote(urlsplit(uri).path).rsplit("/", 1)[-1] if uri.startswith("file://") else uri


def path_of(uri: str) -> str:
    """The path of the file at a ``file://`` address, below this folder if it is; any other address as it is."""
    if not uri.startswith("file://"):
        return uri
    path = Path(url2pathname(urlsplit(uri).path))
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def neighbor(link: Link, note_id: str) -> str:
    """The other end of a link of a note."""
    return link.source_id if link.target_id == note_id else link.target_id


def ways(note_id: str, links: Iterable[Link]) -> list[tuple[Link, str]]:
    """Links that were walked from a note, each with the note that it leads to; those of the note itself come first."""
    reached = {note_id}
    found = []
    for link in sorted(links, key=lambda link: note_id not in link.key):
        there = link.source_id if link.target_id in reached else link.target_id
        reached.add(there)
        found.append((link, there))
    return found


def above(address: str, topics: Iterable[Topic]) -> list[Topic]:
    """The topics that an address leads through, from the top down."""
    return [topic for topic in topics if f"{address}.".startswith(f"{topic.address}.")]


def trail(topics: Iterable[Topic]) -> str:
    """The names of topics, from the top down: "house › roof and walls"."""
    return " › ".join(topic_name(topic) for topic in topics)


def topic_name(topic: Topic) -> str:
    """A topic's name on one line."""
    return shorten(topic.name, _NAME)


def count(number: int, noun: str) -> str:
    """A number of things: "1 note", "2 notes"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


# ------------------------------------------------------------ the command line


def command(name: str, memory: str, *words: str, namespace: str = "default") -> str:
    """A command as it is typed: ``zettel undo agent.zettel 12.3``."""
    option = [] if namespace == "default" else ["--namespace", namespace]
    return shlex.join(["zettel", name, memory, *words, *option])


def typed(call: Call) -> str:
    """A method of the library or an argument of one as it is typed: ``--cascade``, ```zettel log```."""
    if call.argument is not None:
        return f"--{call.argument}"
    return f"`zettel {_COMMANDS[call.name]}`" if call.name in _COMMANDS else str(call)
