"""The commands that read the journal: log, diff."""

# ruff: noqa: PLC0415 -- what is heavy is imported when a command runs: --help must be quick

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from zettel.cli import options
from zettel.cli.output import write, write_json

if TYPE_CHECKING:
    from zettel.cli.wording import Title
    from zettel.model import Commit, FieldDiff

_STYLES = {"+": "green", "-": "red", "~": "yellow"}


def log(
    memory: options.Memory,
    *,
    n: Annotated[int, typer.Option("-n", min=1, help="How many commits at most.")] = 20,
    namespace: options.Namespace = "default",
    timezone: options.Timezone = "UTC",
    json: options.Json = False,
) -> None:
    """List the commits of the journal, newest first: number, time, cause, and what changed.

    With --json: one commit a line, with all its changes.
    """
    from zettel.cli import access

    with access.reading(memory, namespace=namespace, timezone=timezone) as opened:
        title = access.titles(opened)
        for commit in reversed(opened.log(after=max(0, opened.head - n))):
            if json:
                write_json(commit)
            else:
                _write_commit(commit, title, timezone)


def _write_commit(commit: Commit, title: Title, timezone: str) -> None:
    from zoneinfo import ZoneInfo

    from zettel.cli import commits, wording

    at = wording.stamp(commit.at.astimezone(ZoneInfo(timezone)))
    write((f"{commit.id:<5}", "cyan"), (f"{at}  {commit.cause:<11} ", "dim"), commits.summary(commit, title), hang=5)


def diff(
    memory: options.Memory,
    commit: Annotated[str, typer.Argument(metavar="COMMIT", help="A commit's number.")],
    *,
    namespace: options.Namespace = "default",
    timezone: options.Timezone = "UTC",
    json: options.Json = False,
) -> None:
    """Show what a commit changed, field by field, with the id by which each change can be undone.

    Notes that moved from one topic to another are only counted. With --json: one field a line, places included.
    """
    from zettel.cli import access
    from zettel.cli.commits import PLACE, moves

    with access.reading(memory, namespace=namespace, timezone=timezone) as opened:
        lines = opened.diff(commit)
        if json:
            for line in lines:
                write_json(line)
            return
        (entry,) = opened.log(after=int(commit) - 1, upto=int(commit))
        _write_commit(entry, access.titles(opened), timezone)
        topic = access.topic_titles(opened)
    previous = ""
    for line in lines:
        if line.field != PLACE:
            _write_line(line, with_reason=line.change_id != previous)
            previous = line.change_id
    for words in moves(lines, topic):
        write(("~ ", _STYLES["~"]), words)


def _write_line(line: FieldDiff, *, with_reason: bool) -> None:
    """Print a line of a diff. The reason belongs to the whole change, so only its first line has it."""
    from zettel.cli import commits, wording

    sign, words = commits.change_words(line)
    reason = f" ({line.reason})" if with_reason and line.reason else ""
    note = f"{wording.short_id(line.note_id)}  " if line.note_id else ""
    write((f"{sign} {line.change_id:<7}", _STYLES[sign]), (note, "dim"), words, reason, hang=10)


COMMANDS = {"Journal": (log, diff)}
