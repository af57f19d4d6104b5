"""The commands about the graph on a Neo4j server: serve, push, pull, check, promote, style."""

# ruff: noqa: PLC0415 -- what is heavy is imported when a command runs: --help must be quick

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from zettel.cli import options
from zettel.cli.output import fail, progress_console, warn, write, write_json, write_table
from zettel.errors import InputError, StoreError

if TYPE_CHECKING:
    from zettel.cli.wording import Title
    from zettel.model import Problem
    from zettel.protocols import Replica, Store
    from zettel.replication import Edit, Edits, Pushed

app = typer.Typer(name="neo4j", help="See a memory as a graph in Neo4j, and keep both in step.", no_args_is_help=True)

_SHOWN = 20  # edits or problems of one kind that are listed; --json has them all

Uri = Annotated[
    str | None,
    typer.Option(
        "--uri", metavar="ADDRESS", help="The server: neo4j://user@host:7687/database. Default: NEO4J_URI's."
    ),
]
To = Annotated[str | None, typer.Option("--to", metavar="NAME", help="The namespace there. Default: the same name.")]


@app.command()
def serve(
    memory: options.Memory,
    *,
    release: Annotated[
        str | None, typer.Option(metavar="NAME", help="5.26 or 2026.08. Default: what is there, else the newest.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where the graph is kept. Default: beside the memory.")
    ] = None,
    namespace: options.Namespace = "default",
) -> None:
    """Show a memory in the Neo4j Browser: install and start a server here, push the memory, and print the address.

    The server is a Neo4j Community on this machine's loopback address: the one on the PATH, or one that Maven installs
    the first time (140 MB; needs Java 17 or later). Its password is NEO4J_PASSWORD, or a new one that is shown. Changes
    in the graph are kept in the folder; `zettel neo4j pull` brings them into the memory while the server runs. Ctrl-C
    ends it.
    """
    from zettel.cli import access
    from zettel.neo4j.browser.pages import Pages
    from zettel.neo4j.installation import find
    from zettel.neo4j.server import USER, Server

    home = folder or Path(f"{memory}.neo4j")
    if "://" in memory:
        raise InputError(f"{memory!r} is on a server already: open that server's Browser")
    with closing(access.store(memory, namespace, read_only=True)) as source, Pages(namespace) as pages:
        password = _password(home)
        installation = find(_installations(), release)
        warn(f"starting Neo4j {installation.version} ...")
        running = Server(installation, home, password=password, settings=pages.settings)
        with running, closing(_replica(running.uri, namespace)) as replica:
            pushed = _push(source, replica, _origin(memory), overwrite=False)
            write(_pushed(pushed))
            write(("Browser   ", "dim"), _browser(running.browser_url, running.uri))
            write(("user      ", "dim"), USER, ("   password  ", "dim"), password)
            pull_command = shlex.join(["zettel", "neo4j", "pull", memory, "--uri", running.uri])
            write(("pull      ", "dim"), f"{pull_command}   (in another terminal, what you change in the graph)")
            warn("Ctrl-C ends it")
            try:
                running.wait()
            except KeyboardInterrupt:
                _tell_of_edits(source, replica)
            else:
                raise StoreError(f"the server ended by itself: see {running.log}")


