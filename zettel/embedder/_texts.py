"""Texts before they are embedded: checks that they are texts, and the division of long ones into spans."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zettel.errors import InputError
from zettel.protocols import Span


def cut(starts: NDArray[np.int64], counts: NDArray[np.int64], length: int, room: int, overlap: int) -> list[Span]:
    """Character spans that cover ``range(length)``, each as long as possible, with at most ``room`` tokens.

    ``starts[i]``, rising, is the character at which the i-th unit begins, and ``counts[i]`` is its number of tokens, at
    most ``room``. A unit, such as a word, is never divided. A span repeats up to ``overlap`` tokens of the one before
    it, so that a sentence that one span cuts is complete in the other; ``overlap`` must be less than ``room``.
    """
    before = np.concatenate([[0], np.cumsum(counts)])  # the number of tokens before unit i; the last is that of all
    n_units = len(starts)
    spans: list[Span] = []
    first = 0
    while True:
        end = int(np.searchsorted(before, before[first] + room, side="right")) - 1
        begin = int(starts[first]) if spans else 0
        if end >= n_units:
            spans.append((begin, length))
            return spans
        spans.append((begin, int(starts[end])))
        # At least one unit forward, since units without a token would otherwise make the loop endless.
        first = max(int(np.searchsorted(before, before[end] - overlap, side="left")), first + 1)


def check_texts(texts: Sequence[str]) -> None:
    """Check that an embedder can read texts.

    Raises:
        InputError: ``texts`` is a single text, or one of them is no text or holds a lone surrogate.
    """
    if isinstance(texts, str):
        raise InputError("embed takes a list of texts; put the text into one: [text]")
    bad = [(i, reason) for i, text in enumerate(texts) if (reason := _unreadable(text))]
    if bad:
        position, reason = bad[0]
        raise InputError(f"text {position} of {len(texts)} {reason}", bad)


def _unreadable(text: object) -> str | None:
    if not isinstance(text, str):
        return f"is a {type(text).__name__}, not a str"
    if text.isascii():
        return None
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f"holds a lone surrogate (U+{ord(text[error.start]):04X}) at character {error.start}, which is no text"
    return None
