"""The default embedder: all-MiniLM-L6-v2, run by ONNX Runtime on the CPU, without torch.

The graph ships with zettel (``minilm.onnx``, built by ``_graph.py``); the weights are found by ``_weights.py``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from zettel.embedder import _weights
from zettel.embedder._texts import check_texts, cut
from zettel.protocols import Embedder, Span, Vector

DIMENSION = 384
#: The number of word pieces that the encoder reads of a text, with the two that mark its start and its end.
WINDOW = 256
#: To be raised when the vectors change.
_VERSION = 1
_LAYERS = 6

_UNKNOWN, _START, _END = 100, 101, 102
_ROOM = WINDOW - 2
#: The number of word pieces that two passages of a text share: one or two sentences.
_OVERLAP = 32
#: The highest number of word pieces of one character (a Hangul syllable is divided into its letters).
_PIECES_PER_CHARACTER = 3

#: The number of word pieces, with padding, in one run of the network: the best of the measured 512 to 2,048.
_BATCH_PIECES = 1024

#: The number of characters that the tokenizer gets at once, since its time grows faster than the length of a text.
_CHUNK = 4096
#: A text can be cut here without changing its word pieces: after white space, ASCII punctuation or an ideograph.
_BREAK = re.compile(r"[\t\n\r !-/:-@\[-`{-~\u4e00-\u9fff]")


def create(model: str | None = None) -> Embedder:
    """The embedder; ``model`` may be the path of a folder that holds the weights and the tokenizer.

    Raises:
        ModelNotFoundError: the weights are not on this machine, or not in that folder.
        EmbedderError: a file of the model is not the one it should be.
    """
    return MiniLmEmbedder(_weights.find(model))


class MiniLmEmbedder:
    """all-MiniLM-L6-v2: 384 dimensions, reads 256 word pieces of lower-cased text, made for English sentences."""

    def __init__(self, folder: Path) -> None:
        # The two files are loaded at the same time, on two cores; each is checked before anything is read from it.
        with ThreadPoolExecutor(1) as beside:
            vocabulary = beside.submit(_tokenizer, folder / _weights.TOKENIZER)
            content = _weights.checked(folder / _weights.WEIGHTS)
            # The session reads these arrays in place, so they must exist as long as it does.
            self._parameters = _parameters(content)
            self._session = _session(self._parameters)
            self._tokenizer = vocabulary.result()

    @property
    def fingerprint(self) -> str:
        """``minilm/384/<version>``."""
        return f"minilm/{DIMENSION}/{_VERSION}"

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return DIMENSION

    def embed(self, texts: Sequence[str]) -> Vector:
        """The L2-normalized vectors of ``texts``, shape ``(len(texts), 384)``, float32.

        Of each text the first 256 word pieces are read, the two that mark its start and its end included.

        Raises:
            InputError: ``texts`` is a single text, or one of them is no text or holds a lone surrogate.
        """
        check_texts(texts)
        pieces = self._pieces(texts)
        vectors = np.empty((len(texts), DIMENSION), np.float32)
        # Texts of similar length share a run, so that there is little padding.
        for batch in _batches([len(p) + 2 for p in pieces]):
            vectors[batch] = self._run([pieces[i] for i in batch])
        return vectors

    def spans(self, text: str, reserve: int = 0) -> list[Span]:
        """Overlapping character spans of ``text`` that each fit 256 word pieces; one for a text that fits.

        They are cut between words, so a passage has the word pieces it has in the whole text, and overlap by up to 32
        word pieces. Of the ``reserve`` characters before each passage, every one is counted as a word piece (which
        only Hangul can exceed); a reserve beyond 127 counts as 127.

        Raises:
            InputError: ``text`` is no text or holds a lone surrogate.
        """
        check_texts([text])
        room = _ROOM - min(max(reserve, 0), _ROOM // 2)
        if len(text) * (1 if text.isascii() else _PIECES_PER_CHARACTER) <= room:
            return [(0, len(text))]
        starts, counts = self._words(text)
        return cut(starts, counts, len(text), room, _OVERLAP)

    def _run(self, pieces: list[list[int]]) -> Vector:
        """The vectors of texts given as word pieces, in one run of the network."""
        lengths = np.array([len(p) + 2 for p in pieces])
        columns = np.arange(lengths.max())
        mask = columns < lengths[:, None]
        ids = np.zeros(mask.shape, np.int32)
        ids[mask] = list(chain.from_iterable((_START, *p, _END) for p in pieces))
        feeds = {"input_ids": ids, "mask": mask.astype(np.int32)}
        vectors: Vector = self._session.run(["embedding"], feeds)[0]
        return vectors

    def _pieces(self, texts: Sequence[str]) -> list[list[int]]:
        """The word pieces of each text, up to the length of the window."""
        short = ["" if len(text) > _CHUNK else text for text in texts]
        encodings = self._tokenizer.encode_batch_fast(short, add_special_tokens=False)
        pieces = [encoding.ids[:_ROOM] for encoding in encodings]
        for i, text in enumerate(texts):
            if len(text) > _CHUNK:
                pieces[i] = self._head(text)
        return pieces

    def _head(self, text: str) -> list[int]:
        """The word pieces of a long text that fit the window; the rest of the text is not read."""
        pieces: list[int] = []
        for _, chunk, in_word in _chunks(text):
            encoding = self._tokenizer.encode(chunk, add_special_tokens=False)
            known = _rest_of_word(encoding) if in_word and pieces and pieces[-1] == _UNKNOWN else 0
            pieces += encoding.ids[known:]
            if len(pieces) >= _ROOM:
                break
        return pieces[:_ROOM]

    def _words(self, text: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The start of each word of ``text``, and its number of word pieces (1 to 100)."""
        offsets, chunks, in_word = zip(*_chunks(text), strict=True)
        encodings: list[Encoding] = self._tokenizer.encode_batch(list(chunks), add_special_tokens=False)
        starts, counts = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        last = 0
        for offset, continued, encoding in zip(offsets, in_word, encodings, strict=True):
            known = _rest_of_word(encoding) if continued and last == _UNKNOWN else 0
            words = np.array(encoding.word_ids[known:], np.int64)
            first = np.flatnonzero(np.diff(words, prepend=-1))
            starts.append(np.array(encoding.offsets[known:], np.int64).reshape(-1, 2)[first, 0] + offset)
            counts.append(np.diff(first, append=len(words)))
            last = encoding.ids[-1] if encoding.ids else last
        return np.concatenate(starts), np.concatenate(counts)