def _installations() -> Path:
    """The folder in which servers are installed, once for all memories."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zettel" / "neo4j"


def _password(home: Path) -> str:
    """The password of the server in ``home``; it is also put into the environment, for the connections of this process.

    A new password is kept in ``home``, readable by this user only. Without a password, a web page or another user of
    this machine could read the memory through the server.
    """
    import secrets

    kept = home / "password"
    given = os.environ.get("NEO4J_PASSWORD")
    if not given and kept.is_file():
        given = kept.read_text(encoding="utf-8").strip()
    if not given:
        given = secrets.token_urlsafe(12)
        home.mkdir(parents=True, exist_ok=True)
        with open(os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(given + "\n")
    os.environ["NEO4J_PASSWORD"] = given
    return given


def _browser(address: str, uri: str) -> str:
    from urllib.parse import urlencode

    return f"{address}?{urlencode({'dbms': uri.replace('://', '://neo4j@'), 'db': 'neo4j'})}"


def _tell_of_edits(source: Store, replica: Replica) -> None:
    from zettel.replication import find_edits

    n = len(find_edits(source, replica).edits)
    if n:
        warn(f"{n} edits in the graph are kept, but not in the memory yet: serve it again, and zettel neo4j pull")


@app.command()
def push(
    memory: options.Memory,
    *,
    uri: Uri = None,
    to: To = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Also change what people have changed in the graph.")
    ] = False,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Delete the graph first, and make it again.")] = False,
    namespace: options.Namespace = "default",
    json: options.Json = False,
) -> None:
    """Bring the graph on a server up to date with the memory, by replaying its journal.

    Only new commits are sent; a push that was interrupted continues where it ended. The password is read from
    NEO4J_PASSWORD, or asked for.
    """
    with _both(memory, uri, namespace, to) as (source, replica):
        if rebuild:
            _expect_no_edits(source, replica, overwrite=overwrite)
            replica.discard()
        pushed = _push(source, replica, _origin(memory), overwrite=overwrite)
    if json:
        write_json(asdict(pushed))
    else:
        write(_pushed(pushed))


@app.command()
def pull(
    memory: options.Memory,
    *,
    uri: Uri = None,
    to: To = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Take over without asking.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what was changed.")] = False,
    take: Annotated[
        str | None,
        typer.Option(metavar="SIDE", help="Where both sides changed the same: graph takes its value, memory keeps."),
    ] = None,
    namespace: options.Namespace = "default",
    json: options.Json = False,
) -> None:
    """Bring what people changed in the graph into the memory: tags, keywords, context, status, links. Shown first.

    The changes become one commit with the cause edit, which can be undone like any other; then the graph is brought up
    to date with the memory. What both sides changed is shown and left as it is, unless --take says which side counts.
    A change of a text is refused. The exit code is 1 if something was refused or left.
    """
    from zettel.cli import access
    from zettel.replication import find_edits

    if take not in (None, "graph", "memory"):
        raise typer.BadParameter(f"{take!r} is no side: use graph or memory", param_hint="--take")
    side = cast("Literal['graph', 'memory'] | None", take)
    with _both(memory, uri, namespace, to) as (source, replica):
        found = find_edits(source, replica)
        chosen, left = _chosen(found, side)
        if json:
            rows = [{**asdict(edit), "conflict": edit.conflict} for edit in found.edits]
            write_json({"edits": rows, "refused": found.refused})
        else:
            with access.reading(memory, namespace=namespace) as opened:
                _write_edits(found, access.titles(opened))
        wanted = chosen or (side == "memory" and any(edit.conflict for edit in found.edits))
        if wanted and not dry_run and (yes or _agreed(len(chosen))):
            if chosen:
                with access.writing(memory, namespace=namespace) as opened:
                    commit = opened.take_edits(chosen)
                if commit is not None and not json:
                    write(f"taken over as commit {commit.id}")
            if not left:
                pushed = _push(source, replica, _origin(memory), overwrite=side == "memory")
                if not json:
                    write(_pushed(pushed))
        if left and not json:
            warn(f"{len(left)} changed on both sides were left: choose with --take graph or --take memory")
    if left or found.refused:
        raise typer.Exit(1)


@app.command()
def check(
    memory: options.Memory,
    *,
    uri: Uri = None,
    to: To = None,
    namespace: options.Namespace = "default",
    json: options.Json = False,
) -> None:
    """Compare a memory with its graph on a server: journal, notes, links, topics, vectors.

    The exit code is 1 if they differ.
    """
    from zettel.replication import compare

    with _both(memory, uri, namespace, to, read_only=True) as (source, replica):
        found = compare(source, replica)
    if json:
        write_json({"memory": found.memory, "graph": found.graph, "problems": found.problems})
    else:
        rows = [(name, found.memory[name], found.graph[name]) for name in found.memory]
        write_table(("", "memory", "graph"), rows)
        _write_problems(found.problems)
        if not found.problems:
            write("both sides agree")
    if found.problems:
        if not json:
            fail("the two sides differ")
        raise typer.Exit(1)


@app.command()
def promote(*, uri: Uri = None, namespace: options.Namespace = "default") -> None:
    """Turn a replica on a server into a memory of its own: from now on it is written to and no longer pushed to."""
    from zettel.replication import promote as make_primary

    with closing(_replica(_address(uri), namespace)) as replica:
        make_primary(replica)
    write(f"namespace {namespace} is a memory of its own: open it by its address")


@app.command()
def style(
    *,
    queries: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the saved queries to a .zip file instead.")
    ] = None,
    setting: Annotated[
        bool, typer.Option("--setting", help="Print a line of neo4j.conf that has every Browser apply the style.")
    ] = False,
    namespace: options.Namespace = "default",
) -> None:
    """Print the style sheet for the Neo4j Browser: save it as zettel.grass, and drop the file onto the Browser.

    Drop the .zip file that --queries writes onto it, too: the saved queries are then among its favorites.
    """
    from zettel.neo4j import browser

    if queries is not None:
        if queries.exists():
            raise InputError(f"{queries} exists: name a new file")
        queries.write_bytes(browser.favorites(namespace))
        write(f"wrote {len(browser.queries())} queries to {queries}")
    elif setting:
        write(f"browser.post_connect_cmd={browser.style_command().removeprefix(':')}")
    else:
        write(browser.style())


# ------------------------------------------------------------------------ sides


@contextmanager
def _both(
    memory: str, uri: str | None, namespace: str, to: str | None, *, read_only: bool = False
) -> Iterator[tuple[Store, Replica]]:
    """The memory, opened for reading, and its replica on a server."""
    from zettel.cli import access

    with (
        closing(access.store(memory, namespace, read_only=True)) as source,
        closing(_replica(_address(uri), to or namespace, read_only=read_only)) as replica,
    ):
        yield source, replica


def _replica(address: str, namespace: str, *, read_only: bool = False) -> Replica:
    from zettel.cli import access
    from zettel.protocols import Replica

    store = access.store(address, namespace, read_only=read_only)
    if not isinstance(store, Replica):
        store.close()
        raise InputError(f"{address!r} is no Neo4j server: give --uri neo4j://user@host:7687/database")
    return store


def _address(uri: str | None) -> str:
    found = uri or os.environ.get("NEO4J_URI")
    if not found:
        raise InputError("no server is named: give --uri neo4j://user@host:7687/database, or set NEO4J_URI")
    return found


def _origin(memory: str) -> str:
    """The origin that a replica records: a file's name without its folder, or an address."""
    return memory if "://" in memory else Path(memory).name


