"""Locality-sensitive hashing: one bit for each of many random planes says on which side of it a vector lies.

Two vectors lie on different sides of a random plane with the probability angle / pi. So the number of bits in which
their codes differ is an estimate of their cosine (Charikar 2002, "Similarity estimation techniques from rounding
algorithms"). The planes are those of random rotations: planes at right angles to each other give better estimates than
as many independent ones (Ji et al. 2012, "Super-bit locality-sensitive hashing").
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from zettel.protocols import Vector

Code: TypeAlias = NDArray[np.uint64]

_SEED = 1908  # Minkowski's geometry of numbers; any will do, but it must never change
_BLOCK = 2048  # vectors encoded at once
_SCALE = 2.0**16  # vectors and planes are rounded to whole multiples of its inverse: sums of their products stay exact


class Codes:
    """The codes of an index's passages, shape ``(bits / 64, passages)``, so that a scan reads RAM in order."""

    def __init__(self, bits: int) -> None:
        self.bits = bits
        self._words = np.empty((bits // 64, 0), np.uint64)
        self._n = 0
        self._cosines = _cosines(bits)

    def cover(self, vectors: Vector) -> None:
        """Encode the vectors that are new since the last call: those beyond the number that has codes."""
        n = len(vectors)
        if n > self._words.shape[1]:
            room = np.empty((len(self._words), max(n, 2 * self._n)), np.uint64)
            room[:, : self._n] = self._words[:, : self._n]
            self._words = room
        self._words[:, self._n : n] = encode(vectors[self._n :], self.bits)
        self._n = max(n, self._n)

    def covering(self, n: int) -> Code | None:
        """The codes of all ``n`` passages; None if some passages have no codes yet."""
        return self._words[:, :n] if n and self._n == n else None

    def resume(self, codes: Code) -> None:
        """Use codes that were saved, in place of the present ones."""
        self._words, self._n = codes, codes.shape[1]

    def wipe(self, passages: slice) -> None:
        """Overwrite the codes of removed passages; a passage without a code is skipped."""
        self._words[:, passages] = 0

    def differences(self, vector: Vector, passages: NDArray[np.int64] | None = None) -> NDArray[np.uint16]:
        """The number of bits in which the code of a vector differs from that of each passage, or of those given."""
        code = encode(vector[None], self.bits)[:, 0]
        words = self._words[:, : self._n]
        total = np.zeros(self._n if passages is None else len(passages), np.uint16)
        for word, asked in zip(words, code, strict=True):
            total += np.bitwise_count((word if passages is None else word[passages]) ^ asked)
        return total

    def cosines(self, differences: NDArray[np.uint16]) -> NDArray[np.float64]:
        """The cosines that follow from numbers of differing bits."""
        return self._cosines.take(differences)


def encode(vectors: Vector, bits: int) -> Code:
    """The codes of vectors ``(n, d)``, as ``(bits / 64, n)`` words; ``bits`` is a multiple of 64.

    All products are exact, so the code of a vector depends neither on the other vectors nor on the machine.
    """
    planes = _planes(bits, vectors.shape[1])
    codes = np.empty((bits // 64, len(vectors)), np.uint64)
    for start in range(0, len(vectors), _BLOCK):
        block = np.rint(np.multiply(vectors[start : start + _BLOCK], _SCALE, dtype=np.float64))
        sides = np.packbits(block @ planes.T > 0, axis=1, bitorder="little")
        codes[:, start : start + _BLOCK] = sides.view("<u8").T
    return codes


def mark(bits: int, dimension: int) -> str:
    """A hash of the planes. Codes can be compared only if their marks are equal."""
    sides = np.packbits(_planes(bits, dimension) > 0).tobytes()
    return hashlib.blake2b(sides, digest_size=8).hexdigest()


@lru_cache(maxsize=4)
def _cosines(bits: int) -> NDArray[np.float64]:
    """The cosine that each number of differing bits stands for, ``(bits + 1,)``."""
    return np.cos(np.pi * np.arange(bits + 1) / bits)


@lru_cache(maxsize=4)
def _planes(bits: int, dimension: int) -> NDArray[np.float64]:
    """The normals of the planes ``(bits, dimension)``, as whole numbers: the rows of as many rotations as needed."""
    random = np.random.default_rng(_SEED)
    rotations = []
    for _ in range(-(-bits // dimension)):
        q, r = np.linalg.qr(random.normal(size=(dimension, dimension)))
        rotations.append((q * np.sign(np.diag(r))).T)  # these signs make all rotations equally likely (Mezzadri 2007)
    whole: NDArray[np.float64] = np.rint(np.concatenate(rotations)[:bits] * _SCALE)
    return whole
