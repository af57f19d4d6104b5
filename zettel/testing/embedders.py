"""What every embedder promises."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zettel.protocols import Embedder, PassageEmbedder
from zettel.testing._shared import examples

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
LONG_TEXTS = st.one_of(
    st.lists(st.text(max_size=12), max_size=400).map(" ".join),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=60).map(lambda text: text * 40),
    st.lists(st.sampled_from(["word ", "漢", "한국", "!", "x" * 300, "\n", "[SEP]", "\0"]), max_size=600).map("".join),
)


class EmbedderContract:
    """The suite for an embedder: set ``plugin``, and ``model`` if ``create`` needs the name of one.

    What concerns passages is asked only of one with ``spans``.
    """

    plugin: Any
    model: str | None = None

    @pytest.fixture(scope="class")
    @classmethod
    def make(cls) -> Callable[[], Embedder]:
        """Makes a new one each time."""
        return partial(cls.plugin.create, cls.model)

    @pytest.fixture(scope="class")
    @classmethod
    def embedder(cls, make: Callable[[], Embedder]) -> Embedder:
        """The embedder under test."""
        return make()

    @pytest.fixture(scope="class")
    @classmethod
    def splitter(cls, embedder: Embedder) -> PassageEmbedder:
        """The embedder under test, if it splits texts into passages."""
        if not isinstance(embedder, PassageEmbedder):
            pytest.skip("it has no spans(): it sees every text whole")
        return embedder

    def fits(self, splitter: PassageEmbedder, passage: str) -> bool:
        """Whether a passage fits the encoder's window; override it if the window is not what ``spans`` fills."""
        return len(splitter.spans(passage)) == 1

    def test_it_keeps_the_protocol(self, embedder: Embedder) -> None:
        assert isinstance(embedder, Embedder)

    def test_vectors_have_the_promised_shape_type_and_length(self, embedder: Embedder) -> None:
        vectors = embedder.embed(TEXTS)
        assert vectors.ndim == 2
        assert len(vectors) == len(TEXTS)
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)

    def test_no_texts_give_no_vectors(self, embedder: Embedder) -> None:
        vectors = embedder.embed([])
        assert vectors.shape == (0, embedder.embed(["a"]).shape[1])
        assert vectors.dtype == np.float32

    def test_the_same_call_gives_the_same_vectors(self, embedder: Embedder) -> None:
        np.testing.assert_array_equal(embedder.embed(TEXTS), embedder.embed(TEXTS))

    def test_a_vector_does_not_depend_on_the_rest_of_the_call(self, embedder: Embedder) -> None:
        together = embedder.embed(TEXTS * 5)
        alone = np.concatenate([embedder.embed([text]) for text in TEXTS])
        np.testing.assert_allclose(together, np.tile(alone, (5, 1)), atol=1e-5)

    def test_order_is_kept(self, embedder: Embedder) -> None:
        np.testing.assert_allclose(embedder.embed(TEXTS[::-1])[::-1], embedder.embed(TEXTS), atol=1e-5)

    def test_a_fingerprint_is_one_word_and_lasts(self, make: Callable[[], Embedder]) -> None:
        first, second = make().fingerprint, make().fingerprint
        assert first == second
        assert first.split() == [first]

    @pytest.mark.parametrize("text", TEXTS)
    def test_a_text_that_fits_is_one_passage(self, splitter: PassageEmbedder, text: str) -> None:
        if len(text) < 100:
            assert splitter.spans(text) == [(0, len(text))]

    @examples(40)
    @given(text=LONG_TEXTS, reserve=st.sampled_from([0, 20, 100, 10_000]))
    def test_passages_cover_the_text_and_overlap(self, splitter: PassageEmbedder, text: str, reserve: int) -> None:
        spans = splitter.spans(text, reserve)
        assert spans[0][0] == 0
        assert spans[-1][1] == len(text)
        for (start, end), (next_start, next_end) in pairwise(spans):
            assert start < next_start <= end < next_end

    @examples(40)
    @given(text=LONG_TEXTS)
    def test_a_passage_fits_by_itself(self, splitter: PassageEmbedder, text: str) -> None:
        for start, end in splitter.spans(text):
            assert self.fits(splitter, text[start:end])

    @pytest.mark.parametrize("unit", ["x", "word ", "漢", "한", "!", " ", "\0"])
    def test_a_text_of_a_million_characters_is_cut_and_read(self, splitter: PassageEmbedder, unit: str) -> None:
        text = (unit * 1_000_000)[:1_000_000]
        spans = splitter.spans(text)
        assert (spans[0][0], spans[-1][1]) == (0, len(text))
        assert splitter.embed([text]).shape == splitter.embed(["a"]).shape
