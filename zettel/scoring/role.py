"""Whether the note was said by the user rather than the assistant: in such chats the user's turns hold the facts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zettel.protocols import Scan

NAME = "role"
WEIGHT = 2.0  # see docs/retrieval.md
STANDARDIZED = False

_USERS = frozenset({"user", "human"})


def values(scan: Scan) -> NDArray[np.float64]:
    """1 for what a user said, else 0."""
    users = [float(speaker.lower() in _USERS) for speaker in scan.columns.speakers]
    return np.array([*users, 0.0])[scan.columns.speaker]


def reason(scan: Scan, row: int) -> str | None:
    """None: half of the notes of such a chat have it."""
    del scan, row
    return None
