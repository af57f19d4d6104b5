"""The default embedder against the model it claims to be, computed a second time in plain NumPy."""

import json
import math
import shutil
import struct
from itertools import pairwise

import numpy as np
import pytest
from tokenizers import Tokenizer

from zettel.embedder import _weights, minilm
from zettel.errors import EmbedderError, ModelNotFoundError


@pytest.fixture(scope="module")
def folder():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        try:
            return _weights.find()
        except ModelNotFoundError as error:
            pytest.skip(f"the weights are not here: {error}")


@pytest.fixture(scope="module")
def embedder(folder):
    return minilm.create(str(folder))


# ------------------------------------------------------- the model in NumPy


def reference(folder, text):
    """The vector of one text by a plain forward pass of BERT in float64, which shares no code with the embedder."""
    weights = read_tensors(folder / "model.safetensors")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(256)
    ids = tokenizer.encode(text).ids
    embeddings = "embeddings.{}_embeddings.weight".format
    hidden = weights[embeddings("word")][ids] + weights[embeddings("position")][: len(ids)]
    hidden = normalize(hidden + weights[embeddings("token_type")][0], weights, "embeddings.LayerNorm")
    for layer in range(6):
        hidden = bert_layer(hidden, weights, f"encoder.layer.{layer}.")
    mean = hidden.mean(axis=0)
    return mean / np.linalg.norm(mean)


def bert_layer(hidden, weights, prefix):
    query, key, value = (
        split_heads(dense(hidden, weights, f"{prefix}attention.self.{name}")) for name in ("query", "key", "value")
    )
    scores = query @ key.transpose(0, 2, 1) / math.sqrt(32)
    shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
    shares /= shares.sum(axis=-1, keepdims=True)
    attended = (shares @ value).transpose(1, 0, 2).reshape(len(hidden), 384)
    mixed = dense(attended, weights, prefix + "attention.output.dense")
    middle = normalize(mixed + hidden, weights, prefix + "attention.output.LayerNorm")
    wide = dense(middle, weights, prefix + "intermediate.dense")
    active = wide * 0.5 * (1 + np.vectorize(math.erf)(wide / math.sqrt(2)))
    return normalize(dense(active, weights, prefix + "output.dense") + middle, weights, prefix + "output.LayerNorm")


def dense(x, weights, name):
    return x @ weights[name + ".weight"].T + weights[name + ".bias"]


def split_heads(x):
    return x.reshape(len(x), 12, 32).transpose(1, 0, 2)


def normalize(x, weights, name):
    centered = x - x.mean(axis=-1, keepdims=True)
    scaled = centered / np.sqrt((centered**2).mean(axis=-1, keepdims=True) + 1e-12)
    return scaled * weights[name + ".weight"] + weights[name + ".bias"]