def _batches(lengths: list[int]) -> Iterator[list[int]]:
    """The positions of ``lengths``, shortest first, in groups of about `_BATCH_PIECES` pieces with padding."""
    batch: list[int] = []
    for i in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and lengths[i] * (len(batch) + 1) > _BATCH_PIECES:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def _chunks(text: str) -> Iterator[tuple[int, str, bool]]:
    """``text`` in pieces of at most 4,096 characters: offset, piece, and whether it begins inside a very long word.

    The word pieces stay the same: a word is divided only if it has thousands of characters, and the tokenizer takes
    such a word for one unknown word.
    """
    start, in_word = 0, False
    while len(text) - start > _CHUNK:
        breaks = [match.end() for match in _BREAK.finditer(text, start + _CHUNK // 2, start + _CHUNK)]
        end = breaks[-1] if breaks else start + _CHUNK
        yield start, text[start:end], in_word
        start, in_word = end, not breaks
    yield start, text[start:], in_word


def _rest_of_word(encoding: Encoding) -> int:
    """The number of word pieces of the first word in a chunk."""
    words = encoding.word_ids
    return next((i for i, word in enumerate(words) if word != words[0]), len(words))


def _tokenizer(file: Path) -> Tokenizer:
    tokenizer = Tokenizer.from_buffer(_weights.checked(file).tobytes())
    # The file asks for exactly 128 word pieces; the model was trained on up to 256 and needs no padding.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _parameters(content: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    """The arrays that the graph needs: those of the file, with query, key and value of each layer side by side."""
    parameters = _weights.tensors(content)
    for layer in range(_LAYERS):
        prefix = f"encoder.layer.{layer}.attention."
        qkv = [f"{prefix}self.{name}." for name in ("query", "key", "value")]
        weight = np.concatenate([parameters.pop(name + "weight") for name in qkv])
        parameters[prefix + "qkv.weight"] = np.ascontiguousarray(weight.T)
        parameters[prefix + "qkv.bias"] = np.concatenate([parameters.pop(name + "bias") for name in qkv])
    parameters.pop("pooler.dense.weight", None)
    parameters.pop("pooler.dense.bias", None)
    return parameters


def _session(parameters: dict[str, NDArray[np.float32]]) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = _cores()
    # The operators are fused already; a search for more to fuse only takes time.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in parameters.values()]
    options.add_external_initializers(list(parameters), values)
    graph = Path(__file__).with_name("minilm.onnx").read_bytes()
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _cores() -> int:
    """The number of cores that this process may use, which can be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
