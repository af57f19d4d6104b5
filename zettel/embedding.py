"""What of a note is embedded, and under which key its vectors are kept.

Only what never changes is embedded: the day, the speaker and the text. So evolution, undo and time travel never embed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from zettel.errors import EmbedderError, ZettelError
from zettel.model import Note
from zettel.protocols import Embedder, PassageEmbedder, Passages, Span, Vector
from zettel.times import describe

_OFF = 0.01  # what a vector's length may be off 1


def header(note: Note) -> str:
    """What is put before each passage: "8 May 2023, Caroline: ", as far as it is known."""
    precision = "day" if note.time_precision in ("second", "minute") else note.time_precision
    day = describe(note.time, precision) if note.time and precision else ""
    head = ", ".join(part for part in (day, note.speaker) if part)
    return f"{head}: " if head else ""


def vector_key(fingerprint: str, note: Note) -> str:
    """The key of a note's vectors: a hash of the embedder and of all that it sees."""
    seen = f"{fingerprint}\0{header(note)}\0{note.text}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(seen, digest_size=12).hexdigest()


def spans_of(embedder: Embedder, note: Note) -> list[Span]:
    """The spans of a note's text that are embedded one by one.

    Raises:
        EmbedderError: the embedder failed, or its spans do not cover the text.
    """
    if not isinstance(embedder, PassageEmbedder):
        return [(0, len(note.text))]
    with _blamed_on(embedder):
        spans = [(int(start), int(end)) for start, end in embedder.spans(note.text, reserve=len(header(note)))]
    reached = 0
    for start, end in spans:
        if not 0 <= start <= reached:
            break
        reached = max(reached, end)
    if not spans or spans[-1][1] != reached or reached != len(note.text):
        raise EmbedderError(
            f"embedder {embedder.fingerprint} returned spans {spans[:3]} for {len(note.text)} characters: in order, and"
            " without gaps, they must cover the whole text"
        )
    return spans


def embed_notes(embedder: Embedder, notes: Mapping[str, Note]) -> dict[str, Passages]:
    """The passages of ``notes``, which are given and returned by key, embedded in one call.

    Raises:
        EmbedderError: the embedder returned something other than one finite unit vector a text.
    """
    spans = {key: spans_of(embedder, note) for key, note in notes.items()}
    texts = [header(note) + note.text[a:b] for key, note in notes.items() for a, b in spans[key]]
    vectors = embed(embedder, texts)
    result, start = {}, 0
    for key, pairs in spans.items():
        result[key] = Passages(tuple(pairs), vectors[start : start + len(pairs)])
        start += len(pairs)
    return result


def rounded(passages: Passages) -> Passages:
    """The passages with their vectors as a store gives them back, in half precision.

    What is decided by vectors that have just been made is decided the same when they are read again.
    """
    return replace(passages, vectors=passages.vectors.astype("<f2").astype(np.float32))


def embed(embedder: Embedder, texts: Sequence[str]) -> Vector:
    """``embedder.embed(texts)``, checked.

    Raises:
        EmbedderError: it failed, or returned something other than one finite unit vector a text.
    """
    with _blamed_on(embedder), np.errstate(over="ignore"):
        vectors = np.asarray(embedder.embed(texts), np.float32)
    if vectors.ndim != 2 or len(vectors) != len(texts):
        raise EmbedderError(
            f"embedder {embedder.fingerprint} returned shape {vectors.shape} for {len(texts)} texts: it must return"
            " (texts, dimension)"
        )
    lengths = np.linalg.norm(vectors, axis=1)
    if not (np.abs(lengths - 1.0) <= _OFF).all():  # never so for NaN
        raise EmbedderError(
            f"embedder {embedder.fingerprint} returned a vector of length {lengths[np.argmax(abs(lengths - 1))]:.3g}:"
            " vectors must be finite and normalized to length 1"
        )
    return vectors


@contextmanager
def _blamed_on(embedder: Embedder) -> Iterator[None]:
    """Whatever an embedder raises that is not ours becomes an error that names it."""
    try:
        yield
    except ZettelError:
        raise
    except Exception as error:
        raise EmbedderError(
            f"embedder {embedder.fingerprint} failed ({type(error).__name__}: {error}): mend it, or try again"
        ) from error
