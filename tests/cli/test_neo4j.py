"""The commands about the graph on a server: what they print, how they end, and that each changes what it says alone."""

import hashlib
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import neo4j_place
import pytest
from by_cypher import Hand

import zettel
from zettel.neo4j import browser as neo4j_browser
from zettel.neo4j import installation as neo4j_installation
from zettel.neo4j.releases import RELEASES

NOWHERE = "bolt://127.0.0.1:9"


@pytest.fixture
def hand(neo4j_uri):
    made = Hand(neo4j_uri)
    yield made
    made.close()


@pytest.fixture
def graph(memory, neo4j_uri, cli):
    """The address of a server that has the memory's graph."""
    assert cli("neo4j", "push", memory, "--uri", neo4j_uri).exit_code == 0
    return neo4j_uri


@pytest.fixture
def note(memory):
    with zettel.open_memory(memory, embedder="hashing", read_only=True) as opened:
        return opened.notes()[11]


def digest(memory):
    return hashlib.sha256(Path(memory).read_bytes()).hexdigest()


def one_line(result, code=1):
    """What a command said as it failed: one line and no traceback."""
    assert result.exit_code == code, result.output
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
    return result.stderr


def edit(hand, note, **values):
    hand("MATCH (n:Note {id: $id}) SET n += $values", id=note.id, values=values)


# --------------------------------------------------------------------- the server


@pytest.mark.parametrize("command", ["push", "pull", "check"])
def test_a_server_that_is_not_there_is_one_line(command, memory, cli, neo4j_uri):
    said = one_line(cli("neo4j", command, memory, "--uri", NOWHERE))
    assert NOWHERE in said


def test_no_server_named_at_all_says_how_to_name_one(memory, cli, monkeypatch):
    monkeypatch.delenv("NEO4J_URI", raising=False)
    for command in (["push", memory], ["pull", memory], ["check", memory], ["promote"]):
        assert "give --uri neo4j://user@host:7687/database, or set NEO4J_URI" in one_line(cli("neo4j", *command))


def test_what_is_no_server_is_named(memory, cli):
    assert "is no Neo4j server" in one_line(cli("neo4j", "push", memory, "--uri", memory))
    assert "no store serves 'http://h'" in one_line(cli("neo4j", "push", memory, "--uri", "http://h"))
    said = one_line(cli("neo4j", "push", memory, "--uri", "bolt://ada:s3cret@h"))
    assert "s3cret" not in said and "NEO4J_PASSWORD" in said


def test_the_server_of_the_environment_is_used_unless_another_is_given(memory, cli, neo4j_uri, monkeypatch):
    monkeypatch.setenv("NEO4J_URI", neo4j_uri)
    assert cli("neo4j", "push", memory).exit_code == 0
    assert cli("neo4j", "check", memory).exit_code == 0
    assert NOWHERE in one_line(cli("neo4j", "check", memory, "--uri", NOWHERE))


def test_a_password_is_asked_for_on_a_terminal(memory, graph):
    password = os.environ.get("NEO4J_PASSWORD")
    if not password:
        pytest.skip("the server that is given wants no password")
    ours, theirs = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name != "NEO4J_PASSWORD"}
    command = [sys.executable, "-m", "zettel", "neo4j", "check", memory, "--uri", graph]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, close_fds=True)
    os.close(theirs)
    said, sent = b"", False
    while True:
        ready = select.select([ours], [], [], 60)[0]
        try:
            said += os.read(ours, 4096) if ready else b""
        except OSError:  # the other end is closed
            break
        if not ready:
            process.kill()
            break
        if b"Password for the server: " in said and not sent:
            os.write(ours, password.encode() + b"\n")
            sent = True
    os.close(ours)
    assert process.wait() == 0, said
    assert sent and b"both sides agree" in said and password.encode() not in said


# ------------------------------------------------------------------ push and check


def test_a_push_says_what_it_sent_and_a_second_one_that_there_is_nothing_new(memory, cli, rows, neo4j_uri, hand):
    before = digest(memory)
    assert cli("neo4j", "push", memory, "--uri", neo4j_uri).stdout == "the graph is at commit 1: 25 new notes sent\n"
    values = sorted(hand.values())
    assert cli("neo4j", "push", memory, "--uri", neo4j_uri).stdout == "the graph is at commit 1: nothing new\n"
    assert rows("neo4j", "push", memory, "--uri", neo4j_uri) == [{"head": 1, "goal": 1, "notes": 0}]
    assert sorted(hand.values()) == values and digest(memory) == before
    assert hand("MATCH (m:Memory) RETURN m.namespace, m.role, m.origin") == [("default", "replica", "m.zettel")]


