"""Wiring: finds the plug-ins by their file names, and puts a memory together from them."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache
from os import PathLike, fspath
from types import ModuleType
from typing import cast

import zettel.analyzer
import zettel.embedder
import zettel.evolution
import zettel.linker
import zettel.scoring
import zettel.store
import zettel.transcripts
from zettel.config import DEFAULT, Config
from zettel.errors import InputError, MissingExtraError
from zettel.memory import Memory, Parts
from zettel.protocols import Analyzer, Embedder, LinkRule, Policy, Signal, Store, TranscriptFormat

KINDS = {
    "analyzer": zettel.analyzer,
    "embedder": zettel.embedder,
    "evolution": zettel.evolution,
    "linker": zettel.linker,
    "scoring": zettel.scoring,
    "store": zettel.store,
    "transcripts": zettel.transcripts,
}
DEFAULT_EMBEDDER = "minilm"
DEFAULT_ANALYZER = "local"


def names(kind: str) -> list[str]:
    """The plug-ins of a kind: the files of its folder, but those beginning with an underscore."""
    return sorted(m.name for m in pkgutil.iter_modules(KINDS[kind].__path__) if not m.name.startswith("_"))


def plugin(kind: str, name: str) -> ModuleType:
    """The module of a plug-in, imported now.

    Raises:
        InputError: there is none of this name.
    """
    if name not in names(kind):
        raise InputError(f"no {kind} {name!r}: there are {', '.join(names(kind))}")
    return importlib.import_module(f"{KINDS[kind].__name__}.{name}")


def formats() -> tuple[TranscriptFormat, ...]:
    """All transcript formats."""
    return tuple(plugin("transcripts", name).FORMAT for name in names("transcripts"))


@cache
def _signals(found: tuple[str, ...]) -> tuple[Signal, ...]:
    return tuple(cast("Signal", plugin("scoring", name)) for name in found)


def signals() -> tuple[Signal, ...]:
    """All signals, in the order of their names: a sum in a fixed order is the same sum."""
    return _signals(tuple(names("scoring")))


@cache
def _rules(found: tuple[str, ...]) -> tuple[LinkRule, ...]:
    return tuple(cast("LinkRule", plugin("linker", name)) for name in found)


def rules() -> tuple[LinkRule, ...]:
    """All rules for linking, in the order of their names."""
    return _rules(tuple(names("linker")))


@cache
def _policies(found: tuple[str, ...]) -> tuple[Policy, ...]:
    return tuple(cast("Policy", plugin("evolution", name)) for name in found)


def policies() -> tuple[Policy, ...]:
    """All policies of evolution, in the order of their names: each sees what those before it have written."""
    return _policies(tuple(names("evolution")))


def embedder(spec: str = DEFAULT_EMBEDDER) -> Embedder:
    """The embedder that "name" or "name:model" names ("minilm", "sentence_transformers:all-mpnet-base-v2").

    Raises:
        InputError, ModelNotFoundError, MissingExtraError: there is none of this name, or it can't be loaded here.
    """
    name, _, model = spec.partition(":")
    return cast("Embedder", plugin("embedder", name).create(model or None))


def analyzer(spec: str = DEFAULT_ANALYZER) -> Analyzer:
    """The analyzer that "name" or "name:model" names ("local", "local:en_core_web_sm").

    Raises:
        InputError, AnalyzerError: there is none of this name, or it can't be loaded here.
    """
    name, _, model = spec.partition(":")
    return cast("Analyzer", plugin("analyzer", name).create(model or None))


def open_store(address: str, *, namespace: str, read_only: bool, config: Config) -> Store:
    """The store at an address: of the plug-in whose scheme is the longest that the address begins with."""
    found = [(scheme, module) for module in _stores() for scheme in module.SCHEMES if address.startswith(scheme)]
    scheme, module = max(found, key=lambda pair: len(pair[0]))
    if not scheme and "://" in address:
        known = sorted(s for m in _stores() for s in m.SCHEMES if s)
        raise InputError(f"no store serves {address!r}: use a path{''.join(f', or {s}...' for s in known)}")
    return cast("Store", module.open_store(address, namespace=namespace, read_only=read_only, config=config))


def _stores() -> Iterator[ModuleType]:
    return (plugin("store", name) for name in names("store"))


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
    """Open the memory at ``address``, and make it where there is none.

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
        config: the numbers it runs on.

    Raises:
        StoreError: it can't be opened; the subclass and the message say why.
        EmbedderMismatchError: the embedder given is not the one the memory was made by.
        InputError: a name or a timezone that does not exist.
    """
    if strange := sorted(set(config.weights).difference(names("scoring"))):
        raise InputError(f"Config.weights: there is no signal {strange[0]!r}; there are {', '.join(names('scoring'))}")
    if not isinstance(namespace, str) or not namespace or not namespace.isprintable():
        raise InputError(f"namespace {namespace!r} can't be used: name it in printable characters")
    store = open_store(fspath(address), namespace=namespace, read_only=read_only, config=config)
    try:
        parts = Parts(
            embedder=lambda: _embedder(embedder or _made_by(store)), analyzer=lambda: _analyzer(analyzer),
            formats=formats(), signals=signals(), rules=rules(), policies=policies(),
        )  # fmt: skip
        memory = Memory(store, parts, store=store, namespace=namespace, timezone=timezone, config=config)
        if embedder is not None:
            memory.check_embedder(_embedder(embedder))
    except BaseException:
        store.close()
        raise
    return memory


def _made_by(store: Store) -> str:
    """The embedder that made a store's vectors, where its name alone names it; else the default one."""
    fingerprint = store.fingerprint() or ""
    name = fingerprint.partition("/")[0]
    if name == DEFAULT_EMBEDDER or name not in names("embedder"):
        return DEFAULT_EMBEDDER
    try:
        return name if embedder(name).fingerprint == fingerprint else DEFAULT_EMBEDDER
    except (InputError, MissingExtraError):  # it needs a model, or its library: the memory will say so
        return DEFAULT_EMBEDDER


def _embedder(given: Embedder | str) -> Embedder:
    return embedder(given) if isinstance(given, str) else given


def _analyzer(given: Analyzer | str | None) -> Analyzer:
    return given if given is not None and not isinstance(given, str) else analyzer(given or DEFAULT_ANALYZER)
