"""The commands that browse a memory: topics, links."""

# ruff: noqa: PLC0415 -- what is heavy is imported when a command runs: --help must be quick

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from zettel.cli import options
from zettel.cli.output import Piece, warn, write, write_json, write_tree

if TYPE_CHECKING:
    from zettel.cli.wording import Title
    from zettel.model import Link, Topic


def topics(
    memory: options.Memory,
    *,
    depth: Annotated[int | None, typer.Option(min=1, help="How many layers of the tree at most.")] = None,
    namespace: options.Namespace = "default",
    json: options.Json = False,
) -> None:
    """Draw the tree of topics, which grows and splits by itself: address, name and number of notes.

    With --json: one topic a line, each before those below it.
    """
    from zettel.cli import access

    with access.reading(memory, namespace=namespace) as opened:
        tree = opened.topics()
    shown = [topic for topic in tree if depth is None or layer(topic) <= depth]
    if json:
        for topic in shown:
            write_json(topic)
    elif tree:
        write_topics(tree, shown)
    else:
        warn("no topics yet: the memory is empty, or all its notes are put away")


def layer(topic: Topic) -> int:
    """The depth of a topic in the tree: 1 at the top."""
    return topic.address.count(".") + 1


def write_topics(tree: Sequence[Topic], shown: Sequence[Topic]) -> None:
    """Draw the topics in ``shown``, a part of ``tree``."""
    from zettel.cli.wording import count, topic_name

    n_notes = sum(topic.n_notes for topic in tree if topic.parent_id is None)
    rest = f", {len(shown)} of them shown" if len(shown) < len(tree) else ""
    root = f"{count(n_notes, 'note')} in {count(len(tree), 'topic')}{rest}"
    branches: list[tuple[int, Sequence[Piece]]] = [
        (layer(topic), ((topic.address, "cyan"), f" {topic_name(topic)}", (f"  {count(topic.n_notes, 'note')}", "dim")))
        for topic in shown
    ]
    write_tree([(root, "bold")], branches)


def links(
    memory: options.Memory,
    note: Annotated[
        str | None, typer.Argument(metavar="ID", help="A note's id, or the beginning of it. Default: all links.")
    ] = None,
    *,
    kind: Annotated[
        str | None,
        typer.Option(metavar="KIND", help="Only those of this kind: similar, same_entity, elaborates, next ..."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many links at most.")] = 20,
    namespace: options.Namespace = "default",
    json: options.Json = False,
) -> None:
    """List the links of a note, or of the whole memory, strongest first: their ends, weight, reason and maker.

    Links that only lead from one message to the next come last. With --json: one link a line.
    """
    from zettel.cli import access

    with access.reading(memory, namespace=namespace) as opened:
        note_id = None if note is None else access.find_id(opened, note)
        found = opened.links(note_id, kind)  # type: ignore[arg-type]  # the library checks it
        shown = strongest(found)[:limit]
        title = access.titles(opened)
        if json:
            for link in shown:
                write_json(link)
        elif note_id is None:
            _write_all(shown, title)
        elif shown:
            write((title(note_id), "bold"))
            write_links(shown, note_id, title)
    if not found:
        warn("no such links" if kind else "no links")
    elif len(found) > limit:
        warn(f"and {len(found) - limit:,} more: --limit {len(found)} shows them all")


def strongest(found: Sequence[Link]) -> list[Link]:
    """Links in the order in which they are listed: those to the next message come last, since they say least."""
    return sorted(found, key=lambda link: link.kind == "next")


def _write_all(found: Sequence[Link], title: Title) -> None:
    for link in found:
        write((f"{link.kind:<12}", "cyan"), f"{link.weight:.2f}  ", title(link.source_id), hang=_TEXT)
        write("→ ", title(link.target_id), indent=_TEXT - 2, hang=2)
        write((_reason(link), "dim"), indent=_TEXT)


_TEXT = 20  # the column at which the text about a link begins


def write_links(
    found: Sequence[Link], note_id: str, title: Title, *, indent: int = 0, width: int | None = None
) -> None:
    """Print the links of one note, grouped by kind: direction, weight, the other note and the reason."""
    from zettel.cli import wording
    from zettel.model import LINK_KINDS

    previous = ""
    for link in sorted(found, key=lambda link: (link.kind == "next", LINK_KINDS.index(link.kind))):
        way = "→" if link.source_id == note_id else "←"
        kind = "" if link.kind == previous else link.kind
        other = title(wording.neighbor(link, note_id))
        write((f"{kind:<12}", "cyan"), f"{way} {link.weight:.2f}  ", other, indent=indent, hang=_TEXT, width=width)
        write((_reason(link), "dim"), indent=indent + _TEXT, width=width)
        previous = link.kind


def _reason(link: Link) -> str:
    return f"{link.reason} ({link.created_by})"


COMMANDS = {"Look": (topics, links)}
