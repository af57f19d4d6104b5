"""Every format in ``zettel/transcripts/`` keeps the contract.

A format named "x" brings three samples: ``samples/x.<ending>``, ``samples/x.grown.<ending>`` (the same file some
messages later) and ``samples/x.texts.json`` (the texts of the first, in order).
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from zettel import plugins
from zettel.registry import formats
from zettel.testing import TranscriptCase, TranscriptContract

SAMPLES = Path(__file__).parent / "samples"
NAMES = plugins.built_in("transcripts")
FORMATS = {fmt.name: fmt for fmt in formats()}


def sample(name: str, kind: str = "") -> str:
    found = sorted(p for p in SAMPLES.glob(f"{name}{kind}.*") if kind or p.name.count(".") == 1)
    assert found, f"the format {name!r} has no sample: write tests/transcripts/samples/{name}{kind}.<ending>"
    return found[0].read_text(encoding="utf-8")


class TestFormats(TranscriptContract):
    @pytest.fixture(scope="class", params=NAMES)
    @classmethod
    def case(cls, request: pytest.FixtureRequest) -> TranscriptCase:
        name = request.param
        return TranscriptCase(FORMATS[name], sample(name), json.loads(sample(name, ".texts")), sample(name, ".grown"))

    @pytest.mark.parametrize("other", NAMES)
    def test_it_leaves_the_samples_of_the_others_to_them(self, case: TranscriptCase, other: str) -> None:
        from zettel.testing.transcripts import transcript

        seen = transcript(sample(other))
        assert max(FORMATS.values(), key=lambda fmt: fmt.sniff(seen)).name == other
