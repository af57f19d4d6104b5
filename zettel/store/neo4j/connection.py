"""A connection to a Neo4j server: its address and user, transactions that read and write, and its errors as ours."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote, urlsplit

from zettel.errors import (
    InputError,
    MissingExtraError,
    ReadOnlyError,
    StoreAccessError,
    StoreDamagedError,
    StoreError,
    StoreFullError,
    StoreLockedError,
    ZettelError,
)

if TYPE_CHECKING:
    from neo4j import Driver, ManagedTransaction, Session, Transaction

SCHEMES = ("neo4j://", "neo4j+s://", "neo4j+ssc://", "bolt://", "bolt+s://", "bolt+ssc://")
_FORM = "neo4j://user@host:7687/database"
_CONNECT_S = 10.0  # the longest wait until a server answers at all

T = TypeVar("T")
Row = tuple[Any, ...]
Params = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Where:
    """A place on a server: the address to connect to, the user, and the database (None: the server's default)."""

    uri: str
    user: str
    database: str | None

    @property
    def name(self) -> str:
        """The name of the place in messages, which never has a password in it."""
        return f"{self.uri}/{self.database or ''}".rstrip("/")


def parse(address: str) -> Where:
    """The place that ``neo4j://user@host:7687/database`` names.

    If the address leaves out the user or the database, they are NEO4J_USERNAME, else "neo4j", and NEO4J_DATABASE.

    Raises:
        InputError: it is not such an address, or has a password in it.
    """
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError as error:
        reason = "its port is no number" if "@" in address else error  # which might quote a part of a password
        raise InputError(f"{_masked(address)!r} is no address ({reason}): use {_FORM}") from None
    if parts.password is not None or "@" in f"{parts.path}{parts.query}{parts.fragment}":
        raise InputError(
            f"{_masked(address)!r} has a password in it, which the shell's history and the process list would show: put"
            " it into the environment as NEO4J_PASSWORD"
        )
    database = unquote(parts.path.strip("/"))
    if not parts.hostname or "/" in database:
        raise InputError(f"{address!r} is no address of a server: use {_FORM}")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    query = f"?{parts.query}" if parts.query else ""  # a routing context, which clusters may need
    return Where(
        uri=f"{parts.scheme}://{host}{f':{port}' if port else ''}{query}",
        user=unquote(parts.username or "") or os.environ.get("NEO4J_USERNAME") or "neo4j",
        database=database or os.environ.get("NEO4J_DATABASE") or None,
    )


def _masked(address: str) -> str:
    return re.sub(r"//([^:/]*):.*@", r"//\1:***@", address, flags=re.DOTALL)


class Connection:
    """One database on a server, for one thread at a time.

    All transactions run in one session of the driver, so each of them sees everything that was committed before the
    previous one ended (the driver passes bookmarks on). So a read never sees an older head than the read before it.
    """

    def __init__(self, where: Where, *, patience_s: float) -> None:
        self.where = where
        self._patience_s = patience_s
        self._driver = _driver(where, patience_s)
        self._session: Session | None = None
        self._open: Transaction | None = None
        try:
            with self.errors():
                self._driver.verify_connectivity()
                self._session = self._driver.session(database=where.database, fetch_size=5_000)
        except BaseException:
            self._driver.close()
            raise

    def close(self) -> None:
        """Close the connection; a second call does nothing."""
        session, self._session = self._session, None
        if session is not None:
            session.close()
            self._driver.close()

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open; reads and writes join it."""
        return self._open is not None

    def rows(self, statement: str, /, **params: Any) -> list[Row]:
        """The rows that a reading query returns.

        It runs in the open transaction; if there is none, in one of its own, and again after a passing fault.
        """
        from neo4j.exceptions import DriverError, Neo4jError  # noqa: PLC0415 -- an extra, imported when it is used

        with self.errors():
            if self._open is not None:
                return _rows(self._open, statement, params)
            try:
                return _rows(self._here(), statement, params)  # one round trip, while a managed transaction takes three
            except (DriverError, Neo4jError) as error:
                if not error.is_retryable():
                    raise
            return self._here().execute_read(_rows, statement, params)

    def row(self, statement: str, /, **params: Any) -> Row | None:
        """The first row that a reading query returns."""
        found = self.rows(statement, **params)
        return found[0] if found else None

    def write(self, work: Callable[[Writing], T], *, timeout_s: float | None = None) -> T:
        """Run ``work`` in the open transaction; if there is none, in one of its own, and again after a passing fault.

        So ``work`` may run several times; the last run counts. ``timeout_s`` is the server's limit for one run.
        """
        from neo4j import unit_of_work  # noqa: PLC0415 -- an extra, imported when it is used

        if self._open is not None:
            with self.errors():
                return work(Writing(self._open))

        @unit_of_work(timeout=timeout_s)
        def run(transaction: ManagedTransaction) -> T:
            return work(Writing(transaction))

        with self.errors():
            return self._here().execute_write(run)

    @contextmanager
    def transaction(self, *, timeout_s: float) -> Iterator[None]:
        """A transaction that all reads and writes inside join. It is committed, or rolled back if an error is raised.

        The server ends it after ``timeout_s``.
        """
        with self.errors():
            transaction = self._here().begin_transaction(timeout=timeout_s)
        self._open = transaction
        try:
            yield
            with self.errors():
                transaction.commit()
        finally:
            self._open = None
            with self.errors():
                transaction.close()

    def abandon(self) -> None:
        """Roll back the transaction that is open, if one is."""
        transaction, self._open = self._open, None
        if transaction is not None:
            with self.errors():
                transaction.close()

    def define(self, statement: str) -> None:
        """Run a statement of the schema in a transaction of its own; again if others run one at the same time."""
        with self.errors():
            self._here().execute_write(_consume, statement)

    def _here(self) -> Session:
        if self._session is None:
            raise StoreError(f"the memory {self.where.name} is closed: open it again")
        return self._session

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn the driver's errors into ours, with the remedy."""
        from neo4j.exceptions import DriverError, Neo4jError  # noqa: PLC0415 -- an extra, imported when it is used

        try:
            yield
        except ZettelError:
            raise
        except (DriverError, Neo4jError, OSError) as error:
            raise translated(error, self.where, self._patience_s) from error


class Writing:
    """An open transaction, as the functions that write use it."""

    def __init__(self, transaction: ManagedTransaction | Transaction) -> None:
        self._transaction = transaction

    def rows(self, statement: str, /, **params: Any) -> list[Row]:
        """The rows that a query returns."""
        return _rows(self._transaction, statement, params)

    def row(self, statement: str, /, **params: Any) -> Row | None:
        """The first row that a query returns."""
        return next(iter(self.rows(statement, **params)), None)

    def each(self, statement: str, items: list[Any], /, *, expect: str = "", **params: Any) -> None:
        """Run a query over ``items``, which it unwinds as ``$items``; if there are none, nothing is run.

        With ``expect``, the query must return the number of items that it found, and it must have found all.

        Raises:
            StoreDamagedError: it has not; the message says what was expected.
        """
        if not items:
            return
        found = self.rows(statement, items=_Unsaid(items), **params)
        if expect and (n := found[0][0] if found else 0) != len(items):
            raise StoreDamagedError(
                f"{n} of {len(items)} {expect} are in the graph, which its journal says are there: run"
                " zettel neo4j check"
            )


class _Unsaid(list[Any]):
    """Items that the driver does not write into its log.

    The driver formats every parameter for its log, even if nobody reads it. These items are people's words, and numbers
    by the thousand.
    """

    def __repr__(self) -> str:
        return f"[{len(self)} items]"


def _rows(runner: ManagedTransaction | Transaction | Session, query: str, params: Params) -> list[Row]:
    return [tuple(record) for record in runner.run(query, params)]  # type: ignore[arg-type]  # as below


def _consume(transaction: ManagedTransaction, query: str) -> None:
    transaction.run(query).consume()  # what is run are constants of this package


def _driver(where: Where, patience_s: float) -> Driver:
    try:
        import neo4j  # noqa: PLC0415 -- an extra, imported when it is used
    except ImportError as error:
        raise MissingExtraError(
            f"{where.name} needs the Neo4j driver, which is not installed: pip install 'zettel[neo4j]'"
        ) from error
    # The driver would report each fault that it tries again on the user's terminal; a lasting fault raises an error.
    logging.getLogger("neo4j").addHandler(logging.NullHandler())
    password = os.environ.get("NEO4J_PASSWORD")
    try:
        return neo4j.GraphDatabase.driver(
            where.uri,
            auth=(where.user, password) if password else None,
            connection_timeout=_CONNECT_S,
            connection_acquisition_timeout=_CONNECT_S * 2,
            max_transaction_retry_time=min(patience_s, _CONNECT_S),  # tries wait twice as long each time: 15 s in all
            notifications_min_severity="OFF",
            telemetry_disabled=True,
            user_agent="zettel",
        )
    except (neo4j.exceptions.DriverError, ValueError, OSError) as error:
        raise InputError(f"{where.uri!r} can't be connected to ({error}): use {_FORM}") from error


def translated(error: Exception, where: Where, patience_s: float) -> ZettelError:
    """A driver's error as one of ours. The server's messages are quoted; they have no password in them."""
    from neo4j import exceptions as theirs  # noqa: PLC0415 -- an extra, imported when it is used

    name, code = where.name, getattr(error, "code", "") or ""
    title = code.rpartition(".")[2]
    if isinstance(error, theirs.AuthError) and not isinstance(error, theirs.Forbidden):
        given = "the password in NEO4J_PASSWORD" if os.environ.get("NEO4J_PASSWORD") else "no password"
        return StoreAccessError(
            f"{name} refuses user {where.user!r} with {given}: set NEO4J_USERNAME and NEO4J_PASSWORD ({title or error})"
        )
    if isinstance(error, theirs.Forbidden) or title in _READ_ONLY:
        return ReadOnlyError(
            f"{name} lets user {where.user!r} read only: open it read_only=True, or grant writing ({error})"
        )
    if title == "DatabaseNotFound":
        return StoreError(
            f"{where.uri} has no database {where.database!r}: name an existing one at the end of the address, or none"
            " for the server's default"
        )
    if title in _LOCKED or (isinstance(error, theirs.TransientError) and title not in _FULL):
        return StoreLockedError(
            f"{name} was locked by other writers for {patience_s:g} s or more ({title}); nothing was written: try"
            " again, or raise Config.busy_timeout_s"
        )
    if title in _FULL:
        return StoreFullError(
            f"{name} has no room for this ({title}): raise dbms.memory.transaction.total.max or the server's heap; or"
            " write less at once, for a whole memory with zettel neo4j push"
        )
    if title == "ConstraintValidationFailed":
        return StoreDamagedError(
            f"{name} has data that its journal does not know of ({_first_line(error)}): run zettel neo4j check; or, if"
            " a constraint of another application is in the way, use another database"
        )
    if title == "ConstraintCreationFailed":
        return StoreError(
            f"{name} has nodes of another application that break a constraint of zettel's ({_first_line(error)}): use"
            " another database, or change them"
        )
    if isinstance(error, theirs.IncompleteCommit):
        return StoreError(
            f"{name} went away while it was writing: the commit is there as a whole or not at all; look at the log"
            " before you try again"
        )
    if isinstance(error, theirs.DriverError | OSError):
        return StoreError(
            f"{name} can't be reached, or went away ({type(error).__name__}: {_first_line(error)}): see that the server"
            " runs and the address is right; what was acknowledged before is kept"
        )
    return StoreError(f"{name} failed ({title or type(error).__name__}: {_first_line(error)}): see the server's log")


_READ_ONLY = frozenset({"WriteOnReadOnlyAccessDatabase", "ForbiddenOnReadOnlyDatabase", "AccessMode", "Forbidden"})
_LOCKED = frozenset(
    {
        "TransactionTimedOut", "TransactionTimedOutClientConfiguration", "LockAcquisitionTimeout", "DeadlockDetected",
        "LockClientStopped",
    }
)  # fmt: skip
_FULL = frozenset({"MemoryPoolOutOfMemoryError", "OutOfMemoryError", "TransactionOutOfMemoryError"})


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "")
