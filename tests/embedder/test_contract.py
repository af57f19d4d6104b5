"""What every embedder promises, checked on every file of ``zettel/embedder``; one that can't run here is skipped."""

import contextlib
import importlib
import pkgutil
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import zettel.embedder
from zettel.embedder import _weights
from zettel.errors import InputError, MissingExtraError, ModelNotFoundError
from zettel.protocols import Embedder

NAMES = [m.name for m in pkgutil.iter_modules(zettel.embedder.__path__) if not m.name.startswith("_")]

TEXTS = [
    "Caroline adopted a puppy named Max.",
    "",
    "a",
    "The meeting about the quarterly budget was moved to Thursday afternoon, and nobody told the people in Lisbon. "
    * 8,
    "漢字かな交じり文 한국어 ไทย العربية",
    "\0\x01\u200b\ufeff\U0001f9d1\u200d\U0001f680 e\u0301 İ ﬃ",
    "[CLS] [MASK] [PAD]",
    "   \n\t ",
]

#: Texts of many scripts, and of nothing but one character, long enough to need several passages.
long_texts = st.one_of(
    st.lists(st.text(max_size=12), max_size=400).map(" ".join),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=60).map(lambda text: text * 40),
    st.lists(st.sampled_from(["word ", "漢", "한국", "!", "x" * 300, "\n", "[SEP]", "\0"]), max_size=600).map("".join),
)


def make(name: str) -> Embedder:
    """A new embedder of that name; the library runs the model of the weights package, the one likely to be here."""
    module = importlib.import_module(f"zettel.embedder.{name}")
    try:
        return module.create(str(_weights.find()) if name == "sentence_transformers" else None)
    except (ModelNotFoundError, MissingExtraError) as error:
        pytest.skip(f"{name} can't run here: {error}")


def fits(embedder: Embedder, passage: str) -> bool:
    if embedder.fingerprint.startswith("sentence_transformers"):
        # It leaves some tokens of its window free, so it is asked for the number.
        return len(embedder._model.tokenizer(passage)["input_ids"]) <= embedder._model.max_seq_length
    return len(embedder.spans(passage)) == 1


@pytest.fixture(scope="module", autouse=True)
def _offline():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield


@pytest.fixture(scope="module", params=NAMES)
def embedder(request, _offline):
    return make(request.param)


def test_every_plug_in_is_covered():
    assert {"minilm", "hashing", "sentence_transformers"} <= set(NAMES)


def test_vectors_have_the_promised_shape_type_and_length(embedder):
    vectors = embedder.embed(TEXTS)
    assert vectors.shape == (len(TEXTS), embedder.dimension)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


def test_no_texts_give_no_vectors(embedder):
    vectors = embedder.embed([])
    assert vectors.shape == (0, embedder.dimension)
    assert vectors.dtype == np.float32


def test_the_same_call_gives_the_same_vectors(embedder):
    np.testing.assert_array_equal(embedder.embed(TEXTS), embedder.embed(TEXTS))


def test_a_vector_does_not_depend_on_the_rest_of_the_call(embedder):
    together = embedder.embed(TEXTS * 5)
    alone = np.concatenate([embedder.embed([text]) for text in TEXTS])
    np.testing.assert_allclose(together, np.tile(alone, (5, 1)), atol=1e-5)


def test_order_is_kept(embedder):
    np.testing.assert_allclose(embedder.embed(TEXTS[::-1])[::-1], embedder.embed(TEXTS), atol=1e-5)


def test_shared_words_bring_texts_together(embedder):
    puppy, same, other = embedder.embed(
        ["Caroline adopted a puppy.", "A puppy was adopted by Caroline.", "Interest rates rose in March."]
    )
    assert puppy @ same > 0.5 > puppy @ other


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_that_fits_is_one_passage(embedder, text):
    if len(text) < 100:
        assert embedder.spans(text) == [(0, len(text))]


@settings(max_examples=40, deadline=None)
@given(text=long_texts, reserve=st.sampled_from([0, 20, 100, 10_000]))
def test_passages_cover_the_text_and_overlap(embedder, text, reserve):
    spans = embedder.spans(text, reserve)
    assert spans[0][0] == 0
    assert spans[-1][1] == len(text)
    for (start, end), (next_start, next_end) in pairwise(spans):
        assert start < next_start <= end < next_end


@settings(max_examples=40, deadline=None)
@given(text=long_texts)
def test_a_passage_fits_by_itself(embedder, text):
    for start, end in embedder.spans(text):
        assert fits(embedder, text[start:end])


def test_passages_of_prose_share_words(embedder):
    spans = embedder.spans("The quick brown fox jumps over the lazy dog, and nobody minds. " * 200, 30)
    assert len(spans) > 5
    shared = [end - start for (_, end), (start, _) in pairwise(spans)]
    assert min(shared) > 20


@pytest.mark.parametrize("unit", ["x", "word ", "漢", "한", "!", " ", "\0"])
def test_a_text_of_a_million_characters_is_cut_and_read(embedder, unit):
    text = (unit * 1_000_000)[:1_000_000]
    spans = embedder.spans(text)
    assert (spans[0][0], spans[-1][1]) == (0, len(text))
    assert embedder.embed([text]).shape == (1, embedder.dimension)


def test_what_is_cut_off_does_not_change_the_vector(embedder):
    text = "The quick brown fox jumps over the lazy dog. " * 100
    vectors = embedder.embed([text, text + "Something else entirely."])
    np.testing.assert_array_equal(vectors[0], vectors[1])


def test_a_lone_surrogate_is_refused_by_name_and_place(embedder):
    with pytest.raises(InputError, match=r"text 1 of 2 holds a lone surrogate \(U\+D800\) at character 3") as caught:
        embedder.embed(["fine", "bad\ud800"])
    assert [position for position, _ in caught.value.items] == [1]
    with pytest.raises(InputError, match="lone surrogate"):
        embedder.spans("bad\udcff" * 1000)


def test_a_single_text_or_no_text_is_refused(embedder):
    with pytest.raises(InputError, match="list of texts"):
        embedder.embed("one text")
    with pytest.raises(InputError, match="is a NoneType, not a str"):
        embedder.embed([None])


@pytest.mark.parametrize("name", NAMES)
def test_a_fingerprint_is_one_word_and_lasts(name):
    first, second = make(name).fingerprint, make(name).fingerprint
    assert first == second
    assert first.split() == [first]
    assert str(make(name).dimension) in first


def test_fingerprints_of_different_embedders_differ():
    fingerprints = {"hashing 64": importlib.import_module("zettel.embedder.hashing").create("64").fingerprint}
    for name in NAMES:
        with contextlib.suppress(pytest.skip.Exception):
            fingerprints[name] = make(name).fingerprint
    assert len(set(fingerprints.values())) == len(fingerprints) >= 2
