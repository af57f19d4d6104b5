"""A memory on Neo4j in the Neo4j Browser: a style for the graph, saved queries, and addresses that fill the editor.

``style.grass`` gives each kind of node and relationship its color, size and caption. ``queries`` holds the saved
queries, one file each. Each works as it is; the line to edit is the first one that is no comment.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from urllib.parse import quote

from zettel.errors import InputError

__all__ = ["Query", "favorites", "link", "queries", "style", "style_command"]

_RULE = re.compile(r"([\w.]+)\s*\{((?:[^{}\"]|\"[^\"]*\")*)\}")
_PROPERTY = re.compile(r"([\w-]+):\s*(\"[^\"]*\"|[^;\"]+);")
_LOST = ("&", "#")


@dataclass(frozen=True, slots=True)
class Query:
    """A saved query: its ``title``, and the ``text`` for the editor, which begins with the title as a comment."""

    title: str
    text: str


def style() -> str:
    """The style as a GraSS file, to be dropped onto the Browser's window or fetched by ``:style``."""
    return _files("style.grass").read_text(encoding="utf-8")


def style_command() -> str:
    """The Browser's command that applies the style, as one line without a semicolon.

    It can be pasted into the editor. Without its colon it can be the value of a server's ``browser.post_connect_cmd``;
    then every Browser that connects applies it.
    """
    rules = {
        selector: {name: value.strip('"') for name, value in _PROPERTY.findall(body)}
        for selector, body in _RULE.findall(style())
    }
    return f":style {json.dumps(rules, separators=(',', ':'))}"


def queries(namespace: str = "default") -> dict[str, Query]:
    """The saved queries about a namespace by name, in the order in which a newcomer should read them."""
    files = sorted(
        (file for file in _files("queries").iterdir() if file.name.endswith(".cypher")), key=lambda file: file.name
    )
    quoted = json.dumps(namespace, ensure_ascii=False)
    texts = {_name(file.name): file.read_text(encoding="utf-8").replace('"default"', quoted) for file in files}
    return {name: Query(_title(text), text) for name, text in texts.items()}


def favorites(namespace: str = "default") -> bytes:
    """The saved queries as a zip file; a Browser that it is dropped onto adds them to its favorites."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for name, query in queries(namespace).items():
            # An entry made of a name has a fixed time, so the file is always the same.
            file.writestr(zipfile.ZipInfo(f"zettel/{name}.cypher"), query.text)
    return archive.getvalue()


def link(browser_url: str, cypher: str) -> str:
    """The address that opens the Browser at ``browser_url`` with ``cypher`` in its editor, not yet run.

    Raises:
        InputError: the query has a character that would end it in the Browser's address.
    """
    for character in _LOST:
        if character in cypher:
            raise InputError(f"the Browser's address can't hold {character!r}: paste the query into the editor instead")
    return f"{browser_url}?cmd=edit&arg={quote(cypher, safe='')}"


def _name(file: str) -> str:
    return file.removesuffix(".cypher").partition("-")[2]


def _title(text: str) -> str:
    return text.partition("\n")[0].removeprefix("//").strip()


def _files(name: str) -> Traversable:
    return resources.files(__name__).joinpath(name)
