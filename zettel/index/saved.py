"""An index on disk, so that opening a large memory need not build it.

Each namespace has a file, which may be deleted at any time. It begins with a line that has a checksum of the rest; the
rest is a numpy archive. It has nothing that the store lacks, and names the settings and the commit that it was made
from. If these do not fit, the file is not used: the index is built again.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from zettel.index.exact import ExactIndex, Packed
from zettel.text import STOP_WORDS, terms

_FORMAT = 2  # to be raised if the same notes make another index, or the file is written in another way
_TEXTS = "texts"
_PROBE = "Generously, both sisters’ replies described happier meetings; nobody'd forgotten the skiing."
_LEFT_OVER_S = 3600.0  # a temporary file of this age, in seconds, is not being written any more


def save(index: ExactIndex, head: int, folder: Path, namespace: str, embedder: str, made_of: str) -> bool:
    """Save the index of a head in place of the one saved before; False if the disk refuses it.

    ``embedder`` is the fingerprint of the embedder that made its vectors. ``made_of`` identifies the commit at
    ``head``, so that another memory at the same path is recognized.
    """
    arrays, texts = index.packed()
    narrow = arrays["vectors"].astype(np.float16)
    if np.array_equal(narrow, arrays["vectors"]):  # as they come from a store
        arrays["vectors"] = narrow
    texts |= {"head": head, "by": _made_by(index, namespace, embedder), "of": made_of}
    archive = io.BytesIO()
    np.savez(archive, allow_pickle=False, **arrays, **{_TEXTS: np.frombuffer(json.dumps(texts).encode(), np.uint8)})
    payload = archive.getbuffer()
    try:
        folder.mkdir(exist_ok=True)
        _tidy(folder)
        with tempfile.NamedTemporaryFile(dir=folder, suffix=".part", delete=False) as file:
            try:
                file.write(_checksum(payload))
                file.write(payload)
                file.close()
                os.replace(file.name, _path(folder, namespace))
            except BaseException:
                os.unlink(file.name)
                raise
    except OSError:
        return False
    return True


def load(
    index: ExactIndex, folder: Path, namespace: str, embedder: str, made_of: Callable[[int], str | None]
) -> int | None:
    """Fill an empty index from disk and return its head; if no saved index fits, return None and leave it empty.

    ``made_of`` returns the text that identifies the commit of a number; None if the store has no such commit.
    """
    try:
        saved = _path(folder, namespace).read_bytes()
    except OSError:
        return None
    line, payload = saved[:_LINE], memoryview(saved)[_LINE:]
    if line != _checksum(payload):
        return None
    with np.load(io.BytesIO(payload), allow_pickle=False) as archive:
        texts = json.loads(archive[_TEXTS].tobytes())
        if texts["by"] != _made_by(index, namespace, embedder) or texts["of"] != made_of(texts["head"]):
            return None
        arrays = {name: archive[name] for name in archive.files if name != _TEXTS}
    arrays["vectors"] = arrays["vectors"].astype(np.float32)
    index.unpack(Packed(arrays, texts))
    head: int = texts["head"]
    return head


def discard(folder: Path, namespace: str) -> None:
    """Delete the saved index of a namespace, since it may have text that was just erased.

    Raises:
        OSError: the file exists and can't be deleted.
    """
    _path(folder, namespace).unlink(missing_ok=True)
    for part in folder.glob("*.part"):  # a killed writer may have left it; one that still writes fails, and says so
        part.unlink(missing_ok=True)


def _path(folder: Path, namespace: str) -> Path:
    """The file of a namespace, whose name may have any characters."""
    return folder / f"{hashlib.blake2b(namespace.encode('utf-8', 'surrogatepass'), digest_size=12).hexdigest()}.npz"


def _tidy(folder: Path) -> None:
    """Delete temporary files of processes that were killed while they saved an index."""
    for part in folder.glob("*.part"):
        if time.time() - part.stat().st_mtime > _LEFT_OVER_S:
            part.unlink(missing_ok=True)


def _checksum(payload: memoryview) -> bytes:
    return b"zettel index %08x\n" % zlib.crc32(payload)


_LINE = len(_checksum(memoryview(b"")))


def _made_by(index: ExactIndex, namespace: str, embedder: str) -> list[str]:
    """Everything that an index depends on besides the notes; if any of it differs, a saved index does not fit."""
    stems = hashlib.blake2b(repr([sorted(STOP_WORDS), terms(_PROBE)]).encode(), digest_size=8).hexdigest()
    return [str(_FORMAT), namespace, embedder, *index.settings(), stems]
