"""Writing to the terminal: text without hidden commands, uncut in a pipe; and JSON.

Anyone may have written what a memory holds, and a terminal obeys control characters. So all text goes through
``clean``, and nothing is read as markup.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

#: A piece of a line: a text, or a text and its style.
Piece: TypeAlias = str | tuple[str, str]

_UNBOUND = 1_000_000  # columns of tables and trees in a pipe: more than any row needs

# Control characters except newline and tab, line separators, lone surrogates, and characters that reverse the direction
# of writing and so make a line look like another one.
_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def clean(text: str) -> str:
    r"""``text`` with control characters made visible: an escape character becomes the four characters \x1b."""
    return _HIDDEN.sub(lambda found: _visible(found[0]), text.replace("\r\n", "\n"))


def _visible(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def write(*pieces: Piece, indent: int = 0, hang: int = 0, width: int | None = None) -> None:
    """Print a line on stdout, indented by ``indent`` columns; all rows except the first by ``hang`` more.

    On a terminal it is wrapped to the terminal's width, or to ``width`` columns if that is less. In a pipe it is
    wrapped only if ``width`` is given, so that a search for words can find the line.
    """
    console = _stdout()
    if console.is_terminal:
        width = min(console.width, width or console.width)
    lines = list(_text(pieces).split("\n", allow_blank=True))
    if width is not None:
        room, narrow = max(20, width - indent), max(20, width - indent - hang)
        rows = _rows(lines[0], console, room, narrow)
        lines = rows + [row for line in lines[1:] for row in _rows(line, console, narrow, narrow)]
    for number, row in enumerate(lines):
        row.rstrip()
        margin = " " * (indent + hang * (number > 0)) if row else ""
        console.print(Text(margin).append_text(row), soft_wrap=True)


def _rows(line: Text, console: Console, room: int, narrow: int) -> list[Text]:
    """A wrapped line: its first row has at most ``room`` columns, the others have ``narrow``."""
    line.expand_tabs()
    first = line.wrap(console, room)[0]
    rest = line[len(first) :]
    rest = rest[len(rest.plain) - len(rest.plain.lstrip()) :]
    return [first, *rest.wrap(console, narrow)] if rest.plain else [first]


def _text(pieces: Sequence[Piece]) -> Text:
    text = Text()
    for piece in pieces:
        words, style = (piece, "") if isinstance(piece, str) else piece
        text.append(clean(words), style or None)
    return text


def write_table(headers: Sequence[str], rows: Sequence[Sequence[str | int]]) -> None:
    """Print a table on stdout with numbers aligned to the right. In a pipe nothing is cut or wrapped."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for place, header in enumerate(headers):
        numbers = bool(rows) and isinstance(rows[0][place], int)
        table.add_column(header, justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(clean(str(cell))) for cell in row))
    _unbound(_stdout()).print(table)


def write_tree(root: Sequence[Piece], branches: Iterable[tuple[int, Sequence[Piece]]]) -> None:
    """Print a tree on stdout: its root, and the lines below it with their depths from 1, in order from the top."""
    tree = Tree(_text(root), guide_style="dim")
    open_branches = [tree]
    for depth, pieces in branches:
        del open_branches[depth:]
        open_branches.append(open_branches[-1].add(_text(pieces)))
    _unbound(_stdout()).print(tree)


def write_json(value: Any) -> None:
    r"""Print a value, or a model, as one line of JSON on stdout, without buffering.

    Control characters are written as ``\u`` escapes, which mean the same in JSON.
    """
    plain = value.model_dump(mode="json") if hasattr(value, "model_dump") else value
    ascii_only = (sys.stdout.encoding or "utf-8").lower().replace("-", "") != "utf8"
    line = json.dumps(plain, ensure_ascii=ascii_only, default=_as_json)
    sys.stdout.write(_HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", line) + "\n")
    sys.stdout.flush()


def _as_json(value: Any) -> Any:
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else str(value)


def warn(message: str) -> None:
    """Print a message on stderr that is not part of the result."""
    _stderr().print(Text(clean(message)), soft_wrap=True)


def fail(message: str) -> None:
    """Print an error on stderr, in one red line."""
    _stderr().print(Text("error: " + clean(" ".join(message.split())), "red"), soft_wrap=True)


def progress_console() -> Console | None:
    """The console for a progress bar: stderr if it is a terminal, else None."""
    console = _stderr()
    return console if console.is_terminal else None


def _unbound(console: Console) -> Console:
    """The console; in a pipe it is so wide that no row is wrapped."""
    if not console.is_terminal:
        console.width = _UNBOUND
    return console


def _stdout() -> Console:
    return Console(highlight=False, markup=False, emoji=False)


def _stderr() -> Console:
    return Console(stderr=True, highlight=False, markup=False, emoji=False)
