"""The commands that check, copy and count a memory: verify, export, load, stats."""

# ruff: noqa: PLC0415 -- what is heavy is imported when a command runs: --help must be quick

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zettel.cli import options
from zettel.cli.output import fail, write, write_json
from zettel.errors import InputError

if TYPE_CHECKING:
    from zettel.memory import Memory
    from zettel.model import Revision, Verification


def verify(
    memory: options.Memory,
    *,
    namespace: options.Namespace = "default",
    embedder: options.Embedder = None,
    json: options.Json = False,
) -> None:
    """Check a memory: the file, the notes against the journal, the vectors, and the search against an exact search.

    The exit code is 1 if a problem was found.
    """
    from zettel.cli import access
    from zettel.cli.wording import count

    with access.reading(memory, namespace=namespace, embedder=embedder) as opened:
        found = opened.verify()
    if json:
        write_json(found)
    else:
        _write_verification(found)
    if not found.ok:
        fail(f"{count(len(found.problems), 'problem')} found")
        raise typer.Exit(1)


def _write_verification(found: Verification) -> None:
    from zettel.cli.wording import count

    write(f"{count(found.notes, 'note')}, {count(found.commits, 'commit')}, {count(found.vectors, 'vector')}")
    write(f"search finds {found.recall:.1%} of what exact search finds ({count(found.queries, 'sample')})")
    for problem in found.problems:
        write((f"{problem.place}: ", "red"), problem.reason)
    if found.ok:
        write(("no problem found", "green"))


def export(
    memory: options.Memory,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The JSONL file to write, or to replace.")],
    *,
    history: Annotated[bool, typer.Option("--history", help="The whole journal, not only what stands now.")] = False,
    namespace: options.Namespace = "default",
) -> None:
    """Write a memory to a JSONL file, which load reads: notes and links, or with --history the whole journal."""
    from zettel.cli import access
    from zettel.cli.wording import count

    if str(file) == "-":
        raise InputError("an export goes to a file, whole or not at all: name one instead of -")
    if file.exists() and Path(memory).exists() and file.samefile(memory):
        raise InputError(f"{file} is the memory itself, which the export would replace: name another file")
    with access.reading(memory, namespace=namespace) as opened:
        n_lines = opened.export(file, history=history)
    write(f"wrote {count(n_lines, 'line')} to {file}")


def load(
    memory: options.Memory,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that export wrote.")],
    *,
    namespace: options.Namespace = "default",
    embedder: options.Embedder = None,
) -> None:
    """Load an export, all of it or nothing. If the memory does not exist, it is made.

    What the memory has already is skipped. An export with history can only be loaded into an empty memory.
    """
    from zettel.cli import access
    from zettel.cli.wording import count

    if not file.is_file():  # checked before a memory is made
        raise InputError(f"no file {str(file)!r}: name one that export wrote")
    with access.writing(memory, namespace=namespace, embedder=embedder, make=True) as opened:
        before, n_before = opened.head, len(opened)
        opened.load(file)
        n_new, n_commits = len(opened) - n_before, opened.head - before
    write(f"loaded {count(n_new, 'note')} in {count(n_commits, 'commit')}" if n_commits else "nothing new in it")


def stats(
    memory: options.Memory,
    *,
    namespace: options.Namespace = "default",
    json: options.Json = False,
) -> None:
    """Count what a memory holds: notes, topics, links, revisions, commits; show its embedder, size and time range.

    Revisions are counted by who made them; a revision that undoes another one is not counted.
    """
    from zettel.cli import access

    with access.reading(memory, namespace=namespace) as opened:
        counted = _count(opened)
        counted["embedder"] = access.made_by(memory, namespace)
        counted["namespaces"] = opened.namespaces()
    files = [path for path in (Path(memory), Path(f"{memory}-wal")) if path.is_file()]
    counted["bytes"] = sum(path.stat().st_size for path in files) if files else None
    if json:
        write_json(counted)
        return
    width = max(map(len, counted))
    for name, value in counted.items():
        write((f"{name:<{width}}  ", "dim"), _shown(value) or "-")


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {number:,}" for key, number in value.items())
    if isinstance(value, list):
        return ", ".join(value)
    return f"{value:,}" if isinstance(value, int) else value or ""


def _count(memory: Memory) -> dict[str, Any]:
    from zettel.cli.access import every_note
    from zettel.cli.wording import when

    notes = every_note(memory)
    timed = sorted((note for note in notes if note.time), key=lambda note: note.time.timestamp() if note.time else 0)
    return {
        "namespace": memory.namespace,
        "notes": len(notes),
        "status": dict(Counter(note.status for note in notes).most_common()),
        "speakers": dict(Counter(note.speaker for note in notes if note.speaker).most_common()),
        "sessions": len({note.conversation for note in notes if note.conversation}),
        "topics": len(memory.topics()),
        "links": dict(Counter(link.kind for link in memory.links()).most_common()),
        "revisions": dict(Counter(revision.created_by or "unknown" for revision in _revisions(memory)).most_common()),
        "commits": memory.head,
        "first": when(timed[0]) if timed else None,
        "last": when(timed[-1]) if timed else None,
    }


def _revisions(memory: Memory) -> Iterator[Revision]:
    changes = (change for commit in memory.log() for change in commit.changes)
    return (change for change in changes if change.type == "revision" and change.undoes is None)


COMMANDS = {"Keep": (verify, export, load, stats)}
