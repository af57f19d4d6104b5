"""The app with all commands. Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted by Ctrl-C."""

from __future__ import annotations

import importlib
import logging
import pkgutil
from functools import partial
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import zettel
from zettel.cli import commands
from zettel.cli.output import clean, fail, warn
from zettel.errors import ZettelError


class _Commands(TyperGroup):
    """Commands whose `ZettelError` is printed as one line on stderr."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except ZettelError as error:
            from zettel.cli.wording import typed  # noqa: PLC0415 -- what is heavy is imported when it is needed

            fail(error.worded(typed))
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


class _Line(logging.Formatter):
    """A line of the log; what a terminal would obey is made visible."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        return clean(super().format(record))


def _tell(ctx: typer.Context, *, everything: bool) -> None:
    """Show on stderr, while a command runs, what zettel logs."""
    log, handler = logging.getLogger("zettel"), logging.StreamHandler()
    handler.setFormatter(_Line("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    log.addHandler(handler)
    ctx.call_on_close(partial(log.removeHandler, handler))
    ctx.call_on_close(partial(log.setLevel, log.level))
    log.setLevel(logging.DEBUG if everything else logging.INFO)


@app.callback()
def _root(
    ctx: typer.Context,
    *,
    verbose: Annotated[
        int,
        typer.Option(
            "--verbose", "-v", count=True, show_default=False, help="Tell on stderr what is being done; -vv tells more."
        ),
    ] = 0,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    del version  # its callback has acted
    if verbose:
        _tell(ctx, everything=verbose > 1)


_PANELS = ("Begin", "Ask", "Look", "Change", "Journal", "Keep")
"""The panels of the help, in order. Each file of ``commands/`` says in its ``COMMANDS`` what it adds to which."""


def _register() -> None:
    """Add the commands of all files, panel by panel."""
    names = sorted(module.name for module in pkgutil.iter_modules(commands.__path__))
    modules = [importlib.import_module(f"{commands.__name__}.{name}") for name in names]
    for panel in _PANELS:
        for command in (found for module in modules for found in module.COMMANDS.get(panel, ())):
            if isinstance(command, typer.Typer):
                app.add_typer(command, rich_help_panel=panel)
            else:
                app.command(rich_help_panel=panel)(command)


_register()
