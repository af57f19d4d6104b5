"""The demo: a conversation is ingested, then come its topics and links, a card that evolves, undo and time travel."""

from __future__ import annotations

import re
import shlex
from importlib import resources
from pathlib import Path
from time import perf_counter

from zettel.cli import access, commits, wording
from zettel.cli.commands.browsing import strongest, write_links, write_topics
from zettel.cli.commands.finding import write_reasons
from zettel.cli.commands.showing import write_context, write_field
from zettel.cli.output import warn, write
from zettel.memory import Memory
from zettel.model import Hit, Note

_SESSIONS = re.compile(r"^(?=# )", re.MULTILINE)
_WIDTH = 100

# Both questions are in samples/questions.json, with their answers.
_DOG = "What is the dog called?"
_LIGHT = "Why did the light go out for eleven minutes in 1911?"
_LINKS = 3
_RIDDLE = 4  # the commit of 27 April, in which the riddle of the light is posed; it is solved on 19 October


class Tour:
    """One run of the demo. ``name`` is the memory's name in the commands that are shown."""

    def __init__(self, memory: Memory, name: str, transcript: Path) -> None:
        self._memory = memory
        self._name = shlex.quote(name)
        self._transcript = transcript

    def run(self) -> None:
        """Show all parts, in order."""
        self._ingest()
        self._draw_topics()
        dog = self._ask_and_look_around()
        self._see_a_card_evolve(*self._go_back())
        self._forget_and_undo(dog)

    def _ingest(self) -> None:
        warn("reading the conversation ...")
        started = perf_counter()
        text = resources.files("zettel.samples").joinpath(self._transcript.name).read_text(encoding="utf-8")
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
        self._command(f"ingest {shlex.quote(self._transcript.name)}")
        seconds = perf_counter() - started
        self._say(f"{len(self._memory)} notes in {self._memory.head} commits, {seconds:.1f} s, all on this machine")

    def _draw_topics(self) -> None:
        write()
        self._command("topics", "where the notes went as they arrived; topics split when they grow")
        tree = self._memory.topics()
        write_topics(tree, tree)

    def _ask_and_look_around(self) -> Note:
        write()
        self._search(_DOG, " -k 1")
        (hit,) = self._memory.search(_DOG, 1)
        note = hit.note
        self._show(hit)
        write_reasons(hit, self._memory, indent=2, width=_WIDTH)
        place = wording.trail(wording.above(note.address, self._memory.topics()))
        write(("topic ", "dim"), f"{note.address} {place}", indent=2, hang=6, width=_WIDTH)
        self._command(f"links {wording.short_id(note.id)} --limit {_LINKS}", "what it is linked with, and why")
        links = strongest(self._memory.links(note.id))[:_LINKS]
        write_links(links, note.id, self._title(), indent=2, width=_WIDTH)
        return note

    def _go_back(self) -> tuple[Note, Note]:
        """Ask the riddle as of its own day, and now. Returns the note that poses it, and the one that solves it."""
        write()
        self._search(_LIGHT, f" -k 1 --as-of {_RIDDLE}")
        (riddle,) = self._memory.as_of(_RIDDLE).search(_LIGHT, 1)
        self._show(riddle)
        self._search(_LIGHT, " -k 1")
        (answer,) = self._memory.search(_LIGHT, 1)
        self._show(answer)
        self._say(f"As of commit {_RIDDLE}, after their talk of 27 April, nobody knew; half a year later they did.")
        return riddle.note, answer.note

    def _see_a_card_evolve(self, riddle: Note, answer: Note) -> None:
        """Show the riddle's card, to which the arrival of the answer added a line, and undo that."""
        changes = (entry.change for entry in self._memory.history(riddle.id))
        revision = next((c for c in changes if c.type == "revision" and c.trigger == answer.id), None)
        if revision is None:  # an embedder other than the default one may find and link other notes
            return
        show = f"show {wording.short_id(riddle.id)}"
        self._command(show, "the riddle's card has learned from notes that came later")
        self._write_context(riddle.id)
        write_field("why", revision.reason, indent=2, width=_WIDTH)
        write_field("trigger", self._title()(answer.id), indent=2, width=_WIDTH)
        self._undo(revision.id, "any change can be taken back, and an undo is one, too")
        self._command(show)
        self._write_context(riddle.id)

    def _title(self) -> wording.Title:
        return access.titles(self._memory)

    def _write_context(self, note_id: str) -> None:
        write_context(self._memory.get(note_id), indent=2, width=_WIDTH)

    def _forget_and_undo(self, note: Note) -> None:
        write()
        short = wording.short_id(note.id)
        self._command(f"forget {short}", "put the dog's name away")
        self._memory.forget(note.id)
        self._search(_DOG, f" --why-not {short}")
        self._say(self._memory.why_not(_DOG, note.id).why)
        self._undo(str(self._memory.head))

    def _undo(self, what: str, remark: str = "") -> None:
        self._command(f"undo {what}", remark)
        commit = self._memory.undo(what)
        self._say(f"commit {commit.id}: {commits.summary(commit, self._title())}")

    def _search(self, question: str, more: str) -> None:
        self._command(f'search "{question}"{more}')

    def _show(self, hit: Hit) -> None:
        said = f"{hit.note.speaker}, {wording.when(hit.note)}: "
        write((said, "dim"), (hit.note.text, "bold"), indent=2, hang=2, width=_WIDTH)

    def _command(self, words: str, remark: str = "") -> None:
        """Print a command. The name of the memory is inserted after the command's name."""
        name, _, rest = words.partition(" ")
        typed = f"zettel {name} {self._name} {rest}".rstrip()
        write(("$ ", "dim"), (typed, "cyan"), (f"  # {remark}" if remark else "", "dim"))

    @staticmethod
    def _say(words: str) -> None:
        write(words, indent=2, width=_WIDTH)
