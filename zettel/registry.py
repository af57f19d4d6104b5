"""Putting a memory together from its plug-ins."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from os import PathLike, fspath
from typing import Any

from zettel import plugins
from zettel.config import DEFAULT, Config
from zettel.errors import InputError, MissingExtraError, PluginError
from zettel.memory import Memory
from zettel.plugins import chosen, load, names
from zettel.protocols import (
    Analyzer,
    Embedder,
    Entry,
    LinkRule,
    Policy,
    Signal,
    Store,
    Transcript,
    TranscriptFormat,
)
from zettel.view import Parts

DEFAULT_EMBEDDER = "minilm"
DEFAULT_ANALYZER = "local"

_log = logging.getLogger(__name__)


class _Unloadable:
    """Stands in for a transcript format of another package that can't be loaded: it recognises nothing."""

    suffixes: frozenset[str] = frozenset()

    def __init__(self, name: str, error: InputError | PluginError) -> None:
        self.name = name
        self._error = error

    def sniff(self, transcript: Transcript) -> float:
        """0, so that no file is read by it unless somebody names it."""
        del transcript
        return 0.0

    def read(self, transcript: Transcript) -> Iterator[Entry]:
        """Raise what stood in the way when it was loaded."""
        del transcript
        raise self._error


def formats() -> tuple[TranscriptFormat, ...]:
    """All transcript formats, those of other packages included; one of these that can't be loaded says so when read."""
    return tuple(_format(name) for name in names("transcripts"))


def _format(name: str) -> TranscriptFormat:
    try:
        found: TranscriptFormat = load("transcripts", name).FORMAT
    except (InputError, PluginError) as error:
        if name in plugins.built_in("transcripts"):
            raise
        _log.warning("no file will be recognised as %s: %s", name, error)
        return _Unloadable(name, error)
    return found


def signals(given: Sequence[str] | None = None) -> tuple[Signal, ...]:
    """The signals named, in that order: a sum in a fixed order is the same sum. None: those of zettel, by name."""
    return tuple(load("scoring", name) for name in chosen("scoring", given, "Config.signals"))


def rules(given: Sequence[str] | None = None) -> tuple[LinkRule, ...]:
    """The link rules named, in that order: if two propose a link, it is the first one's. None: those of zettel."""
    return tuple(load("linker", name) for name in chosen("linker", given, "Config.rules"))


def policies(given: Sequence[str] | None = None) -> tuple[Policy, ...]:
    """The policies named, in that order: each sees what those before it have written. None: those of zettel."""
    return tuple(load("evolution", name) for name in chosen("evolution", given, "Config.policies"))


def embedder(spec: str = DEFAULT_EMBEDDER) -> Embedder:
    """The embedder that "name" or "name:model" names ("minilm", "sentence_transformers:all-mpnet-base-v2").

    Raises:
        InputError, PluginError, ModelNotFoundError, MissingExtraError: there is none of this name, or it can't be
            loaded here.
    """
    name, _, model = spec.partition(":")
    made: Embedder = load("embedder", name).create(model or None)
    plugins.check(made, Embedder, f"what embedder plug-in {name!r} creates")
    return made


def analyzer(spec: str = DEFAULT_ANALYZER) -> Analyzer:
    """The analyzer that "name" or "name:model" names ("local", "local:en_core_web_sm").

    Raises:
        InputError, PluginError, AnalyzerError: there is none of this name, or it can't be loaded here.
    """
    name, _, model = spec.partition(":")
    made: Analyzer = load("analyzer", name).create(model or None)
    plugins.check(made, Analyzer, f"what analyzer plug-in {name!r} creates")
    return made


def open_store(address: str, *, namespace: str, read_only: bool, config: Config) -> Store:
    """The store at an address: of the plug-in whose scheme is the longest that the address begins with.

    Raises:
        InputError: no plug-in serves the address.
        StoreError: it can't be opened; the subclass and the message say why.
    """
    unloaded: list[str] = []
    modules = [(name, module) for name in names("store") if (module := _store(name, unloaded)) is not None]
    found = [(scheme, name, module) for name, module in modules for scheme in module.SCHEMES]
    scheme, name, module = max((f for f in found if address.startswith(f[0])), key=lambda f: len(f[0]))
    if not scheme and "://" in address:
        known = "".join(f", or {s}..." for s in sorted(scheme for scheme, _, _ in found if scheme))
        raise InputError("; ".join([f"no store serves {address!r}: use a path{known}", *unloaded]))
    store: Store = module.open_store(address, namespace=namespace, read_only=read_only, config=config)
    plugins.check(store, Store, f"what store plug-in {name!r} opens")
    return store


