"""The ids of notes from transcripts: tagged hashes of a message's place and text."""

from __future__ import annotations

from hashlib import blake2b

#: The beginning of every such id, so that a later change of the hash shows in the id itself.
TAG = "z1"
_DIGEST_BYTES = 12


def note_id(
    namespace: str,
    conversation_id: str | None,
    session_id: str | None,
    message_id: str | None,
    text: str,
    occurrence: int,
) -> str:
    """The id of the note that holds this message: ``"z1"`` and 24 hex digits.

    ``occurrence`` is the number of equal texts before this one in the same session. It is read only if ``message_id``
    is None. So a message that is inserted or repaired changes no other id, except those of equal texts after it. Any
    text has an id, one with lone surrogates included.
    """
    place = ("id", message_id) if message_id is not None else ("nth", str(occurrence))
    parts = (namespace, conversation_id, session_id, *place, text)
    # The hash's personalization keeps these ids apart from any other use of blake2b on the same bytes.
    digest = blake2b(b"".join(map(_part, parts)), digest_size=_DIGEST_BYTES, person=b"zettel.note")
    return TAG + digest.hexdigest()


def _part(value: str | None) -> bytes:
    """One field after its length, so that no two lists of fields give the same bytes."""
    if value is None:
        return b"-"
    data = value.encode("utf-8", "surrogatepass")
    return b"%d:%b" % (len(data), data)