def test_a_check_tells_whether_both_sides_agree(memory, cli, rows, graph, hand, note):
    result = cli("neo4j", "check", memory, "--uri", graph)
    assert result.exit_code == 0 and result.stdout.endswith("both sides agree\n")
    assert re.search(r"notes +25 +25\n", result.stdout)
    (told,) = rows("neo4j", "check", memory, "--uri", graph)
    assert told["memory"] == told["graph"] and told["memory"]["notes"] == 25 and told["problems"] == []
    edit(hand, note, context="mine")
    result = cli("neo4j", "check", memory, "--uri", graph)
    assert result.exit_code == 1 and result.stderr.endswith("error: the two sides differ\n")
    assert f"note {note.id}: context differ in the graph" in result.stderr
    result = cli("neo4j", "check", memory, "--uri", graph, "--json")
    assert result.exit_code == 1 and result.stderr == ""
    assert [problem["place"] for problem in json.loads(result.stdout)["problems"]] == [f"note {note.id}"]


def test_a_memory_is_pushed_to_another_name(memory, cli, rows, graph, hand):
    assert rows("neo4j", "push", memory, "--uri", graph, "--to", "copy")[0]["notes"] == 25
    assert hand("MATCH (m:Memory) RETURN m.namespace ORDER BY m.namespace") == [("copy",), ("default",)]
    assert cli("neo4j", "check", memory, "--uri", graph, "--to", "copy").exit_code == 0
    assert cli("neo4j", "promote", "--uri", graph, "--namespace", "copy").exit_code == 0
    assert "a memory of its own, no replica" in one_line(cli("neo4j", "push", memory, "--uri", graph, "--to", "copy"))
    assert cli("add", graph, "written there", "--namespace", "copy", "--embedder", "hashing").exit_code == 0
    one_line(cli("add", graph, "written there", "--embedder", "hashing"))
    assert "there is no replica in that namespace" in one_line(
        cli("neo4j", "promote", "--uri", graph, "--namespace", "other")
    )


def test_a_replica_with_edits_is_not_promoted_before_they_are_pulled(memory, cli, graph, hand, note):
    edit(hand, note, context="theirs")
    said = one_line(cli("neo4j", "promote", "--uri", graph))
    assert said.startswith("error: 1 changes were made in the graph") and "pull them into the memory" in said
    assert hand("MATCH (m:Memory) RETURN m.role") == [("replica",)]
    assert cli("neo4j", "pull", memory, "--uri", graph, "--yes").exit_code == 0
    assert "open it by its address" in cli("neo4j", "promote", "--uri", graph).stdout
    assert cli("verify", graph).exit_code == 0
    assert "theirs" in cli("show", graph, note.id).stdout


def test_edits_are_not_overwritten_or_rebuilt_away_unasked(memory, cli, graph, hand, note):
    edit(hand, note, context="theirs")
    with zettel.open_memory(memory, embedder="hashing") as opened:
        opened.update(note.id, context="ours")
    assert f"would be overwritten, first context of note {note.id}" in one_line(
        cli("neo4j", "push", memory, "--uri", graph)
    )
    assert "1 edits in the graph would be lost" in one_line(cli("neo4j", "push", memory, "--uri", graph, "--rebuild"))
    context = "MATCH (n:Note {id: $id}) RETURN n.context"
    assert hand(context, id=note.id) == [("theirs",)]
    result = cli("neo4j", "push", memory, "--uri", graph, "--rebuild", "--overwrite")
    assert result.stdout == "the graph is at commit 2: 25 new notes sent\n"
    assert hand(context, id=note.id) == [("ours",)]
    edit(hand, note, context="theirs again")
    with zettel.open_memory(memory, embedder="hashing") as opened:
        opened.update(note.id, context="ours again")
    assert cli("neo4j", "push", memory, "--uri", graph, "--overwrite").exit_code == 0
    assert hand(context, id=note.id) == [("ours again",)]


# ------------------------------------------------------------------------- pull


def test_nothing_changed_is_nothing_to_pull(memory, cli, rows, graph):
    result = cli("neo4j", "pull", memory, "--uri", graph)
    assert (result.exit_code, result.stdout) == (0, "nothing was changed in the graph\n")
    assert rows("neo4j", "pull", memory, "--uri", graph) == [{"edits": [], "refused": []}]


