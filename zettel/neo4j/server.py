"""A Neo4j server on this machine, with the Neo4j Browser: set up once, started and stopped here.

It is an ordinary Neo4j Community that listens on the loopback address alone: the ``neo4j`` found on the PATH, or a
pinned release that Maven puts together from its published artifacts, run by a Java that is new enough for it.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from zettel.errors import InputError, MissingExtraError, StoreError


@dataclass(frozen=True, slots=True)
class Release:
    """A release of Neo4j that is known to work: its version, and that of the Browser that is set up with it.

    ``java`` is the lowest Java it runs on, ``main`` its main class; ``flags`` of the Java machine and ``settings`` are
    those it needs beyond what every release does.
    """

    version: str
    browser: str
    java: int
    main: str
    flags: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)


#: By the name that ``find`` takes, the newest last. Without the first setting of each, stopping takes ten seconds.
RELEASES = {
    "5.26": Release(
        version="5.26.30",
        browser="5.24.0",
        java=17,
        main="org.neo4j.server.CommunityEntryPoint",
        settings={"internal.dbms.bolt.netty_server_shutdown_quiet_period": "0"},
    ),
    "2026.08": Release(
        version="2026.08.1",
        browser="5.24.0",
        java=21,
        main="org.neo4j.server.Neo4jCommunity",
        flags=("--add-modules=jdk.incubator.vector",),
        settings={
            "internal.dbms.bolt.netty_server_shutdown_quiet_period_duration": "0s",
            "server.fleet_discovery.enabled": "false",  # it would call out to the network for other servers
        },
    ),
}

#: The user that every server has from the start.
USER = "neo4j"

_HOST = "127.0.0.1"
_PORTS = (7687, 7474)
_OLDEST = (5, 26)
_SHORTEST_PASSWORD = 8
_SET_UP_S = 1800.0
_START_S = 120.0
_STOP_S = 30.0

_FLAGS = tuple(
    f"--add-opens=java.base/{package}=ALL-UNNAMED"
    for package in ("java.nio", "java.io", "sun.nio.ch", "java.util.concurrent")
)
_JVM_FOLDERS = ("usr/lib/jvm/*", "usr/java/*", "Library/Java/JavaVirtualMachines/*/Contents/Home")

_UNFINISHED = ".setting-up-"
_GOAL = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_POM = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>zettel</groupId><artifactId>neo4j</artifactId><version>{version}</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.neo4j</groupId><artifactId>neo4j</artifactId><version>{version}</version></dependency>
    <dependency>
      <groupId>org.neo4j.client</groupId><artifactId>neo4j-browser</artifactId><version>{browser}</version>
    </dependency>
  </dependencies>
</project>
"""

#: Ends a group of processes once whoever started both is gone, however that came: the pipe it reads from closes.
_KEEPER = """\
read -r group || exit
read -r end
tries=0
while [ "$tries" -lt 20 ] && kill -s TERM -- "-$group" && kill -s CONT -- "-$group"; do
    tries=$((tries + 1))
    sleep 1
done 2>/dev/null
kill -s KILL -- "-$group" 2>/dev/null
"""

_REMEDY = "Install Java 17 or later and Maven, or a Neo4j 5.26 or later, or use a server that is running"


# --------------------------------------------------------------------- finding


@dataclass(frozen=True, slots=True)
class Installation:
    """A Neo4j that can be started: its version, the command, and the settings it needs.

    ``distribution`` tells the ``neo4j`` of an ordinary installation, which builds the command of its Java machine
    itself, from a release that was set up here.
    """

    version: str
    command: tuple[str, ...]
    settings: Mapping[str, str]
    distribution: bool = False


def find(folder: Path, release: str | None = None) -> Installation:
    """A Neo4j to start: the release of that name; for None the ``neo4j`` on the PATH, or else the newest release.

    The newest is the newest that a Java here can run. A release that is not there yet is set up beneath ``folder``, by
    Maven (140 MB, half a minute); a process that wants the same meanwhile waits for it.

    Raises:
        InputError: no release of that name is known to work.
        StoreError: there is no Neo4j and none can be set up; the message says what is missing.
    """
    if release is not None and release not in RELEASES:
        raise InputError(f"no release {release!r} of Neo4j is known to work: there are {', '.join(RELEASES)}")
    _check_system()
    distribution = _distribution() if release is None else None
    if distribution is not None:
        return distribution
    chosen, java = _runnable(RELEASES.values() if release is None else (RELEASES[release],))
    lib = _set_up(folder.absolute(), chosen, java) / "lib"
    command = (java, "-Xms256m", "-Xmx512m", *_FLAGS, *chosen.flags, "-cp", f"{lib}/*", chosen.main)
    return Installation(chosen.version, command, chosen.settings)


