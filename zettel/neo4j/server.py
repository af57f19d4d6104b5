"""A Neo4j server on this computer, with the Neo4j Browser: a process that is started and stopped here.

It is an ordinary Neo4j Community that listens on the loopback address only; ``installation`` finds or installs it.
"""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from zettel.errors import InputError, StoreError
from zettel.neo4j.installation import Installation, check_driver
from zettel.neo4j.ports import HOST, free_ports, is_open
from zettel.neo4j.process_group import await_end, end_with_this_process
from zettel.neo4j.releases import FLAGS, RELEASES

#: The user that every server has from the start.
USER = "neo4j"

_PORTS = (7687, 7474)
_SHORTEST_PASSWORD = 8
_START_S = 120.0
_STOP_S = 30.0


class Server:
    """One server process, and the folder that it keeps its data in.

    A server that is started again with the same ``home`` has its earlier data. ``password`` is that of the user
    ``neo4j``: it is set when the folder is first used, and checked from then on. None lets in everybody on this
    computer. ``ports`` are those of Bolt and of HTTP; 0 means any free one. None means 7687 and 7474, or other ports if
    these are taken. ``settings`` are lines of ``neo4j.conf``.

    The server stops when this process ends, in whatever way. A Ctrl-C in the terminal reaches this process only.

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
        self._extra_settings = dict(settings or {})
        self._bolt, self._http = (
            free_ports(_PORTS, replace_taken=True) if ports is None else free_ports(ports, replace_taken=False)
        )
        self._process: subprocess.Popen[bytes] | None = None
        self._watcher: subprocess.Popen[bytes] | None = None
        self._log_start = 0
        self._owner = 0

    @property
    def uri(self) -> str:
        """The address for programs."""
        return f"bolt://{HOST}:{self._bolt}"

    @property
    def browser_url(self) -> str:
        """The address of the Neo4j Browser, for people."""
        return f"http://{HOST}:{self._http}/browser/"

    @property
    def auth(self) -> tuple[str, str] | None:
        """User and password, as the driver takes them; None if the server asks for none."""
        return None if self._password is None else (USER, self._password)

    @property
    def pid(self) -> int | None:
        """The id of its process, and of its process group; None while it does not run."""
        return None if self._process is None else self._process.pid

    def start(self) -> Self:
        """Start the server, and wait until it answers over Bolt and HTTP: about six seconds.

        Raises:
            MissingExtraError: the Neo4j driver is not installed.
            StoreError: the server ended, or did not answer within two minutes, or has another password than the one
                given. The message quotes the end of its log.
        """
        if self._process is not None:
            return self
        check_driver()
        if taken := [port for port in (self._bolt, self._http) if is_open(port)]:
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
        """Shut the server down; if it still runs after half a minute, kill it. It need not be running."""
        if self._process is not None:
            self._signal(signal.SIGTERM)
            self._signal(signal.SIGCONT)
            await_end(self._process, _STOP_S)
            self.kill()

    def kill(self) -> None:
        """End the server at once, like a power failure, and wait until it is gone."""
        if self._process is not None:
            self._signal(signal.SIGKILL)
            await_end(self._process, _STOP_S)
        if self._watcher is not None:
            self._watcher.kill()
            self._watcher.communicate()
        self._process = self._watcher = None
        atexit.unregister(self._stop_at_exit)

    def wait(self) -> int:
        """Wait until the server ends, by itself or by somebody else; its exit code, or 0 if it does not run."""
        return 0 if self._process is None else self._process.wait()

    def pause(self) -> None:
        """Suspend the server until ``resume``: its connections stay open, but nothing answers."""
        if self._process is not None:
            self._signal(signal.SIGSTOP)
            os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def resume(self) -> None:
        """Continue after ``pause``."""
        self._signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        """Start the server."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the server."""
        self.stop()

    def _settings(self) -> dict[str, str]:
        folders = {name: str(self.home / name) for name in ("data", "logs", "run", "import", "plugins")}
        return {
            **{f"server.directories.{name}": folder for name, folder in folders.items()},
            "server.default_listen_address": HOST,
            "server.bolt.listen_address": f"{HOST}:{self._bolt}",
            "server.bolt.advertised_address": f"{HOST}:{self._bolt}",
            "server.http.listen_address": f"{HOST}:{self._http}",
            "server.http.advertised_address": f"{HOST}:{self._http}",
            "server.memory.pagecache.size": "64m",
            "db.tx_log.preallocate": "false",
            "dbms.usage_report.enabled": "false",
            "client.allow_telemetry": "false",
            "dbms.security.auth_enabled": "false" if self._password is None else "true",
            **self._installation.settings,
            **self._extra_settings,
        }

    def _write_configuration(self) -> None:
        lines = [f"{name}={value}" for name, value in self._settings().items()]
        if self._installation.distribution:
            flags = dict.fromkeys([*FLAGS, *(flag for release in RELEASES.values() for flag in release.flags)])
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
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True,  # so that Ctrl-C does not reach it
            )  # fmt: skip
        self._watcher = end_with_this_process(self._process.pid)
        atexit.register(self._stop_at_exit)

    def _stop_at_exit(self) -> None:
        if os.getpid() == self._owner:  # a forked process must not stop it
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
                raise self._failure(f"ended while it was starting, with exit code {code}")
            if is_open(self._bolt) and is_open(self._http) and self._answers():
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
        """Set the password of a server that is started for the first time."""
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
