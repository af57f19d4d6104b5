"""The commands that ask a memory: search, recall."""

# ruff: noqa: PLC0415 -- what is heavy is imported when a command runs: --help must be quick

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from zettel.cli import options
from zettel.cli.output import warn, write, write_json

if TYPE_CHECKING:
    from zettel.model import Hit, WhyNot
    from zettel.view import MemoryView


def search(
    memory: options.Memory,
    query: options.Query,
    *,
    k: Annotated[int, typer.Option("-k", min=1, help="How many notes at most.")] = 10,
    why_not: Annotated[
        str | None, typer.Option(metavar="ID", help="Tell why this note is not among them, instead of listing them.")
    ] = None,
    at: options.At = None,
    since: options.Since = None,
    until: options.Until = None,
    speaker: options.Speakers = None,
    tag: options.Tags = None,
    where: options.Where = None,
    status: options.Statuses = None,
    as_of: options.AsOf = None,
    namespace: options.Namespace = "default",
    embedder: options.Embedder = None,
    signals: options.Signals = None,
    timezone: options.Timezone = "UTC",
    json: options.Json = False,
) -> None:
    """Find the notes that answer a question best, with the reason for each.

    Nothing is written. With --json: one hit a line, or with --why-not the explanation.
    """
    from zettel.cli import access

    allowed = options.filters(since=since, until=until, speakers=speaker, tags=tag, where=where, statuses=status)
    with access.reading(
        memory, namespace=namespace, embedder=embedder, timezone=timezone, signals=signals
    ) as opened:
        shown = opened if as_of is None else opened.as_of(options.commit_or_time(as_of))
        if why_not is not None:
            answer = shown.why_not(query, access.find_id(shown, why_not), k, at=at, **allowed)
            return write_json(answer) if json else _write_why_not(answer)
        hits = shown.search(query, k, at=at, **allowed)
        for hit in hits:
            if json:
                write_json(hit)
            else:
                write_hit(hit, shown)
        if not hits:
            warn("nothing found: the memory is empty, or the filters let nothing through")
    return None


def write_hit(hit: Hit, memory: MemoryView) -> None:
    """Print a hit: rank, time, speaker, id, score and topic, then the text, the reasons and the sources."""
    from zettel.cli import wording

    note = hit.note
    mark = "" if note.status == "active" else f"  ({note.status})"
    topic = f"  topic {note.address}" if note.address else ""
    write(
        (f"{hit.rank}. ", "bold"), (wording.when(note), "cyan"), "  ", (note.speaker or "", "green"),
        (f"  {wording.short_id(note.id)}  score {hit.score:.2f}{topic}", "dim"), (mark, "yellow"),
    )  # fmt: skip
    write((note.text, "bold"), indent=3)
    write_reasons(hit, memory, indent=3)
    write()


def write_reasons(hit: Hit, memory: MemoryView, *, indent: int, width: int | None = None) -> None:
    """Print why a hit was found, by which links and notes, and from which sources."""
    from zettel.cli import access, wording

    write(("why   ", "dim"), hit.why, indent=indent, hang=6, width=width)
    title = access.titles(memory)
    for link, reached in wording.ways(hit.note.id, hit.via):
        reason = "" if link.kind == "next" else f", {link.reason}"  # the reason of a "next" link says nothing new
        write(("via   ", "dim"), f"{link.kind}{reason}: ", title(reached), indent=indent, hang=6, width=width)
    for source in hit.note.sources:
        write(("from  ", "dim"), wording.origin(source), indent=indent, hang=6, width=width)


def _write_why_not(answer: WhyNot) -> None:
    write((f"{answer.step}  ", "bold"), answer.why)
    for name, value in sorted(answer.signals.items()):
        write((f"{name:<18}", "dim"), f"{value:.3f}", indent=3)


def recall(
    memory: options.Memory,
    query: options.Query,
    *,
    max_tokens: Annotated[int, typer.Option(min=1, help="How long the text may be, in tokens (estimated).")] = 1000,
    at: options.At = None,
    since: options.Since = None,
    until: options.Until = None,
    speaker: options.Speakers = None,
    tag: options.Tags = None,
    where: options.Where = None,
    status: options.Statuses = None,
    as_of: options.AsOf = None,
    namespace: options.Namespace = "default",
    embedder: options.Embedder = None,
    signals: options.Signals = None,
    timezone: options.Timezone = "UTC",
    json: options.Json = False,
) -> None:
    """Print what the memory knows about a question, as text for the prompt of a language model.

    The notes are in order of time, numbered and cited. With --json: {"text": ...}.
    """
    from zettel.cli import access

    allowed = options.filters(since=since, until=until, speakers=speaker, tags=tag, where=where, statuses=status)
    with access.reading(
        memory, namespace=namespace, embedder=embedder, timezone=timezone, signals=signals
    ) as opened:
        shown = opened if as_of is None else opened.as_of(options.commit_or_time(as_of))
        text = shown.recall(query, max_tokens, at=at, **allowed)
    if json:
        write_json({"text": text})
    elif text:
        write(text)
    else:
        warn("nothing is known on this")


COMMANDS = {"Ask": (search, recall)}
