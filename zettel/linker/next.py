"""Links from the message before a note, in its session, to the note."""

from __future__ import annotations

from collections.abc import Iterable

from zettel.model import Link, LinkKind
from zettel.protocols import Arrival
from zettel.text import shorten

KIND: LinkKind = "next"
DEGREE = 2  # one link to the message before, one to the message after

_NAME = 60  # characters of a speaker's or a session's name


def links(arrival: Arrival) -> Iterable[Link]:
    """From the last message of the session to the arriving one."""
    for before in arrival.before[:1]:
        _, session = arrival.note.conversation or ("", "")
        session = shorten(session, _NAME)
        who = shorten(arrival.note.speaker or "", _NAME) or "it"
        said = f"{who} goes on" if before.speaker == arrival.note.speaker else f"{who} speaks"
        place = f" in session {session}" if session else ""
        yield Link(
            source_id=before.id, target_id=arrival.note.id, kind=KIND, weight=1.0,
            reason=f"{said} right after it{place}", created_by="linker/next",
        )  # fmt: skip
