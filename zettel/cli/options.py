"""Arguments and options that several commands share, and the reading of those that hold a value inside a word."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from zettel.filters import Filters

Memory = Annotated[str, typer.Argument(metavar="MEMORY", help="The memory: a path to its file, or a store's address.")]
Query = Annotated[str, typer.Argument(metavar="QUERY", help="A question, in words.")]
Namespace = Annotated[str, typer.Option(metavar="NAME", help="Which of the memories in that place.")]
Embedder = Annotated[
    str | None,
    typer.Option(metavar="NAME[:MODEL]", help="The embedder. Default: the one the memory was made by, else minilm."),
]
Analyzer = Annotated[str | None, typer.Option(metavar="NAME[:MODEL]", help="The analyzer. Default: local.")]
Rules = Annotated[
    str | None,
    typer.Option(metavar="NAMES", help="Link rules, by commas: similar,next; built-in,mine. Default: built-in."),
]
Policies = Annotated[
    str | None,
    typer.Option(metavar="NAMES", help="Policies of evolution, by commas. Default: built-in."),
]
Signals = Annotated[
    str | None,
    typer.Option(metavar="NAMES", help="Signals that score notes, by commas. Default: built-in."),
]
Timezone = Annotated[str, typer.Option(metavar="ZONE", help="Where times without a zone are read: Europe/Berlin.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, one value a line, and nothing else.")]
Note = Annotated[str, typer.Argument(metavar="ID", help="A note's id, or the beginning of it.")]

At = Annotated[str | None, typer.Option(metavar="TIME", help="The time of the question, for words like 'last week'.")]
Since = Annotated[str | None, typer.Option(metavar="TIME", help="Only what happened then or later: 2025-05-08.")]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Only what happened until the end of that: 2025-05.")]
Speakers = Annotated[list[str] | None, typer.Option("--speaker", metavar="NAME", help="Only what they said.")]
Tags = Annotated[list[str] | None, typer.Option("--tag", metavar="TAG", help="Only with this tag, or all these.")]
Where = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY=VALUE",
        help="Only where the metadata hold it; repeatable. VALUE is JSON (stars=3, 'stars={\"gte\": 3}'), else text.",
    ),
]
Statuses = Annotated[
    list[str] | None,
    typer.Option("--status", metavar="STATUS", help="active, superseded, archived, quarantined; repeatable."),
]
AsOf = Annotated[
    str | None,
    typer.Option(metavar="COMMIT|TIME", help="The memory as it was after a commit (5), or at a time of its journal."),
]


def filters(
    *,
    since: str | None,
    until: str | None,
    speakers: list[str] | None,
    tags: list[str] | None,
    where: list[str] | None,
    statuses: list[str] | None,
) -> Filters:
    """The filters that the options of a search make."""
    given: Filters = {"since": since, "until": until, "speaker": speakers or None, "tags": tags or None}
    if where:
        given["where"] = dict(condition(pair) for pair in where)
    if statuses:
        given["status"] = statuses
    return given


def condition(pair: str) -> tuple[str, Any]:
    """Key and value of one ``--where``: the value is JSON, or else plain text.

    Raises:
        typer.BadParameter: there is no "=", or the value begins as JSON and isn't.
    """
    key, equals, value = pair.partition("=")
    if not equals or not key:
        raise typer.BadParameter(f"{pair!r} is not KEY=VALUE", param_hint="--where")
    try:
        return key, json.loads(value)
    except ValueError as error:
        if value[:1] in tuple('{["'):
            raise typer.BadParameter(f"{value!r} is not JSON: {error}", param_hint="--where") from None
        return key, value


def metadata(text: str | None) -> dict[str, Any] | None:
    """The metadata that ``--metadata`` gives.

    Raises:
        typer.BadParameter: it is no JSON object.
    """
    if text is None:
        return None
    try:
        value = json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not JSON: {error}", param_hint="--metadata") from None
    if not isinstance(value, dict):
        raise typer.BadParameter(f"{text!r} is not a JSON object, such as '{{\"stars\": 3}}'", param_hint="--metadata")
    return value


def listed(text: str | None) -> tuple[str, ...] | None:
    """The names in an option that lists them; None if it was not given."""
    return None if text is None else tuple(name.strip() for name in text.split(",") if name.strip())


def commit_or_time(text: str) -> int | str:
    """What ``--as-of`` means: digits alone are a commit's number, anything else is a time."""
    return int(text) if text.isascii() and text.isdigit() else text
