"""Files that were shared with a message: their descriptions stand in its text, but nobody has said them."""

from __future__ import annotations

import re

from zettel.model import Note

# Older notes have no attachments, only their text. LoCoMo's format describes images in it like this.
_BRACKETS = re.compile(r"\[shares an? [^\]]{0,2000}\]")


def spoken(note: Note) -> str:
    """What was said in a note: its text, with a space in place of each description of an attachment.

    A note without attachments may be older than they are. So what stands in brackets as "[shares an image: ...]" counts
    as a description there. It is the only place where a description is read out of a text.
    """
    if not note.attachments:
        return _BRACKETS.sub(" ", note.text)
    pieces, end = [], 0
    for attachment in sorted(note.attachments, key=lambda attachment: attachment.start):
        pieces.append(note.text[end : attachment.start])
        end = max(end, attachment.end)
    return " ".join((*pieces, note.text[end:]))
