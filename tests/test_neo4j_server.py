"""The server that zettel sets up and starts itself: real processes of the release that the tests are run with."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from zettel.errors import InputError, StoreError
from zettel.neo4j import installation as installation_module
from zettel.neo4j import java
from zettel.neo4j import server as neo4j_server
from zettel.neo4j.installation import Installation
from zettel.neo4j.releases import RELEASES
from zettel.neo4j.server import Server

neo4j = pytest.importorskip("neo4j")
import neo4j_place  # noqa: E402 -- needs the driver too

PASSWORD = "correct horse"


@pytest.fixture(scope="module")
def installation() -> Installation:
    """The release that the tests are run with."""
    release = neo4j_place.releases()[0]
    if release == neo4j_place.GIVEN:
        pytest.skip("tests are run with a server that is given")
    if neo4j_place.why_none():
        pytest.skip(neo4j_place.why_none())
    return neo4j_place.installation(release)


@pytest.fixture(scope="module")
def server(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running server that asks for a password."""
    with Server(installation, tmp_path_factory.mktemp("home"), password=PASSWORD) as running:
        yield running


def asked(server: Server, query: str, **values) -> list:
    """The first value of each row that a query gives."""
    with neo4j.GraphDatabase.driver(server.uri, auth=server.auth) as driver:
        return [record[0] for record in driver.execute_query(query, values).records]


def group_is_there(pid: int) -> bool:
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return False
    return True


