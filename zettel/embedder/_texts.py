"""What embedders do with texts before they read them: refuse what is none, cut what is too long."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zettel.errors import InputError
from zettel.protocols import Span


def cut(starts: NDArray[np.int64], counts: NDArray[np.int64], length: int, room: int, overlap: int) -> list[Span]:
    """Character spans that cover ``range(length)``, each of at most ``room`` tokens, each as long as it can be.

    ``starts[i]`` is the character at which the i-th unbreakable unit (a word) begins, rising, and ``counts[i]`` its
    number of tokens, at most ``room``. A span repeats up to ``overlap`` tokens of the one before it, in whole units, so
    that a sentence cut by one span is whole in the other; ``overlap`` must be less than ``room``.
    """
    before = np.concatenate([[0], np.cumsum(counts)])  # tokens before unit i, and in the end all
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
        # At least one unit forward, or a unit of no token could hold it here for ever.
        first = max(int(np.searchsorted(before, before[end] - overlap, side="left")), first + 1)


def check_texts(texts: Sequence[str]) -> None:
    """Refuses what no embedder can read.

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
