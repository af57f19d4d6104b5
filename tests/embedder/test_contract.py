"""Every embedder in ``zettel/embedder/`` keeps the contract, and more; one that can't run here is skipped."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from zettel import plugins, registry
from zettel.embedder import _weights
from zettel.errors import InputError, MissingExtraError, ModelNotFoundError
from zettel.protocols import Embedder, PassageEmbedder
from zettel.testing import EmbedderContract

NAMES = plugins.names("embedder")


@pytest.fixture(scope="module", autouse=True)
def _offline() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield


def made(name: str) -> Embedder:
    """A new embedder of that name; the library runs the model of the weights package, the one likely to be here."""
    try:
        return registry.embedder(f"{name}:{_weights.find()}" if name == "sentence_transformers" else name)
    except (ModelNotFoundError, MissingExtraError) as error:
        pytest.skip(f"{name} can't run here: {error}")


class TestEmbedders(EmbedderContract):
    @pytest.fixture(scope="class", params=NAMES)
    @classmethod
    def make(cls, request: pytest.FixtureRequest) -> Callable[[], Embedder]:
        return partial(made, request.param)

    def fits(self, splitter: PassageEmbedder, passage: str) -> bool:
        if splitter.fingerprint.startswith("sentence_transformers"):
            # It leaves some tokens of its window free, so it is asked for the number.
            model: Any = splitter._model  # type: ignore[attr-defined]
            return len(model.tokenizer(passage)["input_ids"]) <= model.max_seq_length
        return super().fits(splitter, passage)

    def test_the_dimension_stands_in_the_fingerprint(self, embedder: Any) -> None:
        assert embedder.embed(["a"]).shape == (1, embedder.dimension)
        assert str(embedder.dimension) in embedder.fingerprint

    def test_shared_words_bring_texts_together(self, embedder: Embedder) -> None:
        puppy, same, other = embedder.embed(
            ["Caroline adopted a puppy.", "A puppy was adopted by Caroline.", "Interest rates rose in March."]
        )
        assert puppy @ same > 0.5 > puppy @ other

    def test_passages_of_prose_share_words(self, splitter: PassageEmbedder) -> None:
        spans = splitter.spans("The quick brown fox jumps over the lazy dog, and nobody minds. " * 200, 30)
        assert len(spans) > 5
        shared = [end - start for (_, end), (start, _) in pairwise(spans)]
        assert min(shared) > 20

    def test_what_is_cut_off_does_not_change_the_vector(self, embedder: Embedder) -> None:
        text = "The quick brown fox jumps over the lazy dog. " * 100
        vectors = embedder.embed([text, text + "Something else entirely."])
        np.testing.assert_array_equal(vectors[0], vectors[1])

    def test_a_lone_surrogate_is_refused_by_name_and_place(self, splitter: PassageEmbedder) -> None:
        refused = r"text 1 of 2 holds a lone surrogate \(U\+D800\) at character 3"
        with pytest.raises(InputError, match=refused) as caught:
            splitter.embed(["fine", "bad\ud800"])
        assert [position for position, _ in caught.value.items] == [1]
        with pytest.raises(InputError, match="lone surrogate"):
            splitter.spans("bad\udcff" * 1000)

    def test_a_single_text_or_no_text_is_refused(self, embedder: Embedder) -> None:
        with pytest.raises(InputError, match="list of texts"):
            embedder.embed("one text")
        with pytest.raises(InputError, match="is a NoneType, not a str"):
            embedder.embed([None])  # type: ignore[list-item]


def test_every_plug_in_is_covered() -> None:
    assert {"minilm", "hashing", "sentence_transformers"} <= set(NAMES)


def test_fingerprints_of_different_embedders_differ() -> None:
    fingerprints = {"hashing 64": registry.embedder("hashing:64").fingerprint}
    for name in NAMES:
        with contextlib.suppress(pytest.skip.Exception):
            fingerprints[name] = made(name).fingerprint
    assert len(set(fingerprints.values())) == len(fingerprints) >= 2
