"""The command bench, which measures how long zettel takes on this machine."""

# ruff: noqa: PLC0415 -- what is heavy is imported when a command runs: --help must be quick

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from zettel.cli import options
from zettel.cli.output import write, write_json


def bench(
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Transcripts: files, folders, glob patterns.")],
    *,
    embedder: Annotated[str, typer.Option(metavar="NAME[:MODEL]", help="The embedder to measure with.")] = "minilm",
    json: options.Json = False,
) -> None:
    """Measure how long it takes to ingest and search your transcripts, compared with embedding alone.

    A temporary memory is used; yours is not touched. The ratios also hold on other machines, the times do not.
    """
    from zettel.bench import bench as measure

    report = measure(paths, embedder)
    if json:
        ratios = {name: getattr(report, name) for name in ("ingest_ratio", "again_share", "add_ratio", "search_ratio")}
        write_json({**asdict(report), **ratios})
        return
    write(f"{report.notes} notes, {report.bytes_per_note:,.0f} bytes a note")
    write(
        f"ingest       {report.ingest_s:.2f} s, {report.ingest_ratio:.2f} x embedding the same strings"
        f" ({report.embed_s:.2f} s)"
    )
    write(
        f"ingest again {report.again_s:.2f} s, {report.again_share:.2%} of the first time,"
        f" {report.again_commits} commits"
    )
    write(
        f"add one      {report.add_ms:.1f} ms, {report.add_ratio:.2f} x embedding it ({report.add_embed_ms:.1f} ms);"
        " medians"
    )
    write(
        f"search       {report.search_ms:.1f} ms, {report.search_ratio:.2f} x embedding the question"
        f" ({report.query_embed_ms:.1f} ms); medians"
    )


COMMANDS = {"Keep": (bench,)}
