"""The commands that change a note or a commit: add, forget, undo."""

# ruff: noqa: PLC0415 -- what is heavy is imported when a command runs: --help must be quick

from __future__ import annotations

import sys
from typing import Annotated

import typer

from zettel.cli import options
from zettel.cli.output import clean, warn, write
from zettel.errors import InputError


def add(
    memory: options.Memory,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The text, or - to read it from stdin.")],
    *,
    speaker: Annotated[str | None, typer.Option(metavar="NAME", help="Who said it.")] = None,
    time: Annotated[str | None, typer.Option(metavar="TIME", help="When it happened: 2025-05-08T13:56.")] = None,
    tag: Annotated[list[str] | None, typer.Option(metavar="TAG", help="A tag; repeatable.")] = None,
    id: Annotated[str | None, typer.Option(metavar="ID", help="Its id: adding it again changes nothing.")] = None,
    source: Annotated[str | None, typer.Option(metavar="URI", help="Where it comes from.")] = None,
    metadata: Annotated[str | None, typer.Option(metavar="JSON", help="An object, for --where to ask for.")] = None,
    namespace: options.Namespace = "default",
    embedder: options.Embedder = None,
    analyzer: options.Analyzer = None,
    rules: options.Rules = None,
    policies: options.Policies = None,
    timezone: options.Timezone = "UTC",
) -> None:
    """Add one note, and print its id. If the memory does not exist, it is made.

    The text is kept character for character. A newline at the end of stdin is not part of it.
    """
    from zettel.cli import access

    given = options.metadata(metadata)
    words = _stdin() if text == "-" else text
    with access.writing(
        memory, namespace=namespace, embedder=embedder, analyzer=analyzer, timezone=timezone, rules=rules,
        policies=policies, make=True,
    ) as opened:  # fmt: skip
        note = opened.add(words, speaker=speaker, time=time, tags=tag or (), id=id, source=source, metadata=given)
    write(note.id)


def _stdin() -> str:
    try:
        text = sys.stdin.buffer.read().decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"stdin is not UTF-8 ({error.reason} at byte {error.start}): convert it first") from None
    return text.removesuffix("\n").removesuffix("\r")


def forget(
    memory: options.Memory,
    note: options.Note,
    *,
    erase: Annotated[
        bool, typer.Option("--erase", help="Remove its text, annotations and vectors everywhere, for good.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Erase without asking.")] = False,
    namespace: options.Namespace = "default",
    analyzer: options.Analyzer = None,
) -> None:
    """Put a note away: searches no longer find it, and undo brings it back.

    With --erase it is removed for good. You are asked first; without a terminal to ask on, it needs --yes.
    """
    from zettel.cli import access, wording

    with access.writing(memory, namespace=namespace, analyzer=analyzer) as opened:
        note_id = access.find_id(opened, note)
        title = wording.title(note_id, opened.get(note_id))
        if erase and not yes:
            _confirm(title)
        commit = opened.forget(note_id, erase=erase)
    if commit is None:
        write(f"note {title} was forgotten already")
    elif erase:
        write(f"erased note {wording.short_id(note_id)} in commit {commit.id}; this can't be undone")
    else:
        write(f"forgot note {title} in commit {commit.id}; bring it back with:")
        write(wording.command("undo", memory, str(commit.id), namespace=namespace), indent=2)


def _confirm(title: str) -> None:
    if not _is_terminal():
        raise InputError("erasing can't be undone, and there is no terminal to ask on: nothing was erased; pass --yes")
    if not typer.confirm(clean(f"Erase note {title} for good?"), err=True):
        warn("nothing was erased")
        raise typer.Exit(1)


def _is_terminal() -> bool:
    return sys.stdin.isatty()


def undo(
    memory: options.Memory,
    what: Annotated[
        str | None, typer.Argument(metavar="WHAT", help="A commit's number (12), or a change's id (12.3).")
    ] = None,
    *,
    trigger: Annotated[
        str | None, typer.Option(metavar="ID", help="All revisions that this note's arrival caused, in place of WHAT.")
    ] = None,
    cascade: Annotated[bool, typer.Option("--cascade", help="Take along later changes that build on it.")] = False,
    namespace: options.Namespace = "default",
) -> None:
    """Take back a commit, one change of it, or what a note did to others, as a new commit. An undo can be undone."""
    from zettel.cli import access, commits

    if (what is None) == (trigger is None):
        raise typer.BadParameter("name what to undo: WHAT, or --trigger with a note's id", param_hint="WHAT")
    with access.writing(memory, namespace=namespace) as opened:
        head = opened.head
        cause = None if trigger is None else access.find_id(opened, trigger)
        commit = opened.undo(what, trigger=cause, cascade=cascade)
        title = access.titles(opened)
        if commit.id > head:
            write(f"commit {commit.id}: {commits.summary(commit, title)}")
        else:
            named = what if cause is None else f"what note {title(cause)} caused"
            write(f"nothing to do: {named} was taken back in commit {commit.id} already")


COMMANDS = {"Change": (add, forget, undo)}