def gone(pid: int, within_s: float = 30) -> bool:
    deadline = time.monotonic() + within_s
    while group_is_there(pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    return not group_is_there(pid)


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Puts a shell script on the PATH, before all else."""
    folder = tmp_path / "commands"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def put(name: str, script: str) -> Path:
        file = folder / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
        return file

    return put


@pytest.fixture
def no_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with neither Java nor Maven."""
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(java, "_JVM_FOLDERS", ())


@pytest.fixture
def some_java(on_path: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """A Java that runs every release, to look at."""
    on_path("java", """echo 'openjdk version "25.0.1" 2025-10-21' >&2""")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(java, "_JVM_FOLDERS", ())


# --------------------------------------------------------------------- finding


def test_a_release_nobody_knows_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(InputError, match=r"'4\.4'.*5\.26, 2026\.08"):
        installation_module.find(tmp_path, "4.4")


def test_without_java_it_says_which_one_to_install(tmp_path, no_programs):
    with pytest.raises(StoreError, match=r"Java 17 or later, and there is no Java\. Install Java 17"):
        installation_module.find(tmp_path)
    assert installation_module.missing().startswith("Neo4j needs Java 17")


def test_a_java_that_is_too_old_is_named(tmp_path, no_programs, on_path):
    java = on_path("java", """echo 'Picked up something'; echo 'openjdk version "1.8.0_392"' >&2""")
    with pytest.raises(StoreError, match=rf"there is Java 8 \({java}\)"):
        installation_module.find(tmp_path)


def test_the_newest_release_is_taken_that_the_java_here_can_run(no_programs, on_path):
    on_path("java", """echo 'openjdk version "17.0.15" 2025-04-15' >&2""")
    assert java.runnable(RELEASES.values())[0] is RELEASES["5.26"]
    on_path("java", """echo 'java version "21-ea"' >&2""")
    assert java.runnable(RELEASES.values())[0] is RELEASES["2026.08"]


def test_the_java_of_java_home_is_preferred(tmp_path, no_programs, on_path, monkeypatch):
    on_path("java", """echo 'openjdk version "21"' >&2""")
    home = tmp_path / "home"
    (home / "bin").mkdir(parents=True)
    chosen = on_path("java-of-home", """echo 'openjdk version "25"' >&2""").rename(home / "bin" / "java")
    monkeypatch.setenv("JAVA_HOME", str(home))
    assert java.runnable(RELEASES.values())[1] == str(chosen)


def test_without_maven_it_says_so(tmp_path, no_programs, on_path):
    on_path("java", """echo 'openjdk version "21"' >&2""")
    with pytest.raises(StoreError, match=r"no mvn on the PATH.*Maven, or a Neo4j"):
        installation_module.find(tmp_path)
    assert "no mvn on the PATH" in installation_module.missing()


def test_what_maven_says_when_it_fails_is_quoted_and_nothing_half_done_is_left(tmp_path, some_java, on_path):
    on_path("mvn", "mkdir lib; touch lib/half.jar; echo 'ERROR no route to host'; exit 1")
    folder = tmp_path / "neo4j"
    (folder / ".setting-up-once" / "whole" / "lib").mkdir(parents=True)  # what a killed process leaves
    for _ in range(2):
        with pytest.raises(StoreError, match=r"(?s)could not set up Neo4j 5\.26\.30: ERROR no route to host.*Install"):
            installation_module.find(folder, "5.26")
    assert [file.name for file in folder.iterdir()] == [".lock"]


def test_a_folder_that_cannot_be_made_is_told(tmp_path, some_java, on_path):
    on_path("mvn", "mkdir lib")
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"could not be set up in .*file/neo4j: .*Not a directory"):
        installation_module.find(tmp_path / "file" / "neo4j", "5.26")
    with pytest.raises(StoreError, match=r"no Neo4j can be started in .*file/home: .*Not a directory"):
        Server(Installation("1", ("true",), {}), tmp_path / "file" / "home", password=None).start()


def test_two_who_want_the_same_release_at_once_set_it_up_once(tmp_path, some_java, on_path):
    on_path("mvn", f"echo set up >> {tmp_path}/times; sleep 0.3; mkdir lib; touch lib/a.jar lib/b.jar")
    seen: list[list[str]] = []

    def want() -> None:
        found = installation_module.find(tmp_path / "neo4j", "2026.08")
        lib = Path(found.command[found.command.index("-cp") + 1]).parent
        seen.append(sorted(file.name for file in lib.iterdir()))

    threads = [threading.Thread(target=want) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [["a.jar", "b.jar"]] * 3
    assert (tmp_path / "times").read_text() == "set up\n"


def test_a_neo4j_on_the_path_comes_first_if_it_is_new_enough_and_no_release_was_asked_for(tmp_path, some_java, on_path):
    on_path("mvn", "mkdir lib")
    command = on_path("neo4j", "echo 2025.01.0")
    found = installation_module.find(tmp_path / "neo4j")
    assert (found.version, found.command, found.distribution) == ("2025.01.0", (str(command), "console"), True)
    assert installation_module.missing() == ""
    assert not installation_module.find(tmp_path / "neo4j", "5.26").distribution
    on_path("neo4j", "echo neo4j 4.4.38")
    assert installation_module.find(tmp_path / "neo4j").version == "2026.08.1"


def test_a_password_that_neo4j_would_refuse_is_refused_before_anything_starts(tmp_path):
    with pytest.raises(InputError, match=r"5 characters: Neo4j wants 8"):
        Server(Installation("5.26.30", ("true",), {}), tmp_path, password="short")


# --------------------------------------------------------------------- running


def test_it_answers_over_bolt_and_shows_the_browser(server):
    assert asked(server, "RETURN 1 + 1") == [2]
    with socket.create_connection(("127.0.0.1", int(server.browser_url.split(":")[2].split("/")[0]))) as http:
        http.sendall(b"GET /browser/ HTTP/1.0\r\n\r\n")
        assert b" 200 " in http.recv(100)


def test_it_listens_on_one_address_alone(server):
    for url in (server.uri, server.browser_url):
        with pytest.raises(OSError):  # whoever listens on every address listens on this one, too
            socket.create_connection(("127.0.0.2", int(url.split(":")[2].split("/")[0])), timeout=2).close()


def test_another_password_is_refused(server):
    driver = neo4j.GraphDatabase.driver(server.uri, auth=("neo4j", "wrong horse"))
    with driver, pytest.raises(neo4j.exceptions.AuthError):
        driver.verify_connectivity()


def test_ports_that_are_taken_are_left_to_others(server, installation, tmp_path, monkeypatch):
    taken = int(server.uri.rsplit(":", 1)[1])
    monkeypatch.setattr(neo4j_server, "_PORTS", (taken, 0))
    assert Server(installation, tmp_path, password=None).uri != server.uri
    assert Server(installation, tmp_path, password=None, ports=(taken, 0)).uri == server.uri  # as asked for


def test_a_paused_server_is_silent_and_goes_on(server):
    answers: list[list] = []
    with neo4j.GraphDatabase.driver(server.uri, auth=server.auth) as driver:
        driver.verify_connectivity()
        server.pause()
        asking = threading.Thread(target=lambda: answers.append(driver.execute_query("RETURN 1").records))
        asking.start()
        asking.join(0.5)
        assert not answers
        server.resume()
        asking.join()
    assert len(answers) == 1


def test_a_setting_it_does_not_know_ends_it_with_an_error_that_quotes_its_log(installation, tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "console.log").write_text("what an earlier start said\n")
    server = Server(installation, tmp_path, password=None, settings={"no.such.setting": "1"})
    with pytest.raises(StoreError, match=r"(?s)exit code 1.*console\.log:.*no\.such\.setting") as failure:
        server.start()
    assert "earlier" not in str(failure.value)
    assert server.pid is None


def test_what_was_written_outlives_a_kill_and_a_stop_and_the_password_stays(server):
    # The last of the tests that use this server: afterwards it runs anew.
    asked(server, "CREATE (:Kept {n: 1})")
    killed = server.pid
    server.kill()
    assert gone(killed, 0)
    uri = server.uri
    server.start()
    assert server.uri == uri
    assert asked(server, "MATCH (k:Kept) RETURN k.n") == [1]
    other = Server(server._installation, server.home, password="another horse", ports=(0, 0))
    other._bolt, other._process = server._bolt, server._process
    with pytest.raises(StoreError, match="has another password"):
        other._answers()
    stopped = server.pid
    started = time.monotonic()
    server.stop()
    assert gone(stopped, 0)
    assert time.monotonic() - started < 10
    server.stop()  # nothing to do


def test_an_ordinary_installation_is_told_where_its_configuration_is(installation, tmp_path, on_path):
    # Stands for the command of a distribution: the same server, found by the folder that NEO4J_CONF names.
    run = " ".join(f"'{word}'" for word in installation.command)
    folders = '--home-dir="$(dirname "$NEO4J_CONF")" --config-dir="$NEO4J_CONF" --console-mode'
    version = f'[ "$1" = --version ] && echo {installation.version} && exit'
    on_path("neo4j", f'{version}\n[ "$1" = console ] && {run} {folders}')
    found = installation_module.find(tmp_path)
    assert found.distribution
    with Server(found, tmp_path / "home", password=None, ports=(0, 0)) as running:
        assert asked(running, "RETURN 1") == [1]
        pid = running.pid
    assert gone(pid, 0)
    assert "Stopped." in (tmp_path / "home" / "logs" / "console.log").read_text()


# ---------------------------------------------------------------------- ending


#: A process that starts a server and goes on with something; it tells the server's number first. The server is a
#: program that only sleeps, and nobody waits for its answer.
OWNER = """
import os, sys, time
from pathlib import Path
from zettel.neo4j.installation import Installation
from zettel.neo4j.server import Server
Server._await = lambda server: None
server = Server(Installation("1", {command!r}, {{}}, True), Path({home!r}), password=None).start()
print(server.pid, flush=True)
{then}
"""


def owner(home: Path, then: str, command: tuple[str, ...] = ("sleep", "100")) -> subprocess.Popen[str]:
    script = OWNER.format(home=str(home), then=then, command=command)
    return subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, start_new_session=True)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_server_ends_with_the_process_that_started_it_when_that_is_killed(tmp_path, number):
    with owner(tmp_path, "time.sleep(100)") as process:
        pid = int(process.stdout.readline())
        assert group_is_there(pid)
        process.send_signal(number)
    assert gone(pid)


def test_a_paused_server_ends_with_the_process_that_started_it(tmp_path):
    with owner(tmp_path, "server.pause(); print(flush=True); time.sleep(100)") as process:
        pid = int(process.stdout.readline())
        process.stdout.readline()
        process.kill()
    assert gone(pid)


def test_a_server_ends_when_the_program_does(tmp_path):
    with owner(tmp_path, "sys.exit(3)") as process:
        pid = int(process.stdout.readline())
    assert process.returncode == 3
    assert gone(pid, 0)


def test_a_server_does_not_end_with_a_fork_of_the_process_that_started_it(tmp_path):
    then = "child = os.fork()\nif child: os.waitpid(child, 0); os.kill(server.pid, 0); print('there', flush=True)"
    with owner(tmp_path, then) as process:
        pid = int(process.stdout.readline())
        assert process.stdout.readline() == "there\n"
    assert gone(pid, 0)


def test_an_interrupt_in_the_terminal_leaves_the_server_to_be_stopped_in_order(tmp_path):
    then = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever the shell that runs the tests has set
print("ready", flush=True)
try:
    time.sleep(100)
except KeyboardInterrupt:
    os.kill(server.pid, 0)
    print("there", flush=True)
"""
    with owner(tmp_path, then) as process:
        pid = int(process.stdout.readline())
        assert process.stdout.readline() == "ready\n"
        os.killpg(process.pid, signal.SIGINT)  # what a terminal does
        assert process.stdout.readline() == "there\n"
    assert gone(pid, 0)


def test_a_server_that_does_not_stop_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(neo4j_server, "_STOP_S", 0.5)
    monkeypatch.setattr(Server, "_await", lambda server: None)
    deaf = Installation("1", ("sh", "-c", "trap '' TERM; while true; do sleep 0.1; done"), {}, True)
    server = Server(deaf, tmp_path, password=None).start()
    pid = server.pid
    time.sleep(0.2)
    server.stop()
    assert server.pid is None
    assert gone(pid)


def test_a_server_that_never_answers_is_ended_and_its_log_quoted(tmp_path, monkeypatch):
    monkeypatch.setattr(neo4j_server, "_START_S", 0.5)
    silent = Installation("1", ("sh", "-c", "echo thinking; exec sleep 100"), {}, True)
    with pytest.raises(StoreError, match=r"(?s)Neo4j 1 did not answer within .*console\.log:\nthinking"):
        Server(silent, tmp_path, password=None).start()


def test_a_server_that_ends_by_itself_can_be_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(Server, "_await", lambda server: None)
    with Server(Installation("1", ("sh", "-c", "exit 5"), {}, True), tmp_path, password=None) as server:
        assert server.wait() == 5