def read_tensors(file):
    with file.open("rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        header = json.loads(stream.read(length))
        data = stream.read()
    return {
        name: np.frombuffer(data[slice(*entry["data_offsets"])], "<f4").reshape(entry["shape"]).astype(np.float64)
        for name, entry in header.items()
        if entry.get("dtype") == "F32"
    }


SENTENCES = [
    "Which animal lives with Caroline?",
    "Caroline adopted a puppy named Max on 8 May 2023; Melanie's children met him at the lake a week later.",
    "x",
    "",
    "İstanbul'da 漢字 [SEP] naïve café \u200b 🐕",
]


@pytest.mark.parametrize("text", SENTENCES, ids=["question", "statement", "letter", "empty", "scripts"])
def test_vectors_are_those_of_the_model(embedder, folder, text):
    # In one call with longer texts, so that padding is part of what is compared.
    vector = embedder.embed([text, *SENTENCES])[0]
    assert np.abs(vector - reference(folder, text)).max() < 1e-5


def test_a_text_beyond_the_window_has_the_vector_of_its_first_256_word_pieces(embedder, folder):
    text = "The committee, as agreed, postponed its decision until autumn. " * 40
    assert np.abs(embedder.embed([text])[0] - reference(folder, text)).max() < 1e-5


@pytest.mark.parametrize("word", ["x" * 9000, "한" * 9000, "antidisestablishmentarianism" * 300])
def test_an_endless_word_among_words_is_one_unknown_word(embedder, folder, word):
    """Long texts are tokenized in chunks, and these have no place to cut at."""
    text = f"A {word} barks. " + "Caroline adopted a puppy. " * 10
    assert np.abs(embedder.embed([text])[0] - reference(folder, text)).max() < 1e-5
    assert len(embedder.spans(text)) == 1


def test_related_sentences_are_nearer_than_unrelated_ones(embedder):
    """The similarities that sentence-transformers 6.2.0 gives for these."""
    question, answer, other = embedder.embed(
        ["Which animal lives with Caroline?", "Caroline adopted a puppy named Max.", "The rent is due on the first."]
    )
    assert float(question @ answer) == pytest.approx(0.59807, abs=1e-4)
    assert float(question @ other) == pytest.approx(0.11012, abs=1e-4)


def test_a_question_finds_its_answer_without_sharing_a_word(embedder):
    question, answer, other = embedder.embed(["Does she own an animal?", "Caroline adopted a puppy.", "Rent is due."])
    assert float(question @ answer) > float(question @ other) + 0.1


# ---------------------------------------------------------------- passages


def word_pieces(embedder, text):
    return len(embedder._tokenizer.encode(text).ids)


@pytest.mark.parametrize("reserve", [0, 40, 127])
def test_passages_with_what_stands_before_them_fit_the_window(embedder, reserve):
    text = " ".join(f"Unpronounceable-{i} wörd, über {i * 7919} naïve 漢字 한국어 cafés!" for i in range(300))
    spans = embedder.spans(text, reserve)
    before = ("8 May 2023, 김철수: " * 10)[:reserve]
    sizes = [word_pieces(embedder, before + text[start:end]) for start, end in spans]
    assert max(sizes) <= 256
    assert np.mean(sizes[:-1]) > 150


def test_passages_are_cut_between_words(embedder):
    text = "Internationalization of incomprehensibilities " * 200
    for start, end in embedder.spans(text):
        assert start == 0 or text[start - 1] == " "
        assert end == len(text) or text[end - 1] == " "


def test_passages_overlap_by_up_to_32_word_pieces(embedder):
    text = "the quick brown fox jumps over the lazy dog " * 300
    spans = embedder.spans(text)
    shared = [word_pieces(embedder, text[start:end]) - 2 for (_, end), (start, _) in pairwise(spans)]
    assert set(shared) == {32}


def test_no_character_becomes_more_than_three_word_pieces(embedder):
    """The bound by which short texts are known to fit without being tokenized, for every character there is."""
    normalizer = embedder._tokenizer.normalizer
    characters = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    most = max(len(normalizer.normalize_str(character).replace(" ", "")) for character in characters)
    assert most == minilm._PIECES_PER_CHARACTER


# ------------------------------------------------------------ files, graph


def test_a_wrong_weights_file_is_refused_by_name(folder, tmp_path):
    shutil.copy(folder / "tokenizer.json", tmp_path)
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(EmbedderError, match=r"model\.safetensors is not the file of all-MiniLM-L6-v2: its SHA-256 is"):
        minilm.create(str(tmp_path))


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
@pytest.mark.parametrize("content", [b"", b"{}"])
def test_an_empty_or_foreign_file_is_refused_by_name(folder, tmp_path, name, content):
    for file in ("model.safetensors", "tokenizer.json"):
        (tmp_path / file).symlink_to(folder / file)
    (tmp_path / name).unlink()
    (tmp_path / name).write_bytes(content)
    with pytest.raises(EmbedderError, match=name):
        minilm.create(str(tmp_path))


def test_a_folder_without_the_model_names_the_remedies(tmp_path):
    with pytest.raises(ModelNotFoundError) as caught:
        minilm.create(str(tmp_path))
    message = str(caught.value)
    for part in (str(tmp_path), "model.safetensors", "tokenizer.json", "zettel models get", "Hugging Face cache"):
        assert part in message


def test_the_shipped_graph_is_the_one_that_is_built():
    pytest.importorskip("onnx", reason="onnx is needed to build the graph")
    from zettel.embedder import _graph

    assert _graph.GRAPH_PATH.read_bytes() == _graph.build().SerializeToString(deterministic=True)
    assert _graph.GRAPH_PATH.stat().st_size < 20_000
