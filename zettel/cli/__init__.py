"""The command line: a thin edge over ``zettel.Memory``, and the only place that knows typer and rich."""

from __future__ import annotations

import sys

from zettel.cli._app import app


def main() -> None:
    """The console script ``zettel``."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal that knows no UTF-8 shows \u escapes instead of failing
            stream.reconfigure(errors="backslashreplace")
    app(prog_name="zettel")


__all__ = ["app", "main"]
