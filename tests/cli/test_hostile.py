"""Text from a transcript is data: no command in it reaches a terminal, as a command or as markup."""

import os
import subprocess
import sys

import pytest

import zettel
from zettel.cli.commands.browsing import write_topics
from zettel.cli.output import clean
from zettel.model import Topic

ESCAPES = "\x1b[2J\x1b]0;owned\x07 \x9b31m red \u202eevil\u2066 [bold red]markup[/] :smile: \x00\x08"
TEXT = f"The harbour master said {ESCAPES} yesterday."
FORBIDDEN = ["\x1b[2J", "\x1b]0;", "\x07", "\x9b", "\u202e", "\u2066", "\x00", "\x08"]


@pytest.fixture
def hostile(tmp_path):
    path = tmp_path / "m.zettel"
    with zettel.open_memory(path, embedder="hashing") as memory:
        note = memory.add(
            TEXT, speaker=f"Master {ESCAPES}", tags=[ESCAPES], metadata={"k": ESCAPES}, source=f"x:{ESCAPES}", id="evil"
        )
        other = memory.add(f"{TEXT} Yes?", speaker=f"Master {ESCAPES}", id="other")
        memory.link(note.id, other.id, "causes", reason=f"because {ESCAPES}")
        memory.forget(note.id)
        memory.undo(4)
        memory.update(other.id, context=f"A card.\nLater, on 3 May 2025, Idris: “{ESCAPES}”")
    return path


READING = [
    ["search", "harbour master"], ["recall", "harbour master"], ["show", "evil"], ["log"], ["diff", "1"], ["stats"],
    ["forget", "evil"], ["show", "e"], ["show", "other"], ["search", "harbour", "--why-not", "evil"], ["topics"],
    ["links"], ["links", "evil"], ["diff", "3"], ["diff", "6"], ["undo", "3"],
]  # fmt: skip


@pytest.mark.parametrize("args", READING, ids=" ".join)
def test_nothing_a_terminal_obeys_is_printed(hostile, process, args):
    result = process(args[0], hostile, *args[1:])
    assert result.returncode == 0, result.stderr
    for bad in [*FORBIDDEN, "\x1b"]:
        assert bad not in result.stdout + result.stderr
    if args[0] in ("search", "show", "links") and "--why-not" not in args:
        assert r"\x1b[2J" in result.stdout and "[bold red]markup[/] :smile:" in result.stdout


@pytest.mark.parametrize("args", [a for a in READING if a[0] not in ("forget", "undo")], ids=" ".join)
def test_json_holds_the_text_as_it_is_but_in_escapes(hostile, process, args):
    result = process(args[0], hostile, *args[1:], "--json")
    assert not set("".join(FORBIDDEN)) & set(result.stdout) - set("[2J]0;")


def test_json_gives_the_very_text_back(hostile, rows):
    assert rows("search", hostile, "harbour master")[0]["note"]["text"] == TEXT


@pytest.mark.skipif(os.name == "nt", reason="there are no pseudo-terminals on Windows")
@pytest.mark.parametrize("args", READING, ids=" ".join)
def test_on_a_terminal_only_colors_are_sent(hostile, args):
    import pty
    import re

    ours, theirs = pty.openpty()
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "70"}
    command = [sys.executable, "-m", "zettel", args[0], str(hostile), *args[1:]]
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, stdin=subprocess.DEVNULL, env=env) as running:
        os.close(theirs)
        sent = b""
        try:
            while chunk := os.read(ours, 4096):
                sent += chunk
        except OSError:  # how Linux says that the other end was closed
            pass
    os.close(ours)
    text = sent.decode()
    plain = re.sub(r"\x1b\[[\d;]*m", "", text)
    assert running.returncode == 0, plain
    assert not [bad for bad in [*FORBIDDEN, "\x1b"] if bad in plain]
    if args[0] == "search":
        assert text != plain and max(map(len, plain.splitlines())) <= 70


def test_a_topic_s_name_is_clean_and_on_one_line(capsys):
    topic = Topic(id=1, parent_id=None, address="1", name=f"Max\n{ESCAPES}", n_notes=1)
    write_topics([topic], [topic])
    shown = capsys.readouterr().out
    assert not [bad for bad in [*FORBIDDEN, "\x1b"] if bad in shown]
    assert r"1 Max \x1b[2J" in shown and "[bold red]markup[/] :smile:" in shown and shown.count("\n") == 2


def test_an_error_is_clean_and_on_one_line(tmp_path, cli):
    result = cli("log", f"{tmp_path}/no\x1b[2Jne\n.zettel")
    assert result.exit_code == 1
    assert "\x1b" not in result.stderr and result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [("plain\ttext\nwith 100 % ünïcödé 👩‍🚀", None), ("a\r\nb", "a\nb"), ("a\rb", "a\\x0db"), ("\ud800", "\\ud800")],
)
def test_clean_leaves_what_is_harmless(text, shown):
    assert clean(text) == (text if shown is None else shown)
