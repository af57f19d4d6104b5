"""Any model that the library sentence-transformers loads, by name or path (an extra: it needs torch)."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zettel.embedder._texts import check_texts, cut
from zettel.errors import EmbedderError, InputError, MissingExtraError
from zettel.protocols import Embedder, Span, Vector

_VERSION = 1
#: Tokens that two passages of a text share.
_OVERLAP = 32
#: Tokens left free in a window, since a passage alone may have a few tokens more than inside its text.
_SLACK = 8
#: A word with more tokens than these may be divided.
_LONGEST_WORD = 16
#: The window of a model that doesn't name one.
_DEFAULT_WINDOW = 512
_BATCH = 32


def create(model: str | None = None) -> Embedder:
    """The embedder of ``model``: a name on the hub ("BAAI/bge-small-en-v1.5") or the path of a folder.

    Raises:
        InputError: no model is named.
        MissingExtraError: the library is not installed.
        EmbedderError: the library can't load the model.
    """
    if not model:
        raise InputError("the embedder 'sentence_transformers' needs a model: a name on the hub or a folder")
    if importlib.util.find_spec("sentence_transformers") is None:
        raise MissingExtraError(
            "the embedder 'sentence_transformers' needs an extra: pip install 'zettel[sentence-transformers]'"
        )
    # Imported here, since it takes seconds, and by its name as text, since this module has the same name.
    library = importlib.import_module("sentence_transformers")
    try:
        loaded = library.SentenceTransformer(model, device="cpu")
    except (OSError, ValueError) as error:
        raise EmbedderError(f"sentence-transformers can't load the model {model!r}: {error}") from error
    return SentenceTransformersEmbedder(loaded, model)


class SentenceTransformersEmbedder:
    """A loaded model; ``name`` is its name on the hub or its folder."""

    def __init__(self, model: Any, name: str) -> None:
        self._model = model
        self._name = _identity(name)
        self._window = int(model.max_seq_length or _DEFAULT_WINDOW)
        self._dimension = int(self.embed(["a"]).shape[1])

    @property
    def fingerprint(self) -> str:
        """``sentence_transformers/<name>/<dimension>/<window>/<version>``; a folder's name is a hash of its weights."""
        return f"sentence_transformers/{self._name}/{self._dimension}/{self._window}/{_VERSION}"

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._dimension

    def embed(self, texts: Sequence[str]) -> Vector:
        """The L2-normalized vectors of ``texts``, shape ``(len(texts), dimension)``, float32.

        Of each text the model reads as many tokens as its window holds.

        Raises:
            InputError: ``texts`` is a single text, or one of them is no text or holds a lone surrogate.
        """
        check_texts(texts)
        if not texts:
            return np.empty((0, self._dimension), np.float32)
        vectors = self._model.encode(
            list(texts), batch_size=_BATCH, normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False
        )
        return np.ascontiguousarray(vectors, np.float32)

    def spans(self, text: str, reserve: int = 0) -> list[Span]:
        """Overlapping character spans that each fit the model's window; one for a text that fits.

        Each of the ``reserve`` characters before a passage is counted as a token. A reserve of more than half the
        window counts as half.

        Raises:
            InputError: ``text`` is no text or holds a lone surrogate.
            EmbedderError: the text is long, and the model's tokenizer doesn't give the places of its tokens.
        """
        check_texts([text])
        specials = self._model.tokenizer.num_special_tokens_to_add()
        room = max(self._window - specials - _SLACK, 1)
        room -= min(max(reserve, 0), room // 2)
        # In every model, a token represents at least one byte.
        if len(text.encode()) <= room:
            return [(0, len(text))]
        starts, counts = self._units(text)
        return cut(starts, counts, len(text), room, min(_OVERLAP, room // 4))

    def _units(self, text: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The places at which ``text`` may be cut, and the number of tokens from each to the next.

        It may be cut at words, and inside very long ones.
        """
        tokenizer = self._model.tokenizer
        if not tokenizer.is_fast:
            raise EmbedderError(f"the tokenizer of {self._name} gives no offsets, so a long text can't be cut by it")
        encoding = tokenizer(
            text, add_special_tokens=False, truncation=False, return_offsets_mapping=True, verbose=False
        )
        words = np.array([-1 if word is None else word for word in encoding.word_ids()], np.int64)
        first = np.flatnonzero(np.diff(words, prepend=-2))
        place_in_word = np.arange(len(words)) - np.repeat(first, np.diff(first, append=len(words)))
        tokens = np.flatnonzero(place_in_word % _LONGEST_WORD == 0)
        # Tokens that are parts of one character have one start, and a start may be lower than the last: make it rise.
        offsets = np.array(encoding["offset_mapping"], np.int64).reshape(-1, 2)
        starts, kept = np.unique(np.maximum.accumulate(offsets[:, 0])[tokens], return_index=True)
        return starts, np.diff(tokens[kept], append=len(words))


def _identity(name: str) -> str:
    """A name on the hub, unchanged; for a folder the SHA-256 of its weights, which doesn't depend on its path."""
    folder = Path(name).expanduser()
    if not folder.is_dir():
        return name
    digest = hashlib.sha256()
    for file in sorted([*folder.rglob("*.safetensors"), *folder.rglob("*.bin"), *folder.rglob("tokenizer.json")]):
        digest.update(file.relative_to(folder).as_posix().encode())
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:16]
