"""Embedding notes: which parts of a note are embedded, the key its vectors are kept under, and checks of the embedder.

Only what never changes is embedded: the day, the speaker and the text. So evolution, undo and `as_of` never embed.
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

_TOLERANCE = 0.01  # how far the length of a vector may be from 1


def header(note: Note) -> str:
    """What precedes each passage: "8 May 2023, Caroline: ". Unknown parts are left out."""
    precision = "day" if note.time_precision in ("second", "minute") else note.time_precision
    day = describe(note.time, precision) if note.time and precision else ""
    head = ", ".join(part for part in (day, note.speaker) if part)
    return f"{head}: " if head else ""


def vector_key(fingerprint: str, note: Note) -> str:
    """The key of a note's vectors: a hash of the embedder's fingerprint and of everything that it reads."""
    seen = f"{fingerprint}\0{header(note)}\0{note.text}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(seen, digest_size=12).hexdigest()


def _spans_of(embedder: PassageEmbedder, note: Note) -> list[Span]:
    """The spans of a note's text that are embedded separately.

    Raises:
        EmbedderError: the embedder failed, or its spans do not cover the text.
    """
    with _errors_named(embedder):
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
    """The passages of ``notes``, embedded in one call. The keys of ``notes`` are those of the result.

    Raises:
        EmbedderError: the embedder returned something other than one finite unit vector a text.
    """
    if isinstance(embedder, PassageEmbedder):
        spans = {key: _spans_of(embedder, note) for key, note in notes.items()}
    else:
        spans = {key: [(0, len(note.text))] for key, note in notes.items()}
    texts = [header(note) + note.text[a:b] for key, note in notes.items() for a, b in spans[key]]
    vectors = embed(embedder, texts)
    result, start = {}, 0
    for key, pairs in spans.items():
        result[key] = Passages(tuple(pairs), vectors[start : start + len(pairs)])
        start += len(pairs)
    return result


def rounded(passages: Passages) -> Passages:
    """The passages with vectors rounded to half precision, as a store returns them.

    So a decision is the same whether vectors have just been computed or are read from the store.
    """
    return replace(passages, vectors=passages.vectors.astype("<f2").astype(np.float32))


def check_dimension(found: int, expected: int | None) -> None:
    """Refuse vectors that can't be compared with those that a memory has, or with each other.

    Raises:
        EmbedderError: they have another length than ``expected``; None expects nothing.
    """
    if expected is not None and found != expected:
        raise EmbedderError(
            f"the embedder returned vectors of {found} numbers, and this memory's have {expected}: an embedder whose"
            " dimension changes needs another fingerprint; open the memory with the one that made its vectors"
        )


def embed(embedder: Embedder, texts: Sequence[str]) -> Vector:
    """The vectors of ``embedder.embed(texts)``, checked.

    Raises:
        EmbedderError: it failed, or returned something other than one finite unit vector a text.
    """
    with _errors_named(embedder), np.errstate(over="ignore"):
        vectors = np.asarray(embedder.embed(texts), np.float32)
    if vectors.ndim != 2 or len(vectors) != len(texts):
        raise EmbedderError(
            f"embedder {embedder.fingerprint} returned shape {vectors.shape} for {len(texts)} texts: it must return"
            " (texts, dimension)"
        )
    lengths = np.linalg.norm(vectors, axis=1)
    if not (np.abs(lengths - 1.0) <= _TOLERANCE).all():  # NaN fails this comparison, too
        raise EmbedderError(
            f"embedder {embedder.fingerprint} returned a vector of length {lengths[np.argmax(abs(lengths - 1))]:.3g}:"
            " vectors must be finite and normalized to length 1"
        )
    return vectors


@contextmanager
def _errors_named(embedder: Embedder) -> Iterator[None]:
    """Turn whatever an embedder raises into an error that names the embedder; our own errors pass unchanged."""
    try:
        yield
    except ZettelError:
        raise
    except Exception as error:
        raise EmbedderError(
            f"embedder {embedder.fingerprint} failed ({type(error).__name__}: {error}): mend it, or try again"
        ) from error
