"""The names of notes from transcripts, tagged hashes of where a message stands and what it says; and notes' lots."""

from __future__ import annotations

from hashlib import blake2b

#: Stands at the head of every such name, so that a later change of the hash is visible in the name itself.
TAG = "z1"
_DIGEST_BYTES = 12
_RUN = 4  # notes one after the other that draw the same lot: they share most of their neighbors


def note_id(
    namespace: str,
    conversation_id: str | None,
    session_id: str | None,
    message_id: str | None,
    text: str,
    occurrence: int,
) -> str:
    """The name of the note that holds this message: ``"z1"`` and 24 hex digits.

    ``occurrence`` counts, from 0, the equal texts of the same session before this one. It stands in for a missing
    ``message_id``, so that a message put in or repaired renames no message but its own equals; where there is a
    ``message_id`` it is not read. Any text has a name, lone surrogates included.
    """
    place = ("id", message_id) if message_id is not None else ("nth", str(occurrence))
    parts = (namespace, conversation_id, session_id, *place, text)
    # The hash's personalization keeps these names apart from any other use of blake2b on the same bytes.
    digest = blake2b(b"".join(map(_part, parts)), digest_size=_DIGEST_BYTES, person=b"zettel.note")
    return TAG + digest.hexdigest()


def _part(value: str | None) -> bytes:
    """One field, preceded by its length: no two lists of fields give the same bytes."""
    if value is None:
        return b"-"
    data = value.encode("utf-8", "surrogatepass")
    return b"%d:%b" % (len(data), data)


def lot(ordinal: int) -> float:
    """A number in [0, 1) for a note, the same on every machine: Fibonacci hashing (Knuth 1998, section 6.4)."""
    return (ordinal // _RUN * 0x9E3779B1 & 0xFFFFFFFF) / 2**32
