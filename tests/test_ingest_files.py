"""Finding and reading files: whatever is wrong with a file is a problem, and only a senseless call is an error."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from zettel.errors import InputError
from zettel.ingest import ParsedFile, find_files, read_file
from zettel.protocols import TranscriptFormat
from zettel.transcripts import locomo, openai, plain

FORMATS: tuple[TranscriptFormat, ...] = (locomo.FORMAT, openai.FORMAT, plain.FORMAT)
DIALOGUE = "Ann: one\nBob: two café\nAnn: three\nBob: four\n"


def write(path: Path, data: bytes | str = DIALOGUE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def found(where: object, base: Path) -> list[str]:
    paths = find_files(where, FORMATS)  # type: ignore[arg-type]  # senseless values are tried too
    return [path.relative_to(base).as_posix() for path in paths]


def read(path: Path, format: str = "auto") -> ParsedFile:
    return read_file(path, FORMATS, format)


def texts(parsed: ParsedFile) -> list[str]:
    return [entry.message.text for entry in parsed.entries]


def reason(parsed: ParsedFile) -> str:
    assert parsed.entries == ()
    [problem] = parsed.problems
    assert problem.place
    return problem.reason


# ----------------------------------------------------------------- finding


def test_a_folder_is_searched_with_all_below(tmp_path: Path) -> None:
    for name in ("b.txt", "a/C.JSON", "a/d.jsonl.gz", "e.png", "README.md", ".hidden.txt", ".git/f.txt", "a/.g/h.txt"):
        write(tmp_path / name)
    assert found(tmp_path, tmp_path) == ["a/C.JSON", "a/d.jsonl.gz", "b.txt"]
    assert found(str(tmp_path), tmp_path) == ["a/C.JSON", "a/d.jsonl.gz", "b.txt"]


def test_a_named_file_is_taken_whatever_its_ending(tmp_path: Path) -> None:
    assert found(write(tmp_path / ".chat.log"), tmp_path) == [".chat.log"]


def test_patterns(tmp_path: Path) -> None:
    for name in ("a1.txt", "a2.log", "b/a3.txt", "b/.a4.txt", "b/c/a5.json"):
        write(tmp_path / name)
    assert found(str(tmp_path / "a*"), tmp_path) == ["a1.txt", "a2.log"]
    assert found(str(tmp_path / "**" / "*.txt"), tmp_path) == ["a1.txt", "b/a3.txt"]
    assert found(str(tmp_path / "?"), tmp_path) == ["b/a3.txt", "b/c/a5.json"]


def test_a_pattern_may_be_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.txt")
    monkeypatch.chdir(tmp_path)
    assert find_files("*.txt", FORMATS) == (Path("a.txt"),)


def test_a_name_that_looks_like_a_pattern_is_a_file_first(tmp_path: Path) -> None:
    write(tmp_path / "chat1.txt")
    assert found(write(tmp_path / "chat[1].txt"), tmp_path) == ["chat[1].txt"]


def test_several_places_keep_their_order_and_give_each_file_once(tmp_path: Path) -> None:
    b, a = write(tmp_path / "b.txt"), write(tmp_path / "a.txt")
    os.symlink(a, tmp_path / "c.txt")
    assert found([b, tmp_path, str(tmp_path / "*.txt"), a], tmp_path) == ["b.txt", "a.txt"]


def test_links_in_circles_end(tmp_path: Path) -> None:
    write(tmp_path / "a" / "x.txt")
    os.symlink(tmp_path, tmp_path / "a" / "up")
    os.symlink(tmp_path / "a", tmp_path / "again")
    assert len(find_files(tmp_path, FORMATS)) == 1
    assert len(find_files(str(tmp_path / "**"), FORMATS)) == 1
    assert len(find_files(str(tmp_path / "**" / "*.txt"), FORMATS)) == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes")
def test_pipes_in_a_folder_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "a.txt")
    os.mkfifo(tmp_path / "b.txt")
    assert found(tmp_path, tmp_path) == ["a.txt"]


def test_a_broken_link_in_a_folder_is_reported_when_read(tmp_path: Path) -> None:
    os.symlink(tmp_path / "gone", tmp_path / "a.txt")
    [path] = find_files(tmp_path, FORMATS)
    assert "No such file" in reason(read(path))


@pytest.mark.parametrize("where", ["gone.txt", "gone*.txt", "empty", "gone/**/*.txt"])
def test_nothing_found_is_an_error_that_names_what_was_given(tmp_path: Path, where: str) -> None:
    (tmp_path / "empty").mkdir()
    write(tmp_path / "empty" / "a.png")
    with pytest.raises(InputError, match=r"gone|empty.*json.*jsonl.*txt.*gz"):
        find_files(str(tmp_path / where), FORMATS)
    with pytest.raises(InputError):
        find_files([write(tmp_path / "a.txt"), tmp_path / where], FORMATS)


@pytest.mark.parametrize("where", ["", "a\0b", [], [5], [b"a"]])
def test_senseless_places_are_errors(where: object) -> None:
    with pytest.raises(InputError):
        find_files(where, FORMATS)  # type: ignore[arg-type]


# ----------------------------------------------------------------- reading


def test_a_file_is_recognised_and_read(tmp_path: Path) -> None:
    path = write(tmp_path / "my chat.txt")
    parsed = read(path)
    assert (parsed.uri, parsed.format, parsed.problems) == (path.resolve().as_uri(), "plain", ())
    assert texts(parsed) == ["one", "two café", "three", "four"]
    assert parsed.entries[0].message.conversation_id == "my chat"


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress(DIALOGUE.encode(), mtime=0),
        gzip.compress(b"Ann: one\nBob: two caf\xc3", mtime=0) + gzip.compress(b"\xa9\nAnn: three\nBob: four", mtime=0),
        b"\xef\xbb\xbf" + DIALOGUE.encode(),
        DIALOGUE.encode("utf-16"),
        b"\xfe\xff" + DIALOGUE.encode("utf-16-be"),
        DIALOGUE.encode("utf-32"),
        gzip.compress(DIALOGUE.encode("utf-16"), mtime=0),
        DIALOGUE.replace("\n", "\r\n").encode(),
    ],
)
def test_compression_and_encoding_change_nothing(tmp_path: Path, data: bytes) -> None:
    assert texts(read(write(tmp_path / "a.txt", data))) == ["one", "two café", "three", "four"]


@pytest.mark.parametrize(
    ("name", "conversation"),
    [
        ("a.txt.gz", "a"), ("a.TXT.GZ", "a"), ("2023.05.08.txt", "2023.05.08"), ("notes 1.2", "notes 1.2"),
        (".txt", ".txt"), ("cafe\u0301.txt", "caf\u00e9"), ("a.b.txt", "a.b"),
    ],
)  # fmt: skip
def test_the_conversation_is_called_by_the_name_without_endings(tmp_path: Path, name: str, conversation: str) -> None:
    assert read(write(tmp_path / name)).entries[0].message.conversation_id == conversation


def test_a_name_that_is_not_utf8_is_no_hindrance(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt"))
    try:
        write(path)
    except OSError:
        pytest.skip("this system's file names are UTF-8")
    assert read(path).entries[0].message.conversation_id == "caf\ufffd"
    write(path, b"")
    assert read(path).problems[0].place.endswith("caf\ufffd.txt")


def test_broken_utf8_spoils_only_its_message(tmp_path: Path) -> None:
    parsed = read(write(tmp_path / "a.txt", DIALOGUE.encode().replace("é".encode(), b"\xe9")))
    assert texts(parsed) == ["one", "three", "four"]
    assert parsed.problems[0].place == "line 2"
    assert "byte 0xe9" in parsed.problems[0].reason


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty"),
        (b" \n\n", "empty"),
        (b"\xef\xbb\xbf\n", "empty"),
        ("\n".encode("utf-16"), "empty"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", "binary"),
        (DIALOGUE.encode("utf-16-le"), "UTF-16 without a byte order mark"),
        (DIALOGUE.encode("utf-16")[:-1], "UTF-16"),
        (b"PK\x03\x04rest", "zip"),
        (b"%PDF-1.7", "PDF"),
        (gzip.compress(DIALOGUE.encode(), mtime=0)[:-9], "cut off"),
        (b"\x1f\x8b", "cut off"),
        (b"\x1f\x8bnonsense that is no gzip", "damaged"),
        (gzip.compress(gzip.compress(DIALOGUE.encode(), mtime=0), mtime=0), "binary"),
        (b"Just some prose.", "locomo (.json); openai (.json, .jsonl); plain (.txt)"),
        (b'{"name": "a package", "version": 1}', "name the format"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_problem(tmp_path: Path, data: bytes, why: str) -> None:
    parsed = read(write(tmp_path / "a.txt", data))
    assert parsed.format is None
    assert why in reason(parsed)


def test_a_missing_file_or_a_folder_is_a_problem(tmp_path: Path) -> None:
    assert "No such file" in reason(read(tmp_path / "gone.txt"))
    assert "directory" in reason(read(tmp_path))
    assert reason(read_file("a\0b", FORMATS))


def test_a_bomb_is_a_problem(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt.gz", gzip.compress(b"Ann: hi\n" * 10_000, mtime=0))
    parsed = read_file(path, FORMATS, max_bytes=50_000)
    assert "50,000 bytes" in reason(parsed)


def test_a_file_read_as_the_wrong_format_says_what_was_expected(tmp_path: Path) -> None:
    parsed = read(write(tmp_path / "a.txt"), "locomo")
    assert parsed.format == "locomo"
    assert "session_1_date_time" in reason(parsed)


def test_a_file_of_instructions_only_says_that_it_holds_no_message(tmp_path: Path) -> None:
    parsed = read(write(tmp_path / "a.jsonl", '{"role": "system", "content": "Be brief."}'))
    assert "no message" in reason(parsed)


def test_an_unknown_format_name_is_an_error_that_lists_the_known(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'slack'.*auto, locomo, openai, plain"):
        read(write(tmp_path / "a.txt"), "slack")


def test_two_formats_that_are_equally_sure_are_not_chosen_between(tmp_path: Path) -> None:
    class Twin(plain.Plain):
        name = "twin"

    parsed = read_file(write(tmp_path / "a.txt"), (plain.FORMAT, Twin()))
    assert "may be plain or twin" in reason(parsed)