def missing() -> str:
    """Why no server can be set up and started here; "" where one can, as far as can be told without trying."""
    try:
        _check_system()
        _check_driver()
        if _distribution() is None:
            _runnable(RELEASES.values())
            _maven()
    except (StoreError, MissingExtraError) as error:
        return str(error)
    return ""


def _check_system() -> None:
    if os.name != "posix":
        raise StoreError(f"no Neo4j is started from here on {sys.platform}: use a server that is running")


def _check_driver() -> None:
    if importlib.util.find_spec("neo4j") is None:
        raise MissingExtraError("the Neo4j driver is not installed. Run: pip install 'zettel[neo4j]'")


def _distribution() -> Installation | None:
    """The ``neo4j`` on the PATH, if it is new enough."""
    command = shutil.which("neo4j")
    if command is None:
        return None
    version = re.search(r"(\d+)\.(\d+)[.\w-]*", _output([command, "--version"]))
    if version is None or (int(version[1]), int(version[2])) < _OLDEST:
        return None
    settings = {
        "server.config.strict_validation.enabled": "false",  # what a release does not know of these is passed over
        "server.memory.heap.initial_size": "256m",
        "server.memory.heap.max_size": "512m",
    }
    for release in RELEASES.values():
        settings.update(release.settings)
    return Installation(version[0], (command, "console"), settings, distribution=True)


def _runnable(releases: Collection[Release]) -> tuple[Release, str]:
    """The last of some releases that a Java on this machine can run, and that Java."""
    javas = list(_javas())
    for release in reversed(list(releases)):
        for java, version in javas:
            if version >= release.java:
                return release, java
    there = ", ".join(f"Java {version} ({java})" for java, version in javas) or "no Java"
    raise StoreError(f"Neo4j needs Java {min(r.java for r in releases)} or later, and there is {there}. {_REMEDY}")


def _javas() -> Iterator[tuple[str, int]]:
    """Each Java on this machine with its version: that of JAVA_HOME first, that of the PATH, those of the system."""
    root = Path("/")
    homes = [Path(os.environ["JAVA_HOME"])] if os.environ.get("JAVA_HOME") else []
    usual = [home for pattern in _JVM_FOLDERS for home in sorted(root.glob(pattern), reverse=True)]
    places = [home / "bin" / "java" for home in homes]
    places += [Path(found) for found in [shutil.which("java")] if found]
    places += [home / "bin" / "java" for home in usual]
    for java in dict.fromkeys(str(place.resolve()) for place in places if os.access(place, os.X_OK)):
        version = re.search(r'version "(?:1\.)?(\d+)', _output([java, "-version"]))
        if version is not None:
            yield java, int(version[1])


def _output(command: Sequence[str]) -> str:
    """What a command says on both its outputs; "" where it can't be run."""
    try:
        done = subprocess.run(  # noqa: S603
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="replace")


# ------------------------------------------------------------------ setting up


def _maven() -> str:
    command = shutil.which("mvn")
    if command is None:
        raise StoreError(f"Neo4j is set up by Maven, and there is no mvn on the PATH. {_REMEDY}")
    return command


