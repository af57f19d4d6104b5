"""What every plug-in must keep, as test classes that a plug-in's author runs: ``pip install 'zettel[testing]'``.

Subclass the contract of your plug-in's kind in a test file, name the plug-in, and run pytest::

    from zettel.testing import SignalContract
    import my_package.length

    class TestLength(SignalContract):
        plugin = my_package.length

zettel's own tests run the same classes over the plug-ins that it brings. ``zettel.testing.by_hand`` makes notes,
arrivals and encounters for tests of your own.
"""

# ruff: noqa: E402 -- pytest explains a failed assertion only in modules that are registered before their import

import pytest

for _name in ("analyzers", "embedders", "policies", "rules", "signals", "agreement", "stores", "transcripts"):
    pytest.register_assert_rewrite(f"zettel.testing.{_name}")

from zettel.testing.analyzers import AnalyzerContract
from zettel.testing.embedders import EmbedderContract
from zettel.testing.policies import PolicyContract
from zettel.testing.rules import RuleContract
from zettel.testing.signals import SignalContract
from zettel.testing.stores import StoreContract
from zettel.testing.transcripts import TranscriptCase, TranscriptContract

__all__ = [
    "AnalyzerContract",
    "EmbedderContract",
    "PolicyContract",
    "RuleContract",
    "SignalContract",
    "StoreContract",
    "TranscriptCase",
    "TranscriptContract",
]
