"""Finding plug-ins, loading them, and checking that they define what their kind must.

A plug-in is a file in the folder of its kind, or an entry point of another installed package, in the group
"zettel.<kind>". Nothing is imported before it is used, and one that can't be imported breaks no other.
"""

from __future__ import annotations

import importlib
import logging
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from math import isfinite
from types import ModuleType
from typing import Any, TypeAlias, get_type_hints

import zettel.analyzer
import zettel.embedder
import zettel.evolution
import zettel.linker
import zettel.scoring
import zettel.store
import zettel.transcripts
from zettel.errors import InputError, PluginError, ZettelError
from zettel.model import LINK_KINDS
from zettel.protocols import Column, TranscriptFormat

KINDS: dict[str, ModuleType] = {
    "analyzer": zettel.analyzer,
    "embedder": zettel.embedder,
    "evolution": zettel.evolution,
    "linker": zettel.linker,
    "scoring": zettel.scoring,
    "store": zettel.store,
    "transcripts": zettel.transcripts,
}
BUILT_IN = "built-in"
"""Stands in a list of names for all plug-ins that zettel brings."""

_log = logging.getLogger(__name__)


def built_in(kind: str) -> list[str]:
    """The plug-ins of a kind that zettel brings: the files of its folder, but those beginning with an underscore."""
    return sorted(m.name for m in pkgutil.iter_modules(KINDS[kind].__path__) if not m.name.startswith("_"))


def names(kind: str) -> list[str]:
    """All plug-ins of a kind, those of other packages included."""
    return sorted({*built_in(kind), *_elsewhere(kind)})


def chosen(kind: str, given: Sequence[str] | None, setting: str) -> list[str]:
    """The plug-ins that a setting names, in its order; None names those that zettel brings, as does "built-in" in it.

    Raises:
        InputError: there is none of a name.
    """
    listed = [BUILT_IN] if given is None else given
    wanted = [name for item in listed for name in (built_in(kind) if item == BUILT_IN else [item])]
    for name in wanted:
        if name not in names(kind):
            raise InputError(
                f"{setting}: there is no {kind} plug-in {name!r}; there are {', '.join(names(kind))}, and {BUILT_IN!r}"
                " for all that zettel brings"
            )
    return list(dict.fromkeys(wanted))


def load(kind: str, name: str) -> Any:
    """A plug-in, imported now: a module, or what an entry point names.

    Raises:
        InputError: there is none of this name, two have it, or it lacks what its kind must define.
        PluginError: it can't be imported.
    """
    if name not in names(kind):
        raise InputError(f"no {kind} {name!r}: there are {', '.join(names(kind))}")
    points = _elsewhere(kind).get(name, ())
    places = [f"zettel's own {KINDS[kind].__name__}.{name}"] if name in built_in(kind) else []
    places += [_place(point) for point in points]
    if len(places) > 1:
        raise InputError(
            f"two {kind} plug-ins are called {name!r}: {' and '.join(places)}; uninstall one, or have its author rename"
            " its entry point"
        )
    try:
        plugin = points[0].load() if points else importlib.import_module(f"{KINDS[kind].__name__}.{name}")
    except ZettelError:
        raise
    except Exception as error:
        raise PluginError(
            f"{kind} plug-in {name!r} ({places[0]}) can't be imported ({type(error).__name__}: {error}): install what"
            " it needs, mend it, or uninstall it"
        ) from error
    if faults := _faults(kind, name, plugin):
        raise InputError(
            f"{kind} plug-in {name!r} ({getattr(plugin, '__file__', None) or places[0]}) can't be used:"
            f" {'; '.join(faults)}. zettel.protocols says what it must define"
        )
    _log.debug("loaded %s plug-in %r from %s", kind, name, places[0])
    return plugin


def check(value: object, protocol: type, what: str) -> None:
    """Refuse an object that lacks a part of its protocol.

    Raises:
        InputError: names what it lacks.
    """
    if lacking := _lacking(value, protocol):
        raise InputError(
            f"{what} is no {protocol.__name__}: it lacks {', '.join(lacking)}. zettel.protocols.{protocol.__name__}"
            " says what it must define"
        )


def _lacking(value: object, protocol: type) -> list[str]:
    members = {*dir(protocol), *get_type_hints(protocol)}
    return sorted(name for name in members if not name.startswith("_") and not hasattr(value, name))


@cache
def _elsewhere(kind: str) -> Mapping[str, tuple[EntryPoint, ...]]:
    """The entry points of a kind, by name. Reading them takes a while, so what is installed later is not seen."""
    found: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=f"zettel.{kind}"):
        same = found.setdefault(point.name, [])
        if all(point.value != other.value for other in same):  # a package may be on the path twice
            same.append(point)
    return {name: tuple(points) for name, points in found.items()}


def _place(point: EntryPoint) -> str:
    return f"{point.value} of the package {point.dist.name if point.dist else '?'}"


# ------------------------------------------------------- what each kind must define

_Test: TypeAlias = tuple[str, Callable[[Any, str], bool], str]


def _is_number(value: object, _: str) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _is_count(value: object, _: str) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_called(value: object, _: str) -> bool:
    return callable(value)


def _are_columns(value: object, _: str) -> bool:
    return isinstance(value, tuple | list) and all(isinstance(column, Column) for column in value)


def _are_schemes(value: object, _: str) -> bool:
    return isinstance(value, tuple | list) and all(isinstance(scheme, str) for scheme in value)


_TESTS: dict[str, tuple[_Test, ...]] = {
    "analyzer": (("create", _is_called, "a function of a model's name that gives an Analyzer"),),
    "embedder": (("create", _is_called, "a function of a model's name that gives an Embedder"),),
    "evolution": (("rewrite", _is_called, "a function of an Encounter"),),
    "linker": (
        ("KIND", lambda kind, _: kind in LINK_KINDS, f"one of {', '.join(LINK_KINDS)}"),
        ("DEGREE", _is_count, "a whole number of at least 1"),
        ("links", _is_called, "a function of an Arrival"),
    ),
    "scoring": (
        ("NAME", lambda own, name: own == name, "the plug-in's name"),
        ("WEIGHT", _is_number, "a finite number"),
        ("STANDARDIZED", lambda value, _: isinstance(value, bool), "True or False"),
        ("values", _is_called, "a function of a Scan"),
        ("reason", _is_called, "a function of a Scan and a row"),
    ),
    "store": (
        ("SCHEMES", _are_schemes, "the beginnings of the addresses that it serves"),
        ("open_store", _is_called, "a function that gives a Store"),
    ),
    "transcripts": (
        ("FORMAT", lambda fmt, _: not _lacking(fmt, TranscriptFormat), "a TranscriptFormat"),
        ("FORMAT", lambda fmt, name: getattr(fmt, "name", name) == name, "a format of the plug-in's name"),
    ),
}
_OPTIONAL: dict[str, tuple[_Test, ...]] = {"scoring": (("COLUMNS", _are_columns, "a tuple of Column"),)}


def _faults(kind: str, name: str, plugin: object) -> list[str]:
    """What a plug-in lacks, or has of the wrong form."""
    faults = []
    optional = [test for test in _OPTIONAL.get(kind, ()) if hasattr(plugin, test[0])]
    for part, is_right, form in (*_TESTS[kind], *optional):
        if not hasattr(plugin, part):
            faults.append(f"it lacks {part} ({form})")
        elif not is_right(getattr(plugin, part), name):
            faults.append(f"its {part} is {getattr(plugin, part)!r:.60}, but must be {form}")
    return list(dict.fromkeys(faults))
