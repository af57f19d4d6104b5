"""The commands that read the journal: log, diff."""

# ruff: noqa: PLC0415 -- what is heavy is imported when a command runs: --help must be quick

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from zettel.cli import options
from zettel.cli.output import write, write_json

if TYPE_CHECKING:
    from zettel.model import FieldDiff

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
    from zoneinfo import ZoneInfo

    from zettel.cli import access, wording

    with access.reading(memory, namespace=namespace, timezone=timezone) as opened:
        title = access.titles(opened)
        for commit in reversed(opened.log(after=max(0, opened.head - n))):
            if json:
                write_json(commit)
                continue
            at = wording.stamp(commit.at.astimezone(ZoneInfo(timezone)))
            words = wording.summary(commit, title)
            write((f"{commit.id:<5}", "cyan"), (f"{at}  {commit.cause:<11} ", "dim"), words)


def diff(
    memory: options.Memory,
    commit: Annotated[str, typer.Argument(metavar="COMMIT", help="A commit's number.")],
    *,
    namespace: options.Namespace = "default",
    json: options.Json = False,
) -> None:
    """Show what a commit changed, field by field, with the id by which each change can be undone.

    With --json: one field a line.
    """
    from zettel.cli import access

    with access.reading(memory, namespace=namespace) as opened:
        lines = opened.diff(commit)
    for line in lines:
        if json:
            write_json(line)
        else:
            _write_line(line)


def _write_line(line: FieldDiff) -> None:
    from zettel.cli import wording

    sign, words = wording.change_words(line)
    write((f"{sign} {line.change_id:<7}", _STYLES[sign]), (f"{wording.short_id(line.note_id)}  ", "dim"), words)
