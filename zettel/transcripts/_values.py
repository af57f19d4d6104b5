"""Values in transcripts: checks of the strings in a message, and short names of wrong values for error messages."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

_BYTE = range(0xDC80, 0xDD00)  # the codes that ``surrogateescape`` gives the bytes 0x80 to 0xff
_SHOWN = 60
_LINE_END = re.compile(r"\r\n?|\n")


def lines_of(text: str) -> list[str]:
    """The lines of ``text``, without line ends and without a byte order mark.

    Unlike in ``str.splitlines``, only CR and LF end a line: a form feed or U+2028 is part of a message.
    """
    return _LINE_END.split(text.removeprefix("\ufeff"))


def fault_of(value: str, raw: str) -> str | None:
    """The reason why ``value`` can't be kept as text; None if it can. ``raw`` is the text of its file."""
    try:
        value.encode()
    except UnicodeEncodeError as error:
        found = value[error.start]
    else:
        return None
    # JSON can hold the same code as an escape sequence; then the bytes of the file are right.
    if ord(found) in _BYTE and found in raw:
        return f"not valid UTF-8 (byte 0x{ord(found) - 0xDC00:02x}); save the file as UTF-8"
    return f"holds half a character (\\u{ord(found):04x}, one of a surrogate pair); write the pair or leave it out"


def shown(value: object) -> str:
    """A short name of a value for a message to the user, without unprintable characters."""
    if isinstance(value, str):
        return repr(value if len(value) <= _SHOWN else value[:_SHOWN] + "...")
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        number = repr(value)
        return number if len(number) <= _SHOWN else number[:_SHOWN] + "..."
    # Containers are named and not shown, since their repr may be huge, or nested too deeply.
    if isinstance(value, Mapping):
        return "an object"
    return "a list" if isinstance(value, Sequence) else f"a {type(value).__name__}"


def identifier(value: object) -> str | None:
    """An id as text; None if there is none.

    Raises:
        ValueError: the value is neither a string nor a whole number.
    """
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"an id must be a string or a whole number, not {shown(value)}")