def test_edits_are_shown_and_taken_over_when_that_is_agreed(memory, cli, graph, hand, note):
    edit(hand, note, context="in \x1b[31mthe garden")
    hand("MATCH (n:Note {id: $id}) CREATE (n)-[:TAGGED]->(:Tag {name: 'told'})", id=note.id)
    before, values = digest(memory), sorted(hand.values())
    for args, stdin in ((["--dry-run"], ""), (["--dry-run", "--yes"], ""), ([], "n\n"), (["--dry-run", "--json"], "")):
        result = cli("neo4j", "pull", memory, "--uri", graph, *args, stdin=stdin)
        assert result.exit_code == 0, result.output
        assert "garden" in result.stdout and "told" in result.stdout and "\x1b" not in result.stdout
        assert (digest(memory), sorted(hand.values())) == (before, values)
    assert [e["field"] for e in json.loads(result.stdout)["edits"]] == ["context", "tags"]
    result = cli("neo4j", "pull", memory, "--uri", graph, stdin="y\n")
    assert result.exit_code == 0 and "take over 2 edits?" in result.stderr
    assert "taken over as commit 2\nthe graph is at commit 2: nothing new\n" in result.stdout
    assert cli("neo4j", "check", memory, "--uri", graph).exit_code == 0
    log = cli("log", memory)
    assert "edit" in log.stdout
    assert "told" in cli("diff", memory, "2").stdout
    assert cli("undo", memory, "2").exit_code == 0
    assert cli("neo4j", "push", memory, "--uri", graph).exit_code == 0
    assert hand("MATCH (:Note {id: $id})-[:TAGGED]->(t:Tag {name: 'told'}) RETURN t", id=note.id) == []


def test_what_can_not_be_taken_over_is_said_and_the_rest_taken(memory, cli, graph, hand, note):
    hand("MATCH (n:Note {id: $id}) SET n.text = 'mine', n.trust = 7, n.context = 'taken'", id=note.id)
    result = cli("neo4j", "pull", memory, "--uri", graph, "--yes")
    assert result.exit_code == 1
    assert result.stderr.count("refused: ") == 2 and "never changes" in result.stderr and "trust" in result.stderr
    assert "taken over as commit 2" in result.stdout
    result = cli("neo4j", "pull", memory, "--uri", graph, "--yes", "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert told["edits"] == [] and len(told["refused"]) == 2


def test_what_both_sides_changed_waits_for_a_choice(memory, cli, graph, hand, note):
    edit(hand, note, context="theirs", trust=0.5)
    with zettel.open_memory(memory, embedder="hashing") as opened:
        opened.update(note.id, context="ours")
    context = "MATCH (n:Note {id: $id}) RETURN n.context, n.trust"
    assert cli("neo4j", "pull", memory, "--uri", graph, "--take", "both").exit_code == 2
    result = cli("neo4j", "pull", memory, "--uri", graph, "--yes")
    assert result.exit_code == 1
    assert "! the memory has changed it, too: ours" in result.stdout
    assert "1 changed on both sides were left: choose with --take graph or --take memory" in result.stderr
    assert "taken over as commit 3" in result.stdout, "the trust, which only one side has changed"
    assert hand(context, id=note.id) == [("theirs", 0.5)]
    kept = shutil.copy(memory, f"{memory}.kept")
    result = cli("neo4j", "pull", memory, "--uri", graph, "--yes", "--take", "graph")
    assert result.exit_code == 0, result.output
    with zettel.open_memory(memory, embedder="hashing", read_only=True) as opened:
        assert (opened.get(note.id).context, opened.get(note.id).trust) == ("theirs", 0.5)
    assert cli("neo4j", "check", memory, "--uri", graph).exit_code == 0
    assert cli("neo4j", "push", kept, "--uri", graph, "--rebuild").exit_code == 1
    edit(hand, note, context="theirs again")
    with zettel.open_memory(memory, embedder="hashing") as opened:
        opened.update(note.id, context="ours again")
    result = cli("neo4j", "pull", memory, "--uri", graph, "--yes", "--take", "memory")
    assert result.exit_code == 0, result.output
    assert hand(context, id=note.id) == [("ours again", 0.5)]
    assert cli("neo4j", "check", memory, "--uri", graph).exit_code == 0


def test_the_commands_work_as_processes(memory, process, graph, hand, note):
    edit(hand, note, context="in the garden")
    done = process("neo4j", "pull", memory, "--yes", NEO4J_URI=graph)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("taken over as commit 2\nthe graph is at commit 2: nothing new\n")
    done = process("neo4j", "push", memory, NEO4J_URI=NOWHERE)
    assert done.returncode == 1 and done.stdout == "" and done.stderr.count("\n") == 1


def test_the_style_is_printed(cli):
    assert cli("neo4j", "style").stdout.rstrip() == neo4j_browser.style().rstrip()


# ------------------------------------------------------------------------- serve


class Serving:
    """`zettel neo4j serve` as a process: what it has printed, and where its server is."""

    def __init__(self, memory, folder, environment):
        release = neo4j_place.releases()[0]
        command = ["neo4j", "serve", memory, "--release", release, "--folder", str(folder)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "zettel", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=environment, start_new_session=True,
        )  # fmt: skip
        self.lines = []
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line)

    def told(self, pattern):
        """What it prints sooner or later."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and self.process.poll() is None:
            if found := re.search(pattern, "".join(self.lines)):
                return found[1]
            time.sleep(0.05)
        return pytest.fail(f"{self.lines} {self.process.communicate()[1]}")

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)
        self.reader.join(60)
        errors = self.process.stderr.read()
        assert self.process.wait(60) == 0, errors
        return errors

    def close(self):
        self.process.kill()
        self.process.wait()
        self.reader.join()
        self.process.stdout.close()
        self.process.stderr.close()


@pytest.fixture
def serve(memory, tmp_path):
    """Starts `zettel neo4j serve` in a folder of the test's own."""
    if neo4j_place.releases()[0] not in RELEASES:
        pytest.skip("no release of its own is tested: a server is given, or the Neo4j on the PATH")
    if neo4j_place.why_none():
        pytest.skip(neo4j_place.why_none())
    neo4j_installation.find(neo4j_place.INSTALLATIONS, neo4j_place.releases()[0])
    cache = tmp_path / "cache"
    (cache / "zettel").mkdir(parents=True)
    (cache / "zettel" / "neo4j").symlink_to(neo4j_place.INSTALLATIONS)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NEO4J_")}
    started = []

    def start():
        started.append(Serving(memory, tmp_path / "graph", {**environment, "XDG_CACHE_HOME": str(cache)}))
        return started[-1]

    yield start
    for serving in started:
        serving.close()


