"""The embedder without weights: the same everywhere, and of any dimension."""

import subprocess
import sys

import numpy as np
import pytest

from zettel.embedder import hashing
from zettel.errors import InputError


def test_the_model_is_the_dimension():
    assert hashing.create().dimension == 384
    assert hashing.create("64").embed(["a b"]).shape == (1, 64)


@pytest.mark.parametrize("model", ["", "7", "65537", "-64", "x", "6 4", "9" * 5000])
def test_another_model_is_refused(model):
    with pytest.raises(InputError, match="dimension from 8 to 65536"):
        hashing.create(model)


def test_another_process_gives_the_same_vectors():
    """Python's own hash would not: it is salted anew in each process."""
    code = "from zettel.embedder import hashing; print(hashing.create('16').embed(['Max the puppy']).tobytes().hex())"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert outputs == {hashing.create("16").embed(["Max the puppy"]).tobytes().hex()}


def test_case_and_order_do_not_matter_and_shared_parts_of_words_do():
    # Many dimensions, so that hardly any two features meet by chance.
    a, b, plural, other = hashing.create("65536").embed(["Puppy Max", "max puppy", "puppies", "quarterly budget"])
    np.testing.assert_allclose(a, b, atol=1e-6)
    assert float(a @ plural) > 0.1 > float(a @ other)


def test_vectors_stay_as_they_are():
    """A memory on disk holds these vectors: if this fails, raise the version in the fingerprint."""
    vector = hashing.create("8").embed(["Caroline adopted a puppy named Max."])[0]
    np.testing.assert_allclose(vector, EXPECTED, atol=1e-6)


EXPECTED = [-0.699055, -0.018234, -0.294858, 0.319330, -0.354484, 0.438583, -0.022534, 0.059626]
