"""The command demo: it makes a memory, and ``zettel.cli.tour`` shows what the memory can do."""

# ruff: noqa: PLC0415 -- what is heavy is imported when a command runs: --help must be quick

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from zettel.cli import options
from zettel.cli.output import write
from zettel.errors import InputError

_SAMPLE = "lighthouse.txt"


def demo(
    *,
    memory: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Keep the memory in this new file, to try commands on.")
    ] = None,
    embedder: options.Embedder = None,
) -> None:
    """See a memory at work, in some seconds: no network, no language model, and no file is left without --memory.

    It ingests a conversation of two friends who turn a lighthouse keeper's cottage into a guest house (fiction, part
    of zettel), and prints each command with its result.
    """
    from zettel.cli.tour import Tour
    from zettel.registry import open_memory

    with _place(memory) as path, open_memory(path, embedder=embedder) as opened:
        Tour(opened, str(memory or "demo.zettel"), path.with_name(_SAMPLE)).run()
    write()
    if memory is None:
        write("That memory was temporary. Keep one to try all this on: ", ("zettel demo --memory demo.zettel", "bold"))
    else:
        write("The memory stays: ", (f"zettel log {shlex.quote(str(memory))}", "bold"), " lists what happened to it.")


@contextmanager
def _place(kept: Path | None) -> Iterator[Path]:
    """The path for the memory; the conversation is written beside it."""
    if kept is None:
        with tempfile.TemporaryDirectory(prefix="zettel-demo-") as folder:
            yield Path(folder, "demo.zettel")
        return
    for path in (kept, kept.with_name(_SAMPLE)):
        if path.exists():
            raise InputError(f"{path} is there already, and the demo makes a new one: choose another place")
    if not kept.parent.is_dir():
        raise InputError(f"there is no folder {kept.parent}: make it, or choose another place")
    yield kept


COMMANDS = {"Begin": (demo,)}
