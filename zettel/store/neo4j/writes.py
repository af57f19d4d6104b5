"""Writing commits into the graph: each statement writes everything of one kind at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from zettel import codec
from zettel.addresses import address_of
from zettel.effects import Arrivals, Effects, Linked, LinkKey, Presence
from zettel.errors import HeadMovedError, StoreDamagedError
from zettel.model import Commit, LinkKind, Note
from zettel.protocols import Passages, TopicRow
from zettel.store.neo4j import rows
from zettel.store.neo4j import statements as cypher
from zettel.store.neo4j.connection import Writing
from zettel.store.neo4j.schema import LINK_TYPES

_Way: TypeAlias = tuple[str, dict[str, Any], dict[str, Any]]
"""The id of a note, the properties of the node it is connected to, and those of the relationship."""


@dataclass(frozen=True, slots=True)
class MemoryState:
    """The properties of a memory's own node, read while nobody else can write to it."""

    head: int
    role: str
    last_ordinal: int
    last_topic: int


def lock(writing: Writing, namespace: str, role: str = "primary", origin: str | None = None) -> MemoryState:
    """Keep all others from writing to a namespace until the transaction ends; make its node if there is none.

    Another statement reads the node, since only what is read after the lock is taken is certainly the newest.
    """
    writing.rows(cypher.LOCK, namespace=namespace, role=role, origin=origin)
    return state_of(writing, namespace)


def state_of(writing: Writing, namespace: str) -> MemoryState:
    """The properties of the memory's own node, which must be locked."""
    row = writing.row(cypher.MEMORY_STATE, namespace=namespace)
    if row is None:
        raise StoreDamagedError(f"the node of memory {namespace!r} is gone: run zettel neo4j push again")
    return MemoryState(*row)


@dataclass(frozen=True, slots=True)
class Graph:
    """The graph that commits are written to, with what is known of it: ids of notes by ordinal, topics at the head.

    A ``lenient`` graph is one that people edit: if a commit changes something that is gone, the change is skipped, and
    a check reports it.
    """

    namespace: str
    ids: Mapping[int, str]
    ordinals: Mapping[str, int]
    topics: Mapping[int, TopicRow]
    lenient: bool = False


def write(
    writing: Writing, graph: Graph, state: MemoryState, effects: Effects, arrivals: Arrivals,
    passages: Mapping[str, Passages], rewrites: Sequence[Commit] = (), erased: Set[str] = frozenset(),
) -> MemoryState:  # fmt: skip
    """Write commits and their effects; returns the state of the memory after them.

    ``rewrites`` replaces earlier commits; ``erased`` names the notes that are erased in the memory that the commits
    come from.
    """
    return _Writer(writing, graph, state, effects, arrivals, erased).run(passages, rewrites)