def _set_up(folder: Path, release: Release, java: str) -> Path:
    """The folder that holds a release, whole: it gets its name only when Maven is done."""
    place = folder / release.version
    if place.is_dir():
        return place
    maven = _maven()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder / ".lock"):
            for left in folder.glob(f"{_UNFINISHED}*"):  # by a process that was killed: nobody else is in here
                shutil.rmtree(left, ignore_errors=True)
            if not place.is_dir():
                with tempfile.TemporaryDirectory(dir=folder, prefix=_UNFINISHED) as unfinished:
                    whole = Path(unfinished) / "whole"
                    whole.mkdir()
                    _run_maven(maven, whole, release, java)
                    whole.rename(place)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StoreError(f"Neo4j {release.version} could not be set up in {folder}: {error}. {_REMEDY}") from error
    return place


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Inside it no other process is inside it with the same file."""
    import fcntl  # noqa: PLC0415 -- other systems than POSIX have none

    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run_maven(maven: str, folder: Path, release: Release, java: str) -> None:
    sys.stderr.write(f"zettel: setting up Neo4j {release.version} with Maven (140 MB, once) ...\n")
    sys.stderr.flush()
    (folder / "pom.xml").write_text(_POM.format(version=release.version, browser=release.browser), encoding="utf-8")
    options = ["-q", "-B", "-Dstyle.color=never", "--strict-checksums", "-DincludeScope=runtime"]
    command = [maven, *options, "-DoutputDirectory=lib", _GOAL]
    environment = {**os.environ, "JAVA_HOME": str(Path(java).parent.parent)}
    done = subprocess.run(  # noqa: S603
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, timeout=_SET_UP_S, check=False,
    )  # fmt: skip
    if done.returncode:
        said = done.stdout.decode(errors="replace").splitlines()
        first = next((line for line in said if "ERROR" in line), "".join(said[-1:]))[:1000]
        raise StoreError(f"Maven could not set up Neo4j {release.version}: {first}. {_REMEDY}")


# --------------------------------------------------------------------- running


class Server:
    """One server process, and the folder it keeps its data in.

    Starting it again on the same ``home`` finds what was written there. ``password`` is that of the user ``neo4j``,
    set when the folder is first used and checked from then on; None lets everybody on this machine in. ``ports`` are
    those of Bolt and of HTTP, 0 for any free one; None takes 7687 and 7474, or others where these are taken.
    ``settings`` are lines of ``neo4j.conf``.

    It stops when this process ends, in whatever way; a Ctrl-C in the terminal reaches this process alone.

    Raises:
        InputError: the password is too short for Neo4j.
    """

    def __init__(
        self,
        installation: Installation,
        home: Path,
        *,
        password: str | None,
        settings: Mapping[str, str] | None = None,
        ports: tuple[int, int] | None = None,
    ) -> None:
        if password is not None and len(password) < _SHORTEST_PASSWORD:
            raise InputError(
                f"the password has {len(password)} characters: Neo4j wants {_SHORTEST_PASSWORD} of them or more"
            )
        self.home = home.absolute()
        self.log = self.home / "logs" / "console.log"
        self._installation = installation
        self._password = password
        self._given = dict(settings or {})
        self._bolt, self._http = _free(_PORTS, taken=True) if ports is None else _free(ports, taken=False)
        self._process: subprocess.Popen[bytes] | None = None
        self._keeper: subprocess.Popen[bytes] | None = None
        self._log_start = 0
        self._owner = 0

    @property
    def uri(self) -> str:
        """Where programs find it."""
        return f"bolt://{_HOST}:{self._bolt}"

    @property
    def browser_url(self) -> str:
        """Where people find it."""
        return f"http://{_HOST}:{self._http}/browser/"

    @property
    def auth(self) -> tuple[str, str] | None:
        """User and password, as the driver takes them; None where none are asked for."""
        return None if self._password is None else (USER, self._password)

    @property
    def pid(self) -> int | None:
        """The number of its process, which is that of its process group too; None while it does not run."""
        return None if self._process is None else self._process.pid

    def start(self) -> Self:
        """Start it, and wait until it answers over Bolt and HTTP; about six seconds.

        Raises:
            MissingExtraError: the Neo4j driver is not installed.
            StoreError: it ended, or did not answer within two minutes, or has another password than the one given. The
                message quotes the end of its log.
        """
        if self._process is not None:
            return self
        _check_driver()
        if taken := [port for port in (self._bolt, self._http) if _listens(port)]:
            raise StoreError(f"port {taken[0]} is taken by another program: give another one, or 0 for any")
        try:
            self._write_configuration()
            self._run()
        except OSError as error:
            raise StoreError(f"no Neo4j can be started in {self.home}: {error}") from error
        try:
            self._await()
        except BaseException:
            self.kill()
            raise
        return self

    def stop(self) -> None:
        """Shut it down in order, or after half a minute in no order; nothing where it does not run."""
        if self._process is not None:
            self._signal(signal.SIGTERM)
            self._signal(signal.SIGCONT)
            _await_end(self._process, _STOP_S)
            self.kill()

    def kill(self) -> None:
        """End it at once, as a failure of the power would, and wait until it is gone."""
        if self._process is not None:
            self._signal(signal.SIGKILL)
            _await_end(self._process, _STOP_S)
        if self._keeper is not None:
            self._keeper.kill()
            self._keeper.communicate()
        self._process = self._keeper = None
        atexit.unregister(self._stop_at_exit)

    def wait(self) -> int:
        """Wait until it ends by itself, or someone else ends it; its exit code. 0 where it does not run."""
        return 0 if self._process is None else self._process.wait()

    def pause(self) -> None:
        """Let it do nothing until ``resume``: its connections stay open and stay silent."""
        if self._process is not None:
            self._signal(signal.SIGSTOP)
            os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def resume(self) -> None:
        """Let a paused one go on."""
        self._signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        """Start it."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop it."""
        self.stop()

    def _settings(self) -> dict[str, str]:
        folders = {name: str(self.home / name) for name in ("data", "logs", "run", "import", "plugins")}
        return {
            **{f"server.directories.{name}": folder for name, folder in folders.items()},
            "server.default_listen_address": _HOST,
            "server.bolt.listen_address": f"{_HOST}:{self._bolt}",
            "server.bolt.advertised_address": f"{_HOST}:{self._bolt}",
            "server.http.listen_address": f"{_HOST}:{self._http}",
            "server.http.advertised_address": f"{_HOST}:{self._http}",
            "server.memory.pagecache.size": "64m",
            "db.tx_log.preallocate": "false",
            "dbms.usage_report.enabled": "false",
            "client.allow_telemetry": "false",
            "dbms.security.auth_enabled": "false" if self._password is None else "true",
            **self._installation.settings,
            **self._given,
        }

    def _write_configuration(self) -> None:
        lines = [f"{name}={value}" for name, value in self._settings().items()]
        if self._installation.distribution:
            flags = dict.fromkeys([*_FLAGS, *(flag for release in RELEASES.values() for flag in release.flags)])
            lines += [f"server.jvm.additional={flag}" for flag in flags]
        for folder in ("conf", "logs", "import", "plugins"):
            (self.home / folder).mkdir(parents=True, exist_ok=True)
        (self.home / "conf" / "neo4j.conf").write_text("\n".join([*lines, ""]), encoding="utf-8")

    def _run(self) -> None:
        conf = self.home / "conf"
        command = list(self._installation.command)
        if not self._installation.distribution:
            command += [f"--home-dir={self.home}", f"--config-dir={conf}", "--console-mode"]
        self._owner = os.getpid()
        with self.log.open("ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(  # noqa: S603
                command, cwd=self.home, env={**os.environ, "NEO4J_CONF": str(conf)}, stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True,  # a terminal's Ctrl-C is not for it
            )  # fmt: skip
        self._keeper = _keeper(self._process.pid)
        atexit.register(self._stop_at_exit)

    def _stop_at_exit(self) -> None:
        if os.getpid() == self._owner:  # and not a process forked from it
            self.stop()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def _await(self) -> None:
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            code = None if self._process is None else self._process.poll()
            if code is not None:
                raise self._failure(f"ended when it was to start, with exit code {code}")
            if _listens(self._bolt) and _listens(self._http) and self._answers():
                return
            time.sleep(0.1)
        raise self._failure(f"did not answer within {_START_S:.0f} s")

    def _answers(self) -> bool:
        from neo4j.exceptions import AuthError, DriverError, TransientError  # noqa: PLC0415

        try:
            self._ask(self.auth, "RETURN 1")
        except AuthError as refused:
            self._claim(refused)
            return False
        except (DriverError, TransientError):
            return False
        return True

    def _claim(self, refused: Exception) -> None:
        """Set the password of a server that has none yet."""
        from neo4j.exceptions import AuthError  # noqa: PLC0415

        change = "ALTER CURRENT USER SET PASSWORD FROM 'neo4j' TO $password"
        try:
            self._ask((USER, "neo4j"), change, database="system", password=self._password)
        except AuthError:
            raise StoreError(
                f"the Neo4j in {self.home} has another password: give the one that it was first started with"
            ) from refused

    def _ask(self, auth: tuple[str, str] | None, query: str, database: str | None = None, **values: Any) -> None:
        import neo4j  # noqa: PLC0415 -- an extra, and slow to import

        with (
            neo4j.GraphDatabase.driver(self.uri, auth=auth) as driver,
            driver.session(database=database) as session,
        ):
            session.run(query, values).consume()

    def _failure(self, what: str) -> StoreError:
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            lines = log.read().decode(errors="replace").splitlines()
        end = "\n".join(lines[-30:])
        return StoreError(f"Neo4j {self._installation.version} {what}. The end of its log, {self.log}:\n{end}")


