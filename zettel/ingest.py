"""From paths to messages with ids: finding transcript files, reading them, and giving each message its id.

These functions change no memory. A file that can't be used becomes a problem in a report; only wrong arguments raise an
error.
"""

from __future__ import annotations

import gzip
import io
import logging
import os
import re
import stat
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import IO, TypeAlias

from zettel.errors import InputError, TranscriptError
from zettel.identity import note_id
from zettel.model import Problem
from zettel.protocols import Entry, Transcript, TranscriptFormat

Where: TypeAlias = str | os.PathLike[str]

#: The size of the largest file that is read, in bytes after decompression, so that no bomb can fill the memory.
MAX_BYTES = 1 << 30

_log = logging.getLogger(__name__)
_GZIP = b"\x1f\x8b"
_CHUNK = 1 << 20
_HEAD = 1 << 16
_ENDING = re.compile(r"\.[A-Za-z][A-Za-z0-9]{0,5}$")
_MAGIC_CHARACTERS = re.compile(r"[*?\[]")
_KNOWN_BINARY = (
    (b"PK\x03\x04", "a zip archive; unpack it first"),
    (b"%PDF-", "a PDF document; save its text first"),
    (b"BZh", "compressed with bzip2; unpack it first"),
    (b"\xfd7zXZ", "compressed with xz; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd; unpack it first"),
)
_BYTE_ORDER_MARKS = (  # in this order, since the mark of UTF-32 begins with that of UTF-16
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """The content of a file, in order. ``format`` is None if no format was recognized."""

    uri: str
    format: str | None
    entries: tuple[Entry, ...] = ()
    problems: tuple[Problem, ...] = ()


# ----------------------------------------------------------------- finding


def find_files(where: Where | Iterable[Where], formats: Sequence[TranscriptFormat]) -> tuple[Path, ...]:
    """The files that ``where`` means: a path, a glob pattern ("chats/**/*.json"), or several of these.

    Folders are searched, with all folders below them, for files with an ending of ``formats``, or such an ending and
    ``.gz``; hidden files and folders are left out. A file that is named itself, or matched by a pattern, may have any
    ending. The files are in the order of ``where``, sorted within each item, and each occurs once. A folder that can't
    be opened is among them, so that reading it reports the reason.

    Raises:
        InputError: a path doesn't exist, a pattern matches nothing, or a folder holds no transcript.
    """
    items = [where] if isinstance(where, str | os.PathLike) else list(where)
    if not items:
        raise InputError("no files were named; give a path, a glob pattern, or a list of these")
    found: dict[str, Path] = {}
    for item in items:
        for path in _find(item, formats):
            found.setdefault(os.path.realpath(path), path)
    return tuple(found.values())


def _find(item: Where, formats: Sequence[TranscriptFormat]) -> list[Path]:
    text = os.fspath(item) if isinstance(item, str | os.PathLike) else None
    if not isinstance(text, str) or not text or "\0" in text:
        raise InputError(f"{item!r} is not a path; give a path, a glob pattern, or a list of these")
    path = Path(text).expanduser() if text.startswith("~") else Path(text)
    if path.exists():  # checked before patterns, since "chat[1].txt" may be a file's name
        matches = [path]
    elif _MAGIC_CHARACTERS.search(text):
        matches = _matches(path)
        if not matches:
            raise InputError(f"no file matches {text!r}")
    else:
        raise InputError(f"{text!r} does not exist")
    files = [file for match in matches for file in (_search(match, formats) if match.is_dir() else [match])]
    if not files:
        raise InputError(f"no transcript in {text!r}: looked there and below for files ending in {_endings(formats)}")
    return sorted(files)


def _matches(pattern: Path) -> list[Path]:
    """The paths that a glob pattern matches. As in a shell, it matches hidden names only if it has a dot there."""
    fixed = 0
    while fixed < len(pattern.parts) and not _MAGIC_CHARACTERS.search(pattern.parts[fixed]):
        fixed += 1
    base, rest = Path(*pattern.parts[:fixed]), pattern.parts[fixed:]
    hidden = any(part.startswith(".") for part in rest)
    # For "**", Path.glob does not follow links to folders, so a loop of links does no harm.
    found = base.glob("/".join(rest))
    return sorted(p for p in found if hidden or not any(n.startswith(".") for n in p.relative_to(base).parts))


def _search(folder: Path, formats: Sequence[TranscriptFormat]) -> list[Path]:
    """The transcript files in a folder and below it. Each folder is searched once, even if links lead in circles."""
    suffixes = tuple(suffix + end for fmt in formats for suffix in fmt.suffixes for end in ("", ".gz"))
    closed: list[Path] = []
    files: list[Path] = []
    seen: set[str] = set()
    walk = os.walk(folder, followlinks=True, onerror=lambda error: closed.append(Path(error.filename)))
    for here, folders, names in walk:
        real = os.path.realpath(here)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        named = [name for name in names if not name.startswith(".") and name.lower().endswith(suffixes)]
        files += [Path(here, name) for name in named if not _is_pipe(os.path.join(here, name))]
    return files + closed


def _is_pipe(path: str) -> bool:
    """Whether a path is a pipe, a socket or a device, which could make reading wait forever."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False  # a broken link, for example: reading it reports the reason
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _endings(formats: Sequence[TranscriptFormat]) -> str:
    return ", ".join(sorted({suffix for fmt in formats for suffix in fmt.suffixes})) + " (also with .gz)"


# ----------------------------------------------------------------- reading


class _UnreadableError(Exception):
    """A file can't be used at all; the error's text says why."""


def read_file(
    path: Where, formats: Sequence[TranscriptFormat], format: str = "auto", *, max_bytes: int = MAX_BYTES
) -> ParsedFile:
    """The content of the file at ``path``, read as ``format``, or as the one of ``formats`` that recognizes it.

    The file may be compressed with gzip. It is UTF-8 or, with a byte order mark, UTF-16 or UTF-32. Whatever is wrong
    with the file or with a part of it is among the problems of the result. ``max_bytes`` limits the decompressed size.

    Raises:
        InputError: there is no format of that name.
    """
    by_name = {fmt.name: fmt for fmt in formats}
    if format != "auto" and format not in by_name:
        raise InputError(f"there is no format {format!r}: use auto, {', '.join(sorted(by_name))}")
    started = perf_counter()
    uri, place = _uri(path), _printable(os.fspath(path))
    name = None if format == "auto" else format
    try:
        transcript = Transcript(uri, _name(path), _decoded(_content(path, max_bytes)))
        chosen = by_name[format] if name else _recognized(transcript, formats)
    except _UnreadableError as error:
        return ParsedFile(uri, name, problems=(Problem(place=place, uri=uri, reason=str(error)),))
    entries: list[Entry] = []
    problems: list[Problem] = []
    try:
        for item in chosen.read(transcript):
            if isinstance(item, Entry):
                entries.append(item)
            else:
                problems.append(item)
    except TranscriptError as error:
        problems.append(Problem(place=place, uri=uri, reason=f"can't be read as {chosen.name}: {error}"))
    _log.info(
        "%s: read as %s in %.1f s: messages %d, problems %d", uri, chosen.name, perf_counter() - started, len(entries),
        len(problems),
    )  # fmt: skip
    if not entries and not problems:
        problems.append(Problem(place=place, uri=uri, reason=f"read as {chosen.name}, it holds no message to remember"))
    return ParsedFile(uri, chosen.name, tuple(entries), tuple(problems))


def _uri(path: Where) -> str:
    return Path(_real(path)).as_uri()


def _real(path: Where) -> str:
    try:
        return os.path.realpath(path)
    except ValueError:  # the path holds a NUL; opening it reports that
        return os.path.abspath(path)


def _printable(name: str) -> str:
    """The name of a file as text that can be printed and stored: bytes that aren't UTF-8 become U+FFFD."""
    return os.fsencode(name).decode("utf-8", "replace")


def _name(path: Where) -> str:
    """The name of a file without folder and endings, in the normal form NFC, whichever one the file system uses."""
    full = unicodedata.normalize("NFC", _printable(os.path.basename(_real(path))))
    bare = full[:-3] if full.lower().endswith(".gz") else full
    return _ENDING.sub("", bare) or full


def _content(path: Where, max_bytes: int) -> bytes:
    try:
        with open(path, "rb") as file:
            data = _up_to(file, max_bytes)
        if data.startswith(_GZIP):
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as unpacked:
                data = _up_to(unpacked, max_bytes)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _UnreadableError(f"the gzip file is cut off or damaged ({error}); compress it again") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise _UnreadableError(f"can't be opened: {reason}") from None
    return data


def _up_to(file: IO[bytes] | gzip.GzipFile, max_bytes: int) -> bytes:
    chunks, size = [], 0
    while chunk := file.read(_CHUNK):
        size += len(chunk)
        if size > max_bytes:
            raise _UnreadableError(f"larger than {max_bytes:,} bytes when decompressed; split it")
        chunks.append(chunk)
    return b"".join(chunks)


def _decoded(data: bytes) -> str:
    """The text of a file. Bytes that are not UTF-8 become lone surrogates, which the formats report as problems."""
    for magic, what in _KNOWN_BINARY:
        if data.startswith(magic):
            raise _UnreadableError(f"not a transcript but {what}")
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return _wide(data, encoding)
    if b"\0" in data[:_HEAD]:
        raise _UnreadableError(
            "a binary file; expected text. If it is UTF-16 without a byte order mark, save it as UTF-8"
        )
    text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    if not text.strip():
        raise _UnreadableError("the file is empty")
    return text


def _wide(data: bytes, encoding: str) -> str:
    try:
        text = data.decode(encoding, "surrogatepass")
    except UnicodeDecodeError as error:
        reason = f"not valid {encoding.upper()}: {error.reason} at byte {error.start:,}; save it as UTF-8"
        raise _UnreadableError(reason) from None
    if not text.strip():
        raise _UnreadableError("the file is empty")
    return text


def _recognized(transcript: Transcript, formats: Sequence[TranscriptFormat]) -> TranscriptFormat:
    scored = sorted(((fmt.sniff(transcript), fmt.name, fmt) for fmt in formats), key=lambda s: (-s[0], s[1]))
    _log.debug("%s: %s", transcript.uri, ", ".join(f"{name} {score:.2f}" for score, name, _ in scored))
    known = "; ".join(f"{fmt.name} ({', '.join(sorted(fmt.suffixes))})" for fmt in formats)
    if not scored or scored[0][0] <= 0:
        raise _UnreadableError(
            f"left out, since its content is of no transcript format known here: {known}. If it is a transcript in one"
            " of these, name the format; else convert it to one, or keep it out of the files given"
        )
    if len(scored) > 1 and scored[0][0] == scored[1][0]:
        raise _UnreadableError(f"may be {scored[0][1]} or {scored[1][1]}; name the format")
    return scored[0][2]


# ----------------------------------------------------------------- naming


def identify(namespace: str, entries: Iterable[Entry]) -> tuple[str, ...]:
    """The id of each message in a file, in order; see ``identity.note_id``.

    Two messages with one id are the same message twice. Pass all entries of a file at once, since equal texts without
    message ids are distinguished by counting them.
    """
    seen: Counter[tuple[str | None, str | None, str]] = Counter()
    return tuple(_ids(namespace, entries, seen))


def _ids(
    namespace: str, entries: Iterable[Entry], seen: Counter[tuple[str | None, str | None, str]]
) -> Iterator[str]:
    for entry in entries:
        m = entry.message
        key = (m.conversation_id, m.session_id, m.text)
        yield note_id(namespace, m.conversation_id, m.session_id, m.message_id, m.text, seen[key])
        if m.message_id is None:
            seen[key] += 1
