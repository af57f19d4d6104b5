"""The command ingest, which reads transcript files into a memory."""

# ruff: noqa: PLC0415 -- what is heavy is imported when a command runs: --help must be quick

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from zettel.cli import options
from zettel.cli.output import fail, progress_console, warn, write, write_json, write_table

if TYPE_CHECKING:
    from zettel.model import IngestReport, Progress

_LISTED = 20  # problems shown of one file; --json has them all


def ingest(
    memory: options.Memory,
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Files, folders, or glob patterns.")],
    *,
    format: Annotated[
        str, typer.Option(metavar="NAME", help="The files' format; auto looks at their content.")
    ] = "auto",
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 when anything could not be used.")] = False,
    batch: Annotated[int | None, typer.Option(min=1, help="Messages in one commit. Default: 128.")] = None,
    namespace: options.Namespace = "default",
    embedder: options.Embedder = None,
    analyzer: options.Analyzer = None,
    rules: options.Rules = None,
    policies: options.Policies = None,
    timezone: options.Timezone = "UTC",
    json: options.Json = False,
) -> None:
    """Ingest transcripts. Doing it again adds only what is new; a run that was stopped continues where it ended.

    What can't be used is skipped and listed on stderr with its place. The exit code is 0 if at least one message was
    added or is in the memory already, and 1 if nothing could be used. With --strict it is 1 if any message or file
    could not be used.

    With --json: {"commit": ...} after each commit, when it is durable, and at the end {"report": ...}.
    """
    from zettel.cli import access
    from zettel.ingest import find_files
    from zettel.registry import formats

    find_files(paths, formats())  # raises if there are none, before a memory is made for them
    with (
        access.writing(
            memory, namespace=namespace, embedder=embedder, analyzer=analyzer, timezone=timezone, batch=batch,
            rules=rules, policies=policies, make=True,
        ) as opened,  # fmt: skip
        _shown(as_json=json) as on_progress,
    ):
        report = opened.ingest(paths, format=format, on_progress=on_progress)
    if json:
        write_json({"report": report})
    else:
        _write_report(report)
    if report.failed and (strict or not report.new + report.unchanged):
        raise typer.Exit(1)


@contextmanager
def _shown(*, as_json: bool) -> Iterator[Callable[[Progress], None] | None]:
    """A function that shows the progress after each commit: as JSON, or by a bar on a terminal; else None."""
    console = progress_console()
    if as_json:
        yield lambda progress: write_json({"commit": progress})
    elif console is None:
        yield None
    else:
        from rich.markup import escape
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        from zettel.cli.output import clean
        from zettel.cli.wording import file_name

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task("reading", total=None)
            yield lambda progress: bar.update(
                task, completed=progress.done, total=progress.total,
                description=escape(clean(f"file {progress.file} of {progress.files}: {file_name(progress.uri)}")),
            )  # fmt: skip


def _write_report(report: IngestReport) -> None:
    from zettel.cli.wording import count, path_of

    rows = [(path_of(f.uri), f.format or "unknown", f.new, f.unchanged, len(f.problems)) for f in report.files]
    write_table(("file", "format", "new", "unchanged", "failed"), rows)
    if len(rows) > 1 or report.commits:
        write(
            f"{count(report.new, 'new note')} in {count(len(report.commits), 'commit')},"
            f" {report.unchanged:,} unchanged, {report.failed:,} failed"
        )
    for file in report.files:
        for problem in file.problems[:_LISTED]:
            place = problem.place if problem.uri else f"{path_of(file.uri)}, {problem.place}"
            warn(f"failed: {place}: {problem.reason}")
        if len(file.problems) > _LISTED:
            warn(f"failed: {path_of(file.uri)}: and {len(file.problems) - _LISTED:,} more, which --json lists")
    if report.failed and not report.new + report.unchanged:
        fail("nothing could be used")


COMMANDS = {"Change": (ingest,)}
