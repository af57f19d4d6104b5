"""Files that were shared with a message: their descriptions are part of its text, but nobody said them."""

from __future__ import annotations

import re

from zettel.model import Note

# Older notes have no attachments, only a text, in which LoCoMo's format described images like this.
_BRACKETS = re.compile(r"\[shares an? [^\]]{0,2000}\]")


def spoken(note: Note) -> str:
    """What was said in a note: its text, with a space in place of each description of an attachment.

    A note without attachments may have been made before zettel kept attachments. So in such a note, text of the form
    "[shares an image: ...]" counts as a description. Nowhere else is a description read out of a text.
    """
    if not note.attachments:
        return _BRACKETS.sub(" ", note.text)
    pieces, end = [], 0
    for attachment in sorted(note.attachments, key=lambda attachment: attachment.start):
        pieces.append(note.text[end : attachment.start])
        end = max(end, attachment.end)
    return " ".join((*pieces, note.text[end:]))
