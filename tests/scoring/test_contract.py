"""Every signal in ``zettel/scoring/`` keeps the contract, and is named after its file."""

from __future__ import annotations

from typing import Any

import pytest

from zettel import registry
from zettel.protocols import Signal
from zettel.testing import SignalContract


class TestSignals(SignalContract):
    @pytest.fixture(scope="class", params=registry.signals(), ids=lambda signal: signal.NAME)
    @classmethod
    def signal(cls, request: pytest.FixtureRequest) -> Signal:
        signal: Signal = request.param
        return signal

    def test_it_is_named_by_its_file(self, signal: Any) -> None:
        assert signal.__name__ == f"zettel.scoring.{signal.NAME}"
