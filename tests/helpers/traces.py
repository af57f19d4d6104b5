"""Looking for words in all bytes of a memory's files."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from zettel import codec


def bytes_of(path: Path) -> bytes:
    """The file and what lies beside it, and every payload unpacked."""
    data = b"".join(p.read_bytes() for p in sorted(path.parent.glob(f"{path.name}*")))
    with closing(sqlite3.connect(path)) as db:
        payloads = [row[0] for row in db.execute("SELECT payload FROM commits")]
    return data + "".join(map(codec.unpacked, payloads)).encode("utf-8", "surrogatepass")


def traces(path: Path, words: Sequence[str]) -> list[str]:
    """Those of ``words`` that stand anywhere in the file, in whatever way it may have been written."""
    data = bytes_of(path).lower()
    codings = ("utf-8", "utf-16-le", "utf-16-be")
    escaped = [json.dumps(word).strip('"').lower().encode() for word in words]
    return [w for w, e in zip(words, escaped, strict=True) if e in data or any(w.encode(c) in data for c in codings)]
