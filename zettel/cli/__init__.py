"""The command line: a thin layer over ``zettel.Memory``, and the only package that imports typer and rich."""

from __future__ import annotations

import sys

from zettel.cli._app import app


def main() -> None:
    """The console script ``zettel``."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal without UTF-8 then shows \u escapes, and nothing fails
            stream.reconfigure(errors="backslashreplace")
    app(prog_name="zettel")


__all__ = ["app", "main"]
