"""An embedder without weights: signed feature hashing of words and of their character n-grams.

It knows no meanings, only shared words and shared parts of words. It is for tests, and for machines that can't have the
default model; with ``minilm`` a search finds far more.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from zettel.embedder._texts import check_texts, cut
from zettel.errors import InputError
from zettel.protocols import Embedder, Span, Vector

#: The number of characters of a text that are read: about the length of MiniLM's 256 word pieces.
WINDOW = 1024
_OVERLAP = 128
_VERSION = 1
_WORD = re.compile(r"\w+")
_NGRAMS = (3, 4)
#: The number of characters of a word that n-grams are made of: with more, one long string would outweigh a whole text.
_LONGEST = 32

_Features = tuple[NDArray[np.int64], NDArray[np.float64]]


def create(model: str | None = None) -> Embedder:
    """The embedder; ``model`` may give the dimension ("64"), which is 384 by default.

    Raises:
        InputError: ``model`` is no whole number from 8 to 65536.
    """
    text = "384" if model is None else model
    if not (re.fullmatch(r"[0-9]{1,5}", text) and 8 <= int(text) <= 65_536):
        raise InputError(f"the hashing embedder takes a dimension from 8 to 65536 as its model, not {model!r}")
    return HashingEmbedder(int(text))


class HashingEmbedder:
    """Words and their n-grams, each hashed to a place and a sign of the vector, and summed up."""

    def __init__(self, dimension: int) -> None:
        self._dimension = dimension

    @property
    def fingerprint(self) -> str:
        """``hashing/<dimension>/<version>``."""
        return f"hashing/{self._dimension}/{_VERSION}"

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._dimension

    def embed(self, texts: Sequence[str]) -> Vector:
        """The L2-normalized vectors of ``texts``, shape ``(len(texts), dimension)``, float32.

        Of each text the first 1,024 characters are read. A text without a word has the vector of the empty text.

        Raises:
            InputError: ``texts`` is a single text, or one of them is no text or holds a lone surrogate.
        """
        check_texts(texts)
        vectors = np.zeros((len(texts), self._dimension))
        for i, text in enumerate(texts):
            vectors[i] = self._sum(_WORD.findall(text[:WINDOW].lower()))
            if not vectors[i].any():
                vectors[i] = self._sum([""])
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors.astype(np.float32)

    def spans(self, text: str, reserve: int = 0) -> list[Span]:
        """Overlapping character spans that each fit 1,024 characters with ``reserve`` more before them.

        They begin at words, and inside words of more than 64 characters. A ``reserve`` of more than half the window
        counts as half.

        Raises:
            InputError: ``text`` is no text or holds a lone surrogate.
        """
        check_texts([text])
        room = WINDOW - min(max(reserve, 0), WINDOW // 2)
        if len(text) <= room:
            return [(0, len(text))]
        # A unit is a word with the space after it, or 64 characters of a longer word.
        units = np.array([match.start() for match in re.finditer(r"(?s)\S{1,64}\s?|\s", text)])
        return cut(units, np.diff(units, append=len(text)), len(text), room, _OVERLAP)

    def _sum(self, words: list[str]) -> NDArray[np.float64]:
        """The sum of the words' features, shape ``(dimension,)``."""
        if not words:
            return np.zeros(self._dimension)
        features = [_features(word, self._dimension) for word in words]
        places, values = (np.concatenate(part) for part in zip(*features, strict=True))
        sums = np.zeros(self._dimension)
        np.add.at(sums, places, values)
        return sums


@lru_cache(maxsize=16_384)
def _features(word: str, dimension: int) -> _Features:
    """The places in the vector and the signed values of a word: those of the word, and those of its n-grams.

    All n-grams together weigh as much as the word. Two words that share no n-gram have features at unrelated places, so
    their vectors are nearly orthogonal.
    """
    padded = f"<{word[:_LONGEST]}>"
    ngrams = [padded[i : i + n] for n in _NGRAMS for i in range(len(padded) - n + 1)]
    values = np.full(1 + len(ngrams), max(len(ngrams), 1) ** -0.5)
    values[0] = 1.0
    hashes = np.array([_hash(word, b"word"), *(_hash(ngram, b"ngram") for ngram in ngrams)], dtype=np.uint64)
    signs = np.where(hashes & np.uint64(1), 1.0, -1.0)
    return ((hashes >> np.uint64(1)) % np.uint64(dimension)).astype(np.int64), values * signs


def _hash(text: str, kind: bytes) -> int:
    # Not Python's own hash, which differs from one process to the next.
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8, person=kind).digest(), "little")