def fetched(address):
    with urllib.request.urlopen(address, timeout=20) as answer:
        return answer.read().decode()


def commands():
    """The command lines of all processes."""
    return subprocess.run(["ps", "-A", "-o", "args"], capture_output=True, text=True, check=True).stdout


def test_serve_shows_a_memory_in_the_browser_until_it_is_interrupted(
    memory, serve, process, tmp_path, note, monkeypatch
):
    serving = serve()
    password = serving.told(r"password +(\S+)\n")
    uri = serving.told(r"--uri (bolt://127\.0\.0\.1:\d+)")
    monkeypatch.setenv("NEO4J_PASSWORD", password)
    assert "the graph is at commit 1: 25 new notes sent\n" in serving.lines
    browser = serving.told(r"Browser +(http://\S+)\n")
    assert "<html" in fetched(browser.partition("?")[0]).lower()
    settings = (tmp_path / "graph" / "conf" / "neo4j.conf").read_text()
    style, guide = (re.search(rf"(http://127\.0\.0\.1:\d+/{name})", settings)[1] for name in ("style.grass", "guide.h"))
    assert fetched(style) == neo4j_browser.style()
    first = next(iter(neo4j_browser.queries().values()))
    assert first.title in fetched(f"{guide}tml")
    assert stat_of(tmp_path / "graph" / "password") == 0o600
    hand = Hand(uri)
    edit(hand, note, context="in the garden")
    hand.close()
    assert "1 edits in the graph are kept, but not in the memory yet" in serving.interrupt()
    assert str(tmp_path) not in commands()

    serving = serve()
    assert serving.told(r"password +(\S+)\n") == password
    assert "the graph is at commit 1: nothing new\n" in serving.lines
    uri = serving.told(r"--uri (bolt://127\.0\.0\.1:\d+)")
    pulled = process("neo4j", "pull", memory, "--uri", uri, "--yes")
    assert pulled.returncode == 0, pulled.stderr
    assert "edits" not in serving.interrupt()
    with zettel.open_memory(memory, embedder="hashing", read_only=True) as opened:
        assert opened.get(note.id).context == "in the garden"
    with pytest.raises(OSError, match="refused"):
        fetched(style)


def stat_of(path):
    return path.stat().st_mode & 0o777