def _keeper(group: int) -> subprocess.Popen[bytes]:
    """A process that ends a group of processes when this process is gone."""
    command = ["/bin/sh", "-c", _KEEPER]
    keeper = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)  # noqa: S603
    if keeper.stdin is not None:
        keeper.stdin.write(b"%d\n" % group)
        keeper.stdin.flush()
    return keeper


def _await_end(leader: subprocess.Popen[bytes], patience_s: float) -> None:
    """Wait for the end of a group of processes: the command of a distribution may end before its server does."""
    deadline = time.monotonic() + patience_s
    while (leader.poll() is None or _is_there(leader.pid)) and time.monotonic() < deadline:
        time.sleep(0.05)


def _is_there(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _free(ports: tuple[int, int], *, taken: bool) -> tuple[int, int]:
    """Ports for Bolt and HTTP: those given, but a free one for 0, and with ``taken`` also for one that is taken."""
    with ExitStack() as held:  # the second is chosen while the first is held
        sockets = [held.enter_context(socket.socket()) for _ in ports]
        chosen = [_bound(s, port) if taken or port == 0 else port for s, port in zip(sockets, ports, strict=True)]
    return chosen[0], chosen[1]


def _bound(own: socket.socket, port: int) -> int:
    own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does: a port just let go of is free
    try:
        own.bind((_HOST, port))
    except OSError:
        own.bind((_HOST, 0))
    return int(own.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as own:
        own.settimeout(1)
        return own.connect_ex((_HOST, port)) == 0
