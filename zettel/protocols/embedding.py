"""The protocol of embedders, which turn texts into vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Vector: TypeAlias = NDArray[np.float32]
Span: TypeAlias = tuple[int, int]


@runtime_checkable
class Embedder(Protocol):
    """Turns texts into vectors. A file in ``embedder/`` defines ``create(model: str | None) -> Embedder``.

    It promises that a text gives the same vector, up to rounding, whatever else is in the call, and that it needs no
    network once the model is on this machine. It does not promise that two threads may call it at once.
    """

    @property
    def fingerprint(self) -> str:
        """Model, dimension and version in one word; vectors of different fingerprints are never compared."""
        ...

    def embed(self, texts: Sequence[str]) -> Vector:
        """The L2-normalized vectors of ``texts``, shape ``(len(texts), dimension)``, float32.

        A text longer than the encoder's window is cut there; divide it by ``spans`` first.
        """
        ...


@runtime_checkable
class PassageEmbedder(Embedder, Protocol):
    """An embedder that knows its window, so that a long text can be embedded as passages.

    An embedder without ``spans`` gets every text in one piece.
    """

    def spans(self, text: str, reserve: int = 0) -> list[Span]:
        """Overlapping character spans of ``text`` that each fit the encoder's window; one for a text that fits.

        ``reserve`` is the number of characters that the caller will put before each passage. The spans cover the text.
        """
        ...