def _store(name: str, unloaded: list[str]) -> Any:
    """A store's plug-in; None for one of another package that can't be loaded, which ``unloaded`` then tells of."""
    try:
        return load("store", name)
    except (InputError, PluginError) as error:
        if name in plugins.built_in("store"):
            raise
        unloaded.append(str(error))
        return None


def open_memory(
    address: str | PathLike[str],
    *,
    namespace: str = "default",
    embedder: Embedder | str | None = None,
    analyzer: Analyzer | str | None = None,
    timezone: str = "UTC",
    read_only: bool = False,
    config: Config = DEFAULT,
) -> Memory:
    """Open the memory at ``address``; if there is none, make it.

    Args:
        address: a path to a file; ":memory:" for one that ends with the process; or a Neo4j server's address
            (neo4j://user@host:7687/database, with the password in the environment as NEO4J_PASSWORD).
        namespace: which of the memories kept at that place; each has a journal of its own.
        embedder: an embedder, or the name of one ("minilm", "sentence_transformers:MODEL"); None for the one that made
            the memory's vectors, and the default in a new memory.
        analyzer: an analyzer, or the name of one ("local"); None for the default.
        timezone: where times without a zone are read ("Europe/Berlin").
        read_only: no note, link or commit is written, and the file must exist. (SQLite may leave its two small helper
            files, -wal and -shm, beside it.)
        config: the numbers it runs on, and which link rules, policies and signals are at work.

    Raises:
        StoreError: it can't be opened; the subclass and the message say why.
        EmbedderMismatchError: the embedder given is not the one the memory was made by.
        InputError: a name or a timezone that does not exist, or a plug-in that lacks what its kind must define.
        PluginError: a plug-in that was named can't be imported.
    """
    parts = Parts(
        embedder=lambda made_by: _embedder(embedder or _named_by(made_by)), analyzer=lambda: _analyzer(analyzer),
        formats=formats(), signals=signals(config.signals), rules=rules(config.rules),
        policies=policies(config.policies),
    )  # fmt: skip
    if strange := sorted(set(config.weights).difference(names("scoring"))):
        raise InputError(f"Config.weights: there is no signal {strange[0]!r}; there are {', '.join(names('scoring'))}")
    if not isinstance(namespace, str) or not namespace or not namespace.isprintable():
        raise InputError(f"namespace {namespace!r} can't be used: name it in printable characters")
    store = open_store(fspath(address), namespace=namespace, read_only=read_only, config=config)
    try:
        memory = Memory(store, parts, namespace=namespace, timezone=timezone, config=config)
        if embedder is not None:
            memory.check_embedder(_embedder(embedder))
    except BaseException:
        store.close()
        raise
    return memory


def _named_by(fingerprint: str | None) -> str:
    """The name of the embedder of a fingerprint, if it needs no model named; else the default one."""
    name = (fingerprint or "").partition("/")[0]
    if name == DEFAULT_EMBEDDER or name not in names("embedder"):
        return DEFAULT_EMBEDDER
    try:
        return name if embedder(name).fingerprint == fingerprint else DEFAULT_EMBEDDER
    except (InputError, MissingExtraError, PluginError):  # it needs a model, or its library: the memory will say so
        return DEFAULT_EMBEDDER


def _embedder(given: Embedder | str) -> Embedder:
    if isinstance(given, str):
        return embedder(given)
    plugins.check(given, Embedder, f"the embedder given, {given!r:.60},")
    return given


def _analyzer(given: Analyzer | str | None) -> Analyzer:
    if given is None or isinstance(given, str):
        return analyzer(given or DEFAULT_ANALYZER)
    plugins.check(given, Analyzer, f"the analyzer given, {given!r:.60},")
    return given