def _push(source: Store, replica: Replica, origin: str, *, overwrite: bool) -> Pushed:
    from zettel.replication import push as replay

    with _bar() as on_progress:
        return replay(source, replica, origin=origin, overwrite=overwrite, on_progress=on_progress)


@contextmanager
def _bar() -> Iterator[Callable[[Pushed], None] | None]:
    """A progress bar on a terminal; nothing elsewhere."""
    console = progress_console()
    if console is None:
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("commits"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[notes]} notes"))
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as bar:
        task = bar.add_task("", total=None, notes="0")
        yield lambda pushed: bar.update(task, completed=pushed.head, total=pushed.goal, notes=f"{pushed.notes:,}")


def _pushed(pushed: Pushed) -> str:
    from zettel.cli.wording import count

    news = f"{count(pushed.notes, 'new note')} sent" if pushed.notes else "nothing new"
    return f"the graph is at commit {pushed.head:,}: {news}"


def _expect_no_edits(source: Store, replica: Replica, *, overwrite: bool) -> None:
    """Raise an error if people changed something in the graph that would be lost."""
    from zettel.replication import find_edits

    if overwrite or not replica.head() or replica.role == "discarded":
        return
    n = len(find_edits(source, replica).edits)
    if n:
        raise InputError(f"{n} edits in the graph would be lost: pull them first, or add --overwrite")


# ------------------------------------------------------------------------ edits


def _chosen(found: Edits, take: Literal["graph", "memory"] | None) -> tuple[list[Edit], list[Edit]]:
    """The edits to take over, and those that are left because both sides changed the same thing."""
    conflicts = [edit for edit in found.edits if edit.conflict]
    chosen = [edit for edit in found.edits if not edit.conflict or take == "graph"]
    return chosen, [] if take else conflicts


def _agreed(n: int) -> bool:
    if not n:
        return True
    return typer.confirm(f"take over {n} edit{'' if n == 1 else 's'}?", err=True)


def _write_edits(found: Edits, title: Title) -> None:
    if not found.edits and not found.refused:
        write("nothing was changed in the graph")
    for edit in found.edits[:_SHOWN]:
        sign, words = _words(edit, title)
        write((f"{sign} ", "yellow" if edit.conflict else "green"), words, hang=2)
        if edit.conflict:
            write(("  ! the memory has changed it, too: ", "yellow"), str(edit.memory), hang=4)
    if len(found.edits) > _SHOWN:
        write(f"and {len(found.edits) - _SHOWN:,} more, which --json lists")
    for problem in found.refused[:_SHOWN]:
        warn(f"refused: {problem.place}: {problem.reason}")
    if len(found.refused) > _SHOWN:
        warn(f"refused: and {len(found.refused) - _SHOWN:,} more, which --json lists")


def _words(edit: Edit, title: Title) -> tuple[str, str]:
    """A sign for an edit (+ added, - removed, ~ changed), and its description."""
    from zettel.cli.commits import field_words

    if edit.what == "note":
        return "~", f"{title(edit.note_id)}: {field_words(edit.field, edit.before, edit.graph)}"
    ends = f"{edit.field} link: {title(edit.note_id)} → {title(edit.target_id or '')}"
    if edit.graph is None:
        return "-", f"{ends} removed"
    return ("~" if edit.before else "+"), f"{ends} ({edit.graph['weight']}: {edit.graph['reason']})"


def _write_problems(problems: Sequence[Problem]) -> None:
    for problem in problems[:_SHOWN]:
        warn(f"{problem.place}: {problem.reason}")
    if len(problems) > _SHOWN:
        warn(f"and {len(problems) - _SHOWN:,} more, which --json lists")


COMMANDS = {"Keep": (app,)}
