"""The demo is the first thing a user sees: it fits on a screen, needs no network, and its commands are true."""

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
    assert len(lines) <= 45 and max(map(len, lines)) <= 100
    text = " ".join(result.stdout.split())
    assert "200 notes in 15 commits" in text
    answer = "But he isn't called Biscuit any more, Safi has named him Fresnel."
    assert text.count(answer) == 2  # found, not found once forgotten, found again
    assert "It is not searched: its status is archived." in text
    assert text.index(answer) < text.index("zettel forget") < text.index("zettel undo") < text.rindex(answer)
    assert "from lighthouse.txt, line 71, session 2025-05-14 21:05" in text
    assert "via the message 2 places before it in the same session" in text
    before, now = text.split("--as-of 4")[1].split("$ zettel search")
    assert "Eleven minutes? They would have thrown him out for two." in before
    assert "So the light was out for eleven minutes because of a baby." in now


@needs_weights
@pytest.mark.usefixtures("offline")
def test_its_commands_show_what_it_says_they_show(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = cli("demo", "--memory", "demo.zettel").stdout
    with zettel.open_memory("demo.zettel", read_only=True) as memory:
        assert memory.head == 17
    sections = [section.split("\n") for section in shown.split("$ zettel ")[1:]]
    searches = [s for s in sections if s[0].startswith("search") and "--why-not" not in s[0]]
    for command, first, *_ in [s for s in searches if "dog" not in s[0]] + searches[-1:]:
        result = cli(*shlex.split(command))
        assert result.exit_code == 0
        said = first.strip().split(": ", 1)[1]
        assert said in result.stdout


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
