"""Files that are shared with messages: what the text says of them is told by its place, and nobody has said it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError
from traces import traces

from zettel import Message
from zettel.attachments import spoken
from zettel.memory import Memory
from zettel.model import Attachment, Note, NoteChange

Opener = Callable[..., Memory]
TEXT = "Look! {a kiln} It is new. {a pot} Bye."


def picture(shown: str, text: str = TEXT) -> Attachment:
    start = text.index(f"{{{shown}}}")
    return Attachment(kind="image", description=shown, start=start, end=start + len(shown) + 2)


def share(memory: Memory, *attachments: Attachment) -> Note:
    [note] = memory.add_many([Message(text=TEXT, attachments=attachments)])
    return note


def test_what_was_said_is_the_text_without_its_attachments(memory: Memory) -> None:
    assert spoken(share(memory, picture("a kiln"))) == "Look!   It is new. {a pot} Bye."
    assert spoken(share(memory, picture("a pot"), picture("a kiln"))) == "Look!   It is new.   Bye."
    whole = Attachment(kind="file", start=0, end=len(TEXT))
    assert spoken(share(memory, picture("a pot"), whole)).strip() == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Look. [shares an image: a kiln] Bye.", "Look.   Bye."), ("[shares a video: x]", " "),
        ("He [shares his bread] now.", "He [shares his bread] now."), ("[shares an image: a kiln", None),
    ],
)  # fmt: skip
def test_notes_that_tell_of_none_are_read_as_they_were_before_there_were_any(
    memory: Memory, text: str, said: str | None
) -> None:
    assert spoken(memory.add(text)) == (text if said is None else said)


@pytest.mark.parametrize(("start", "end"), [(0, 0), (5, 4), (0, len(TEXT) + 1), (-1, 3)])
def test_an_attachment_stands_in_its_text(start: int, end: int) -> None:
    with pytest.raises(ValidationError, match="attachment|greater than"):
        Message(text=TEXT, attachments=[{"kind": "image", "start": start, "end": end}])


def test_they_are_kept_and_change_neither_text_nor_name(memory: Memory, opened: Opener, tmp_path: Path) -> None:
    shared = (picture("a kiln"), picture("a pot"))
    named = {"conversation_id": "c", "message_id": "1"}
    [note] = memory.add_many([Message(text=TEXT, attachments=shared, **named)])
    [plain] = opened("plain.zettel").add_many([Message(text=TEXT, **named)])
    assert (note.id, note.text, note.keywords) == (plain.id, plain.text, plain.keywords)
    assert memory.get(note.id).attachments == shared
    memory.export(tmp_path / "e.jsonl")
    memory.close()
    assert opened().get(note.id).attachments == shared
    other = opened("other.zettel")
    other.load(tmp_path / "e.jsonl")
    assert other.get(note.id).attachments == shared
    assert other.verify().ok


def test_an_erasure_leaves_nothing_of_them(memory: Memory, tmp_path: Path) -> None:
    note = share(memory, picture("a kiln"))
    memory.forget(note.id, erase=True)
    [change] = [c for commit in memory.log() for c in commit.changes if isinstance(c, NoteChange)]
    assert change.after is not None and change.after["attachments"] == []
    memory.close()
    assert not traces(tmp_path / "agent.zettel", ["a kiln"])
