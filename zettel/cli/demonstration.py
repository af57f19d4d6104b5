"""The command demo: a conversation taken in, asked, forgotten from, brought back and seen as of an earlier commit."""

# ruff: noqa: PLC0415 -- what is heavy is imported when a command runs: --help must be quick

from __future__ import annotations

import re
import shlex
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer

from zettel.cli import options
from zettel.cli.finding import write_reasons
from zettel.cli.output import warn, write
from zettel.errors import InputError

if TYPE_CHECKING:
    from zettel.memory import Memory
    from zettel.model import Hit

_SAMPLE = "lighthouse.txt"
_SESSIONS = re.compile(r"^(?=# )", re.MULTILINE)
_WIDTH = 100

# All three are among the questions of samples/questions.json, and these answers are those given there.
_DOG = "What is the dog called?"
_DOOR = "Why did the front door end up red?"
_LIGHT = "Why did the light go out for eleven minutes in 1911?"
_RIDDLE = 4  # the commit of 27 April, where the riddle of the light is told; it is solved on 19 October


def demo(
    *,
    memory: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Keep the memory in this new file, to try commands on.")
    ] = None,
    embedder: options.Embedder = None,
) -> None:
    """See a memory at work, in some seconds: no network, no language model, nothing left behind without --memory.

    It takes in a conversation of two friends who turn a lighthouse keeper's cottage into a guest house (fiction, part
    of zettel), and prints each command with what it shows.
    """
    from zettel.registry import open_memory

    with _place(memory) as path, open_memory(path, embedder=embedder) as opened:
        _Demo(opened, str(memory or "demo.zettel"), path.with_name(_SAMPLE)).run()
    write()
    if memory is None:
        write("That memory was temporary. Keep one to try all this on: ", ("zettel demo --memory demo.zettel", "bold"))
    else:
        write("The memory stays: ", (f"zettel log {shlex.quote(str(memory))}", "bold"), " lists what happened to it.")


@contextmanager
def _place(kept: Path | None) -> Iterator[Path]:
    """Where the memory goes; the conversation is written beside it."""
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


class _Demo:
    """One run. ``name`` is what the memory is called in the commands shown."""

    def __init__(self, memory: Memory, name: str, transcript: Path) -> None:
        self._memory = memory
        self._name = shlex.quote(name)
        self._transcript = transcript

    def run(self) -> None:
        """The parts, in order."""
        self._ingest()
        dog = self._ask(_DOG)
        self._ask(_DOOR)
        self._forget_and_undo(dog)
        self._go_back()

    def _ingest(self) -> None:
        warn("reading the conversation ...")
        started = perf_counter()
        text = resources.files("zettel.samples").joinpath(_SAMPLE).read_text(encoding="utf-8")
        sessions = [part for part in _SESSIONS.split(text) if part.strip()]
        with self._transcript.open("w", encoding="utf-8", newline="\n") as file:
            for session in sessions:
                file.write(session)
                file.flush()
                self._memory.ingest(self._transcript)
        write(
            "Two friends turn a lighthouse keeper's cottage into a guest house, March to December 2025. They talk"
            f" {len(sessions)} times; after each time, the same command takes in what is new, as one commit:",
            width=_WIDTH,
        )
        self._command(f"ingest {self._name} {shlex.quote(str(self._transcript.name))}")
        seconds = perf_counter() - started
        self._say(f"{len(self._memory)} notes in {self._memory.head} commits, {seconds:.1f} s, all on this machine")

    def _ask(self, question: str) -> Hit:
        write()
        self._search(question, " -k 1")
        (hit,) = self._memory.search(question, 1)
        self._show(hit)
        write_reasons(hit, self._memory, indent=2, width=_WIDTH)
        return hit

    def _forget_and_undo(self, hit: Hit) -> None:
        from zettel.cli.wording import short_id

        write()
        note_id = hit.note.id
        self._command(f"forget {self._name} {short_id(note_id)}", "put away")
        self._memory.forget(note_id)
        forgotten = self._memory.head
        self._search(_DOG, f" --why-not {short_id(note_id)}")
        self._say(self._memory.why_not(_DOG, note_id).why)
        self._search(_DOG, " -k 1")
        self._show(self._memory.search(_DOG, 1)[0])
        self._command(f"undo {self._name} {forgotten}", "take that back")
        self._memory.undo(forgotten)
        self._search(_DOG, " -k 1")
        self._show(self._memory.search(_DOG, 1)[0])

    def _go_back(self) -> None:
        write()
        self._search(_LIGHT, f" -k 2 --as-of {_RIDDLE}")
        for hit in self._memory.as_of(_RIDDLE).search(_LIGHT, 2):
            self._show(hit)
        self._search(_LIGHT, " -k 1")
        self._show(self._memory.search(_LIGHT, 1)[0])
        self._say(
            f"As of commit {_RIDDLE}, after their talk of 27 April, nobody knew. (--as-of also takes a time: when the"
            " memory learned it, here just now. --since and --until ask when it happened.)"
        )

    def _search(self, question: str, more: str) -> None:
        self._command(f'search {self._name} "{question}"{more}')

    def _show(self, hit: Hit) -> None:
        from zettel.cli.wording import when

        said = f"{hit.note.speaker}, {when(hit.note)}: "
        write((said, "dim"), (hit.note.text, "bold"), indent=2, hang=2, width=_WIDTH)

    @staticmethod
    def _command(words: str, remark: str = "") -> None:
        write(("$ ", "dim"), (f"zettel {words}", "cyan"), (f"  # {remark}" if remark else "", "dim"))

    @staticmethod
    def _say(words: str) -> None:
        write(words, indent=2, width=_WIDTH)
