"""Candidates for a search from the server's own indexes, so that no process needs to read the whole memory."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from zettel.filters import SEARCHED, Filter
from zettel.protocols import Vector
from zettel.store.neo4j import rows
from zettel.store.neo4j.schema import TERMS, VECTORS

_WORDS = 500  # so many of a question's words, the rarest, are looked for: a server refuses little more than a thousand
_WIDER = 4  # if a filter or another memory leaves too few notes, so many times as many are asked for

_NEAREST = f"""
CALL db.index.vector.queryNodes('{VECTORS}', $n, $vector) YIELD node AS p, score
WITH p, score ORDER BY score DESC
OPTIONAL MATCH (n:Note {{{{vector_key: p.key}}}}) WHERE {{condition}}
RETURN n.id, {{metadata}}, score"""
_SAYING = f"""
CALL db.index.fulltext.queryNodes('{TERMS}', $query, {{{{limit: $n}}}}) YIELD node AS n, score
RETURN CASE WHEN {{condition}} THEN n.id END, {{metadata}}, score ORDER BY score DESC, n.ordinal"""
_COUNT = f"""
UNWIND $queries AS query
CALL (query) {{ CALL db.index.fulltext.queryNodes('{TERMS}', query[1]) YIELD node RETURN count(node) AS n }}
RETURN query[0], n"""
_AROUND = """
UNWIND $ids AS id MATCH (n:Note {namespace: $ns, id: id}) WHERE n.session IS NOT NULL
CALL (n) {
    MATCH (m:Note {namespace: $ns, session: n.session}) WHERE m.ordinal < n.ordinal AND m.status IN $searched
    RETURN m.id AS other ORDER BY m.ordinal DESC LIMIT $window
    UNION ALL
    MATCH (m:Note {namespace: $ns, session: n.session}) WHERE m.ordinal > n.ordinal AND m.status IN $searched
    RETURN m.id AS other ORDER BY m.ordinal LIMIT $window
}
RETURN DISTINCT other"""
_NEWEST = """
MATCH (n:Note {namespace: $ns}) WHERE n.time IS NOT NULL AND n.status IN $searched
RETURN toString(n.time) ORDER BY n.time DESC LIMIT 1"""


class Candidates(ABC):
    """The half of the store that supplies candidates; see ``protocols.CandidateSource``."""

    namespace: str

    @abstractmethod
    def _memory(self) -> Mapping[str, Any]:
        """The properties of the memory's own node."""

    @abstractmethod
    def _rows(self, statement: str, /, **params: Any) -> list[tuple[Any, ...]]:
        """The rows that a reading statement returns; its parameter ``$ns`` is the namespace."""

    def census(self) -> tuple[int, int]:
        """The number of present notes, and the number of terms in all their texts together."""
        memory = self._memory()
        return int(memory.get("n_notes", 0)), int(memory.get("n_terms", 0))

    def frequencies(self, stems: Iterable[str]) -> dict[str, int]:
        """The number of present notes that have each stem in text or annotations; 0 if no note has it."""
        queries = [[stem, f'+"{self._scope}" +"{stem}"'] for stem in dict.fromkeys(stems)]
        return {str(stem): int(n) for stem, n in self._rows(_COUNT, queries=queries)} if queries else {}

    def nearest_notes(self, vector: Vector, allowed: Filter, k: int) -> list[str]:
        """The notes that meet the filter and are nearest by their best passages, nearest first, by an inexact index."""
        return self._widening(_NEAREST, allowed, k, vector=vector.tolist())

    def notes_saying(self, stems: Sequence[str], allowed: Filter, k: int) -> list[str]:
        """The notes that meet the filter and match the stems best by the server's BM25, best first."""
        different = list(dict.fromkeys(stems))
        if len(different) > _WORDS:
            counts = self.frequencies(different)
            different = sorted(filter(counts.get, different), key=lambda stem: counts[stem])[:_WORDS]
        words = " ".join(f'"{stem}"' for stem in different)
        asked = f'+"{self._scope}"^0 +({words})'
        return self._widening(_SAYING, allowed, k, query=asked) if words else []

    def _widening(self, statement: str, allowed: Filter, k: int, **params: Any) -> list[str]:
        """The notes that a statement finds in an index; it asks for more until ``k`` meet the filter if it can."""
        condition, values = self._condition(allowed)
        asked = statement.format(condition=condition, metadata="n.metadata" if allowed.where else "null")
        n = k
        while True:
            found = self._rows(asked, n=n, **values, **params)
            ids = dict.fromkeys(i for i, metadata, _ in found if i is not None and _fits(allowed, metadata))
            if len(ids) >= k or len(found) < n:
                return list(ids)[:k]
            n *= _WIDER

    def passing(self, allowed: Filter, at_most: int) -> list[str] | None:
        """All notes that meet the filter, if there are at most ``at_most``; None if there are more."""
        condition, values = self._condition(allowed)
        limit = "" if allowed.where else f" LIMIT {at_most + 1:d}"
        query = f"MATCH (n:Note {{namespace: $ns}}) WHERE {condition} RETURN n.id, n.metadata{limit}"
        ids = [i for i, metadata in self._rows(query, **values) if _fits(allowed, metadata)]
        return ids if len(ids) <= at_most else None

    def sampled(self, allowed: Filter, share: float) -> list[str]:
        """The notes that meet the filter and whose sample keys are below ``share``."""
        condition, values = self._condition(allowed)
        query = f"""MATCH (n:Note {{namespace: $ns}}) WHERE n.lot < $share AND {condition}
                    RETURN n.id, n.metadata ORDER BY n.ordinal"""
        return [i for i, metadata in self._rows(query, share=share, **values) if _fits(allowed, metadata)]

    def around(self, ids: Iterable[str], window: int) -> list[str]:
        """The ``window`` searched messages before and after each note in its session."""
        wanted = list(dict.fromkeys(ids))
        found = self._rows(_AROUND, ids=wanted, window=window, searched=list(SEARCHED)) if wanted and window else []
        return [str(other) for (other,) in found]

    def newest_time(self) -> datetime | None:
        """The latest time of a searched note; None if no time is known."""
        found = self._rows(_NEWEST, searched=list(SEARCHED))
        return rows.native(found[0][0]) if found else None

    @property
    def _scope(self) -> str:
        return rows.scope(self.namespace)

    def _condition(self, allowed: Filter) -> tuple[str, dict[str, Any]]:
        """A filter as a condition on ``n``, and the condition's values. Every note that meets the filter meets it.

        It lets some notes through that the filter does not: at the end of a time that is known only to the month or the
        year, and with any metadata.
        """
        parts = ["n.namespace = $ns", "n.status IN $status"]
        values: dict[str, Any] = {"status": sorted(allowed.status)}
        if allowed.until is not None:
            parts.append("n.time < datetime($until)")
            values["until"] = rows.time_of(allowed.until)
        if allowed.since is not None:
            bound = "CASE n.time_precision WHEN 'year' THEN $year WHEN 'month' THEN $month ELSE $day END"
            parts.append(f"n.time > datetime({bound})")
            for name, days in (("year", 367), ("month", 32), ("day", 2)):
                values[name] = rows.time_of(_before(allowed.since, days))
        if allowed.speakers is not None:
            people = self._rows("MATCH (p:Person {namespace: $ns}) RETURN p.name")
            parts.append("n.speaker IN $speakers")
            values["speakers"] = sorted(name for (name,) in people if name.casefold() in allowed.speakers)
        if allowed.tags:
            parts.append("all(tag IN $tags WHERE tag IN n.tags)")
            values["tags"] = sorted(allowed.tags)
        if allowed.where:
            parts.append("n.metadata IS NOT NULL")
        return " AND ".join(parts), values


def _fits(allowed: Filter, metadata: str | None) -> bool:
    return not allowed.where or allowed.fits_metadata(json.loads(metadata or "{}"))


def _before(time: datetime, days: int) -> datetime:
    """The time some days earlier, but not before the beginning of the calendar."""
    try:
        return time - timedelta(days=days)
    except OverflowError:
        return datetime.min.replace(tzinfo=time.tzinfo)
