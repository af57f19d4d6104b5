"""The commands put together, and how they end: exit code 0, 1 for what failed, 2 for a wrong call, 130 for Ctrl-C."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import zettel
from zettel.cli import changing, demonstration, finding, ingestion, journal, keeping, models
from zettel.cli.output import fail, warn
from zettel.errors import ZettelError


class _Commands(TyperGroup):
    """Turns what zettel raises on purpose into one line on stderr."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except ZettelError as error:
            fail(str(error))
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            warn("interrupted: what was committed before is kept")
            raise typer.Exit(130) from None


app = typer.Typer(
    cls=_Commands,
    help="Memory for AI agents, kept as a Zettelkasten: every change is a commit that can be shown and undone.",
    epilog="A memory is one file; see all of it at work with: zettel demo."
    " Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # a traceback is a bug of zettel's, and is reported best as Python prints it
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"zettel {zettel.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    *,
    version: Annotated[  # noqa: ARG001 -- its callback does the work
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


_BEGIN, _ASK, _CHANGE, _JOURNAL, _KEEP = "Begin", "Ask", "Change", "Journal", "Keep"

app.command("demo", rich_help_panel=_BEGIN)(demonstration.demo)
app.add_typer(models.app, name="models", rich_help_panel=_BEGIN)
app.command("ingest", rich_help_panel=_CHANGE)(ingestion.ingest)
app.command("add", rich_help_panel=_CHANGE)(changing.add)
app.command("forget", rich_help_panel=_CHANGE)(changing.forget)
app.command("undo", rich_help_panel=_CHANGE)(changing.undo)
app.command("search", rich_help_panel=_ASK)(finding.search)
app.command("recall", rich_help_panel=_ASK)(finding.recall)
app.command("show", rich_help_panel=_ASK)(finding.show)
app.command("log", rich_help_panel=_JOURNAL)(journal.log)
app.command("diff", rich_help_panel=_JOURNAL)(journal.diff)
app.command("verify", rich_help_panel=_KEEP)(keeping.verify)
app.command("export", rich_help_panel=_KEEP)(keeping.export)
app.command("load", rich_help_panel=_KEEP)(keeping.load)
app.command("stats", rich_help_panel=_KEEP)(keeping.stats)
