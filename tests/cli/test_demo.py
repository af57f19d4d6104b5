"""The demo is the first thing a user sees: it fits on a screen, needs no network, and its commands are true."""

import re
import shlex
import socket

import pytest

import zettel
from zettel.embedder import _weights

needs_weights = pytest.mark.skipif(
    not _weights.available()[0].installed, reason="the weights of MiniLM are not on this machine (zettel models get)"
)


@pytest.fixture
def offline(monkeypatch):
    def refuse(*_args, **_kwargs):
        raise AssertionError("the demo opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@needs_weights
@pytest.mark.usefixtures("offline")
def test_the_demo_shows_a_memory_at_work_on_one_screen(cli):
    result = cli("demo")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert len(lines) <= 64 and max(map(len, lines)) <= 100
    text = " ".join(result.stdout.split())
    assert "200 notes in 15 commits" in text and re.search(r"200 notes in \d topics ├── 1 \w", text)
    assert text.count("But he isn't called Biscuit any more, Safi has named him Fresnel.") == 1
    assert "from lighthouse.txt, line 71, session 2025-05-14 21:05" in text
    assert "elaborates → 0.80" in text and "answers Maren's “And the puppy, are the four weeks up?”" in text
    assert "same_entity ← " in text and "both mention “Fresnel”" in text
    before, now = text.split("--as-of 4")[1].split("$ zettel search")[:2]
    assert "Light out eleven minutes. I shall not write why." in before
    assert "because Silas was carrying a baby up the rocks" in now
    assert "It is not searched: its status is archived." in text and "note brought back" in text


@needs_weights
@pytest.mark.usefixtures("offline")
def test_the_demo_shows_a_card_that_a_later_note_has_changed_and_changes_it_back(cli):
    _, evolved, undone, *_ = re.split(r"\$ zettel show", cli("demo").stdout)
    learned = "Later, on 19 October 2025, Idris: “So the light was out for eleven minutes"
    told = " ".join(evolved.split())
    assert learned in told and "why Idris comes back to it: both speak of “light”" in told
    assert re.search(r"trigger z1[0-9a-f]{10} Idris: “So the light was out", told)
    assert re.search(r"\$ zettel undo demo.zettel 13\.\d+ .*commit 16: takes back change 13\.\d+; learned", told)
    card = " ".join(undone.split("$")[0].split())
    assert "Maren on 27 April 2025" in card and learned not in card


@needs_weights
@pytest.mark.usefixtures("offline")
def test_its_commands_show_what_it_says_they_show(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = cli("demo", "--memory", "demo.zettel").stdout
    with zettel.open_memory("demo.zettel", read_only=True) as memory:
        assert memory.head == 18
    sections = [section.rstrip().split("\n") for section in shown.split("$ zettel ")[1:]]
    names = [lines[0].partition(" ")[0] for lines in sections]
    assert names == [
        "ingest", "topics", "search", "links", "search", "search", "show", "undo", "show", "forget", "search", "undo",
    ]  # fmt: skip
    again = [lines for lines in sections if lines[0].startswith(("search", "topics", "links"))]
    for command, *lines in [lines for lines in again if "--why-not" not in lines[0]]:
        result = cli(*shlex.split(command, comments=True))
        assert result.exit_code == 0
        told = " ".join(result.stdout.split())
        shown = [" ".join(line.split()).split(": ", 1)[-1] for line in lines[:2]]
        assert [line for line in shown if line not in told] == []


def test_the_demo_replaces_no_file(cli, tmp_path):
    kept = tmp_path / "demo.zettel"
    (tmp_path / "lighthouse.txt").write_text("mine", encoding="utf-8")
    result = cli("demo", "--memory", kept, "--embedder", "hashing")
    assert result.exit_code == 1 and "is there already" in result.stderr
    assert not kept.exists() and (tmp_path / "lighthouse.txt").read_text(encoding="utf-8") == "mine"
    assert "there is no folder" in cli("demo", "--memory", tmp_path / "no" / "demo.zettel").stderr


@pytest.mark.usefixtures("offline")
def test_the_demo_runs_with_another_embedder_too(cli):
    assert cli("demo", "--embedder", "hashing").exit_code == 0
