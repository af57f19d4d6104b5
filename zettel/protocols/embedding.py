"""What embedders implement: texts to vectors."""

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

    Promises: the same text gives the same vector, up to rounding, whatever else is in the call; no network access once
    the model is on this machine. Does not promise: thread safety of two calls at once.
    """

    @property
    def fingerprint(self) -> str:
        """Model, dimension and version in one word; vectors of different fingerprints are never compared."""
        ...

    def embed(self, texts: Sequence[str]) -> Vector:
        """The L2-normalized vectors of ``texts``, shape ``(len(texts), dimension)``, float32.

        A text longer than the encoder's window is cut there; split it by ``spans`` first.
        """
        ...


@runtime_checkable
class PassageEmbedder(Embedder, Protocol):
    """An embedder that knows its window, so that a long text can be embedded as passages.

    One without ``spans`` sees every text whole.
    """

    def spans(self, text: str, reserve: int = 0) -> list[Span]:
        """Overlapping character spans of ``text`` that each fit the encoder's window; one for a text that fits.

        ``reserve`` is how many characters the caller will put before each passage. The spans cover the whole text.
        """
        ...
