"""The command show: a note's card, its topics, its links and its history."""

# ruff: noqa: PLC0415 -- what is heavy is imported when a command runs: --help must be quick

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from zettel.cli import options
from zettel.cli.commands.browsing import write_links
from zettel.cli.output import write, write_json

if TYPE_CHECKING:
    from zettel.cli.commits import TopicTitle
    from zettel.cli.wording import Title
    from zettel.model import HistoryEntry, Note, Revision, Topic

_LABEL = 15  # columns of a field's name
_ID = 9  # of a change's id


def show(
    memory: options.Memory,
    note: options.Note,
    *,
    namespace: options.Namespace = "default",
    timezone: options.Timezone = "UTC",
    json: options.Json = False,
) -> None:
    """Show a note's card, its place among the topics, its links, and everything that ever happened to it.

    A note that was removed or erased still has its history. With --json: {"note": ..., "topics": [...], "links":
    [...], "history": [...]}; the topics are those that contain the note, from the top down.
    """
    from zettel.cli import access, wording

    with access.reading(memory, namespace=namespace, timezone=timezone) as opened:
        note_id = access.find_id(opened, note)
        card = opened.get(note_id) if note_id in opened else None
        place = wording.above(card.address, opened.topics()) if card else []
        links = opened.links(note_id) if card else []
        history = opened.history(note_id)
        if json:
            write_json({"note": card, "topics": place, "links": links, "history": history})
            return
        title = access.titles(opened)
        if card is None:
            write((note_id, "bold"), "  is not in the memory any more; this is its history")
        else:
            _write_card(card, place)
        if links:
            write()
            write(("links", "bold"))
            write_links(links, note_id, title)
        undo = lambda change_id: wording.command("undo", memory, change_id, namespace=namespace)
        _Life(history, timezone, title, access.topic_titles(opened), undo).write()


def _write_card(note: Note, place: Sequence[Topic]) -> None:
    from zettel.cli import wording

    write((note.id, "bold"))
    write((wording.when(note), "cyan"), "  ", (note.speaker or "", "green"))
    write((note.text, "bold"))
    write()
    write_field("topic", f"{note.address}  {wording.trail(place)}" if place else "")
    write_context(note)
    shown_above = {"id", "text", "speaker", "time", "sources", "context", "learned", "attachments", "address"}
    fields: dict[str, Any] = note.model_dump(mode="json", exclude=shown_above)
    for name, value in fields.items():
        shown = ", ".join(value) if isinstance(value, list) else value
        write_field(name, "" if shown in (None, {}) else str(shown))
    for source in note.sources:
        write_field("source", wording.origin(source))
        parts = source.model_dump(exclude_none=True)
        write((" ".join(f"{name}={value}" for name, value in parts.items()), "dim"), indent=_LABEL)


def write_context(note: Note, *, indent: int = 0, width: int | None = None) -> None:
    """Print the context of a note, and beneath it what it has learned from later notes."""
    from zettel.card import line

    write_field("context", note.context, indent=indent, width=width)
    for lesson in note.learned:
        write_field("  added", line(lesson), indent=indent, width=width)


def write_field(name: str, value: str, *, indent: int = 0, width: int | None = None) -> None:
    """Print the name and the value of a field; nothing if the value is empty."""
    if value:
        write((f"{name:<{_LABEL}}", "dim"), value, indent=indent, hang=_LABEL, width=width)


class _Life:
    """The history of a note: a line for each commit, and below it each revision, its cause and how to undo it."""

    def __init__(
        self,
        history: Sequence[HistoryEntry],
        timezone: str,
        title: Title,
        topic: TopicTitle,
        undo: Callable[[str], str],
    ) -> None:
        self._history = history
        self._zone = ZoneInfo(timezone)
        self._title = title
        self._topic = topic
        self._undo = undo
        self._taken_back = {entry.change.undoes: entry.change.id for entry in history if entry.change.undoes}

    def write(self) -> None:
        """Print the history, oldest commit first."""
        write()
        write(("history", "bold"))
        for _, entries in groupby(self._history, key=lambda entry: entry.commit):
            self._write_commit(list(entries))

    def _write_commit(self, entries: Sequence[HistoryEntry]) -> None:
        from zettel.cli import commits, wording

        first = entries[0]
        words = commits.events([entry.change for entry in entries], self._topic)
        revisions = [entry.change for entry in entries if entry.change.type == "revision"]
        if words or revisions:
            at = wording.stamp(first.at.astimezone(self._zone))
            write((f"{first.commit:<{_ID}}", "cyan"), (f"{at}  {first.cause:<11} ", "dim"), words)
        for revision in revisions:
            self._write_revision(revision)

    def _write_revision(self, change: Revision) -> None:
        from zettel.cli import commits

        write((f"{change.id:<{_ID}}", "yellow"), commits.revised(change), hang=_ID)
        back = self._taken_back.get(change.id)
        lines = {
            "why": f"takes back {change.undoes}" if change.undoes else change.reason,
            "trigger": self._title(change.trigger) if change.trigger and not change.undoes else "",
            "undo": f"taken back by {back}" if back else self._undo(change.id),
        }
        for name, value in lines.items():
            if value:
                write((f"{name:<8}", "dim"), value, indent=_ID, hang=8)


COMMANDS = {"Look": (show,)}
