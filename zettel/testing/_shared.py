"""What the suites share."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

LINE_BREAKS = frozenset("\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")


def examples(n: int) -> settings:
    """Settings for ``n`` examples of a test that several classes inherit, whatever the scope of their fixtures."""
    allowed = (HealthCheck.differing_executors, HealthCheck.function_scoped_fixture, HealthCheck.too_slow)
    return settings(max_examples=n, deadline=None, suppress_health_check=allowed)