class _Writer:
    """Runs the statements in an order in which each finds what it needs."""

    def __init__(
        self, writing: Writing, graph: Graph, state: MemoryState, effects: Effects, arrivals: Arrivals, erased: Set[str]
    ) -> None:
        self._writing = writing
        self._graph = graph
        self._state = state
        self._effects = effects
        self._arrivals = arrivals
        self._erased = erased
        self._n_notes = 0
        self._n_terms = 0

    def run(self, passages: Mapping[str, Passages], rewrites: Sequence[Commit]) -> MemoryState:
        effects = self._effects
        self._passages(passages)
        self._commits()
        self._create()
        self._revise()
        self._unlink()
        returned = {note.note_id for note in effects.returned}
        self._revisions([made for made in effects.revisions if made[0].note_id not in returned])
        self._take_out()
        self._bring_back()
        self._revisions([made for made in effects.revisions if made[0].note_id in returned])
        self._link()
        self._write_topics()
        self._place()
        self._remove_topics()
        self._erase()
        self._rewrite(rewrites)
        self._mention()
        return self._advance()

    def _each(self, query: str, items: list[Any], expect: str = "", **params: Any) -> None:
        """Run a query over items; in a graph that people edit, it need not find all of them."""
        lenient = self._graph.lenient
        self._writing.each(query, items, expect="" if lenient else expect, namespace=self._graph.namespace, **params)

    # ------------------------------------------------------------------ passages

    def _passages(self, passages: Mapping[str, Passages]) -> None:
        """Write new vectors, and check that those that a plan found in the store are not erased since."""
        items = [
            {
                "key": key, "number": number, "span": list(span), "data": np.asarray(vector, "<f2").tobytes(),
                "embedding": vector.tolist(),
            }
            for key, found in passages.items()
            for number, (span, vector) in enumerate(zip(found.spans, found.vectors, strict=True))
        ]  # fmt: skip
        keys = sorted({self._arrivals[new.ordinal][1] for new in self._effects.created})
        if not keys:
            return
        self._each(cypher.PASSAGES, items)
        # They are locked, so that an erasure that is running has either deleted them or leaves them. Then they are read
        # again, since a statement that waited for a lock still returns what it found before.
        if reused := [key for key in keys if key not in passages]:
            self._writing.rows(cypher.LOCK_VECTORS, keys=reused)
        found = self._writing.rows(cypher.COUNT_VECTORS, keys=keys)[0][0]
        if found != len(keys):
            raise HeadMovedError(f"the vectors of {len(keys) - found} notes are gone since the plan was made")

    # --------------------------------------------------------------------- notes

    def _commits(self) -> None:
        items = [
            rows.commit_properties(self._graph.namespace, commit, codec.encode(commit.changes, self._graph.ordinals))
            for commit in self._effects.commits
        ]
        self._each(cypher.COMMITS, items)

    def _create(self) -> None:
        items, looks = [], []
        for new in self._effects.created:
            note, key = self._arrivals[new.ordinal]
            commits = self._effects.mentions.pop(new.note_id)
            properties = rows.static_properties(self._graph.namespace, note, key)
            items.append({**properties, "commits": commits, **self._shown(note.text, new)})
            looks.append((note, new))
            self._n_terms += properties["length"]
        self._n_notes += len(items)
        self._each(cypher.CREATE, items)
        self._connect(looks, "ADDED")

    def _shown(self, text: str, coming: Presence) -> dict[str, Any]:
        """The properties that only a present note has, for one that the commits add."""
        fields = coming.fields or {}
        items = [item for name in ("keywords", "tags", "entities") for item in fields.get(name) or ()]
        return {
            **rows.field_properties(fields),
            "topic": self._effects.places.get(coming.note_id),
            "terms": rows.found_by(self._graph.namespace, text, fields.get("context") or "", items),
        }

    def _connect(self, looks: Sequence[tuple[Note, Presence]], verb: str) -> None:
        """Connect added notes with their commits, tags, entities, speakers, sessions and sources."""
        namespace = self._graph.namespace
        came = [{"id": note.id, "commit": coming.commit} for note, coming in looks]
        self._each(cypher.CAME.format(verb=verb), came)
        for label, type_, field in (("Tag", "TAGGED", "tags"), ("Entity", "MENTIONS", "entities")):
            pairs = [
                [note.id, name] for note, coming in looks for name in rows.named((coming.fields or {}).get(field) or ())
            ]
            self._each(cypher.NAMES.format(label=label), _different(name for _, name in pairs))
            self._each(cypher.TO_NAME.format(label=label, type=type_), pairs)
        said = [[note.id, note.speaker] for note, _ in looks if note.speaker]
        self._each(cypher.NAMES.format(label="Person"), _different(name for _, name in said))
        self._each(cypher.SAID, said)
        sessions: list[_Way] = [
            (note.id, node, {}) for note, _ in looks if (node := rows.session_properties(namespace, note))
        ]
        self._connect_origins("Session", "IN_SESSION", sessions)
        sources: list[_Way] = [(note.id, *way) for note, _ in looks for way in rows.source_rows(namespace, note)]
        self._connect_origins("Source", "FROM", sources)

    def _connect_origins(self, label: str, type_: str, ways: Sequence[_Way]) -> None:
        """Connect notes with sessions or sources; the relationship says at which place in it the note is."""
        self._each(cypher.ORIGINS.format(label=label), list({node["key"]: node for _, node, _ in ways}.values()))
        found = [[note_id, node["key"], place] for note_id, node, place in ways]
        self._each(cypher.TO_ORIGIN.format(label=label, type=type_), found)

    def _revise(self) -> None:
        """Write the revised fields of notes that were present before."""
        fields = self._effects.fields
        words = {i: f for i, f in fields.items() if not rows.FOUND_BY.isdisjoint(f)}
        found = self._writing.rows(cypher.WORDS, ids=list(words), namespace=self._graph.namespace) if words else []
        stems = {}
        for note_id, text, context, keywords, tags, entities in found:
            now = {"context": context, "keywords": keywords, "tags": tags, "entities": entities, **words[note_id]}
            items = [item for name in ("keywords", "tags", "entities") for item in now[name] or ()]
            stems[note_id] = {"terms": rows.found_by(self._graph.namespace, text, now["context"] or "", items)}
        changed = [
            {"id": i, "fields": {**rows.field_properties(after), **stems.get(i, {})}} for i, after in fields.items()
        ]
        self._each(cypher.REVISE, changed, expect="revised notes")
        named = ("tags", cypher.UNTAG, cypher.TAGGED), ("entities", cypher.UNMENTION, cypher.MENTIONS)
        for name, cut, query in named:
            lists = [[i, rows.named(after[name] or ())] for i, after in fields.items() if name in after]
            self._each(cut, lists)
            self._each(query, [[i, item] for i, items in lists for item in items])

    def _take_out(self) -> None:
        going = self._effects.gone
        gone = [note.ordinal for note in going]
        if not gone:
            return
        around = self._around("Note", gone)
        n, length = self._writing.rows(cypher.TAKE_OUT, items=gone, namespace=self._graph.namespace)[0]
        if n != len(gone) and not self._graph.lenient:
            raise StoreDamagedError(f"{n} of {len(gone)} notes to be taken out are there: run zettel neo4j check")
        self._n_notes -= n
        self._n_terms -= length
        self._each(cypher.TOOK_OUT, [{"ordinal": note.ordinal, "commit": note.commit} for note in going])
        self._tidy(around)

    def _bring_back(self) -> None:
        returned = {note.note_id: note for note in self._effects.returned}
        if not returned:
            return
        ordinals = [coming.ordinal for coming in returned.values()]
        query = cypher.RETURNING.format(columns=rows.SELECTED)
        found = self._writing.rows(query, items=ordinals, namespace=self._graph.namespace)
        notes = {note.id: note for note in (rows.note("", row) for row in found)}
        if notes.keys() != returned.keys():
            missing = sorted(returned.keys() - notes.keys())
            raise StoreDamagedError(f"the row of note {missing[0]!r} is missing: run zettel neo4j check")
        items = [
            {"ordinal": coming.ordinal, "fields": self._shown(notes[i].text, coming)} for i, coming in returned.items()
        ]
        n, length = self._writing.rows(cypher.BRING_BACK, items=items, namespace=self._graph.namespace)[0]
        self._n_notes += n
        self._n_terms += length
        self._connect([(notes[i], coming) for i, coming in returned.items()], "BROUGHT_BACK")

    # --------------------------------------------------------------------- links

    def _unlink(self) -> None:
        for kind, type_ in LINK_TYPES.items():
            ended = [[*key[:2]] for key, link in self._links_of(kind) if link.before is not None and link.after is None]
            self._each(cypher.UNLINK.format(type=type_), ended, expect=f"{kind} links that go")

    def _link(self) -> None:
        lenient = self._graph.lenient  # people may have made it already, or deleted it
        make = "MERGE" if lenient else "CREATE"
        for kind, type_ in LINK_TYPES.items():
            left = [(key, link) for key, link in self._links_of(kind) if link.after is not None]
            properties = ({**rows.link_properties(link.after or {}), "commit": link.commit} for _, link in left)
            items = [[*key[:2], shown] for (key, _), shown in zip(left, properties, strict=True)]
            new = [item for item, (_, link) in zip(items, left, strict=True) if lenient or link.before is None]
            old = [item for item, (_, link) in zip(items, left, strict=True) if not lenient and link.before is not None]
            self._each(cypher.LINK.format(type=type_, make=make), new, expect=f"pairs of ends of {kind} links")
            self._each(cypher.RELINK.format(type=type_), old, expect=f"changed {kind} links")

    def _links_of(self, kind: LinkKind) -> list[tuple[LinkKey, Linked]]:
        return [(key, link) for key, link in self._effects.links.items() if key[2] == kind]

    # -------------------------------------------------------------------- topics

    def _write_topics(self) -> None:
        """Write the topics that were added or changed, and the addresses of others that change by that."""
        changed = self._effects.topics
        if not changed:
            return
        after = {**self._graph.topics, **{i: row for i, row in changed.items() if row is not None}}
        for topic_id in [i for i, row in changed.items() if row is None]:
            if after.pop(topic_id, None) is None and topic_id not in self._effects.added_topics:
                raise StoreDamagedError(f"topic {topic_id} is not there: run zettel neo4j check")
        for topic_id, row in after.items():
            if row.parent is not None and row.parent not in after:
                raise StoreDamagedError(f"topic {topic_id} is left beneath {row.parent}, which is not there")
        addresses = {i: address_of(after, i) for i in after}
        items = []
        for topic_id, row in after.items():
            old = self._graph.topics.get(topic_id)
            if topic_id in changed or old is None or address_of(self._graph.topics, topic_id) != addresses[topic_id]:
                items.append({"id": topic_id, "fields": _topic_properties(row, addresses[topic_id])})
        self._each(cypher.WRITE_TOPICS, items)
        moved = [
            [i, row.parent]
            for i, row in changed.items()
            if row is not None and (i not in self._graph.topics or self._graph.topics[i].parent != row.parent)
        ]
        self._each(cypher.DETACH_TOPICS, [i for i, _ in moved if i in self._graph.topics])
        self._each(cypher.ATTACH, [pair for pair in moved if pair[1] is not None], expect="topics above others")
        self._each(cypher.ATTACH_TO_MEMORY, [i for i, parent in moved if parent is None])  # so that people see one tree

    def _place(self) -> None:
        effects = self._effects
        self._each(cypher.UNPLACE, [[i, topic] for i, topic in effects.places.items() if i not in effects.newest])
        placed = [[i, topic] for i, topic in effects.places.items() if topic is not None]
        self._each(cypher.PLACE, placed, expect="places in topics")

    def _remove_topics(self) -> None:
        removed = [i for i, row in self._effects.topics.items() if row is None and i not in self._effects.added_topics]
        self._each(cypher.REMOVE_TOPICS, removed, expect="topics that go")

    # ------------------------------------------------------------------- journal

    def _revisions(self, revisions: Sequence[Any]) -> None:
        """Write the nodes of revisions, each connected with its commit, the revised note and the trigger."""
        days = self._days({r.trigger for r, _, _ in revisions if r.trigger is not None and r.undoes is None})
        items = []
        for revision, at, commit in revisions:
            counts = revision.undoes is None and revision.note_id not in self._erased
            day = days.get(revision.trigger) if counts else None
            properties = rows.revision_properties(self._graph.namespace, revision, at, day)
            items.append({"id": revision.id, "commit": commit, "properties": properties})
        self._each(cypher.REVISIONS, items)
        self._each(cypher.REVISED, [[r.id, r.note_id] for r, _, _ in revisions])
        self._each(cypher.TRIGGERED, [[r.id, r.trigger] for r, _, _ in revisions if r.trigger and r.undoes is None])
        self._each(cypher.UNDOES, [[r.id, r.undoes] for r, _, _ in revisions if r.undoes])

    def _days(self, triggers: Set[str]) -> dict[str, str]:
        """The days of notes by id; notes without a row are left out."""
        by_ordinal = {self._graph.ordinals[i]: i for i in triggers}
        if not by_ordinal:
            return {}
        found = self._writing.rows(cypher.DAYS, ordinals=list(by_ordinal), namespace=self._graph.namespace)
        return {by_ordinal[ordinal]: rows.trigger_day(time, ordinal) for ordinal, time in found}

    def _erase(self) -> None:
        namespace = self._graph.namespace
        for note_id, (_, commit) in self._effects.erasures.items():
            found = self._writing.rows(cypher.COMMITS_OF, id=note_id, namespace=namespace)
            mentioned: dict[int, list[int]] = dict(found)
            around = self._around("Note", list(mentioned))
            for label in ("Note", "Removed"):
                self._writing.rows(cypher.UNCOUNT.format(label=label), id=note_id, namespace=namespace)
            shown = self._writing.rows(cypher.ERASE_SHOWN, id=note_id, namespace=namespace)
            removed = self._writing.rows(cypher.ERASE_REMOVED, id=note_id, namespace=namespace)
            self._n_notes -= len(shown)
            self._n_terms -= sum(length for length, _ in shown)
            ordinals = [ordinal for ordinal, known in self._graph.ids.items() if known == note_id]
            self._each(cypher.TOMBSTONES, [[o, note_id, commit, mentioned.get(o) or []] for o in ordinals])
            drop_vectors(self._writing, {key for *_, key in (*shown, *removed)})
            self._tidy(around)

    def _around(self, label: str, ordinals: list[int]) -> list[str]:
        """The nodes around notes: tags, entities, people, sessions, sources."""
        query = cypher.AROUND.format(label=label)
        return [x for (x,) in self._writing.rows(query, ordinals=ordinals, namespace=self._graph.namespace)]

    def _tidy(self, elements: list[str]) -> None:
        """Delete those nodes around notes that no note is connected with any more."""
        if elements:
            self._writing.rows(cypher.TIDY, elements=elements)

    def _rewrite(self, rewrites: Sequence[Commit]) -> None:
        """Replace commits by others of the same numbers, in which an erasure has blanked what they quoted."""
        commits, revisions = [], []
        for commit in rewrites:
            commits.append([commit.id, codec.encode(commit.changes, self._graph.ordinals)])
            for change in commit.changes:
                if change.type == "revision":
                    properties = rows.revision_properties(self._graph.namespace, change, commit.at, None)
                    revisions.append([change.id, properties])
        self._each(cypher.REWRITE, commits, expect="commits to be blanked")
        self._each(cypher.BLANK, revisions)

    def _mention(self) -> None:
        """Add to each note's node the numbers of the commits that are about it."""
        mentions = self._effects.mentions
        left = {self._graph.ordinals[note_id]: (note_id, commits) for note_id, commits in mentions.items()}
        for label in ("Note", "Removed", "Erased"):
            if left:
                items = [[ordinal, commits] for ordinal, (_, commits) in left.items()]
                query = cypher.MENTION.format(label=label)
                for (ordinal,) in self._writing.rows(query, items=items, namespace=self._graph.namespace):
                    del left[ordinal]
        # Notes that are erased in the memory that the commits come from have no other node here.
        gone = [[ordinal, note_id, commits] for ordinal, (note_id, commits) in left.items() if note_id in self._erased]
        self._each(cypher.ALREADY_ERASED, gone)

    def _advance(self) -> MemoryState:
        effects = self._effects
        ordinals = [*effects.ordinals, *(erasure.ordinal for erasure, _ in effects.erasures.values())]
        now = MemoryState(
            effects.commits[-1].id,
            self._state.role,
            max([self._state.last_ordinal, *ordinals]),
            max([self._state.last_topic, *effects.topics]),
        )
        self._writing.rows(
            cypher.ADVANCE, namespace=self._graph.namespace, head=now.head, last_ordinal=now.last_ordinal,
            last_topic=now.last_topic, n_notes=self._n_notes, n_terms=self._n_terms,
        )  # fmt: skip
        return now


def _different(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def drop_vectors(writing: Writing, keys: Iterable[str]) -> None:
    """Delete vectors that no note uses any more.

    They are locked first, so that a writer that would use them again waits, and then finds that they are gone.
    """
    writing.rows(cypher.DROP_VECTORS, keys=sorted(keys))


def _topic_properties(row: TopicRow, address: str) -> dict[str, Any]:
    return {
        "number": row.number, "name": row.name, "named_at": row.named_at, "address": address,
        "parent": row.parent, "caption": f"{address} {row.name}",
    }  # fmt: skip
