"""The schema of a memory in Neo4j: constraints and indexes, each with a name of zettel's own.

It can be created again at any time, by several processes at once, and beside the data of another application in the
same database: nodes that are not zettel's have no ``namespace``, and are not touched.
"""

from __future__ import annotations

from zettel.errors import InputError, StoreError
from zettel.model import LINK_KINDS as KINDS
from zettel.model import LinkKind
from zettel.store.neo4j.connection import Connection

FORMAT = 1  # the format of the graph; zettel refuses a graph of a higher one

#: The relationship type of each kind of link.
LINK_TYPES: dict[LinkKind, str] = {kind: kind.upper() for kind in KINDS}
LINK_KINDS: dict[str, LinkKind] = {type_: kind for kind, type_ in LINK_TYPES.items()}
ANY_LINK = "|".join(LINK_TYPES.values())

#: For each label, the properties that are unique together. ``key`` is a digest of names that may be too long to index.
UNIQUE: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Place", ("name",)),
    ("Memory", ("namespace",)),
    ("Note", ("namespace", "id")),
    ("Note", ("namespace", "ordinal")),
    ("Removed", ("namespace", "ordinal")),
    ("Erased", ("namespace", "ordinal")),
    ("Topic", ("namespace", "id")),
    ("Tag", ("namespace", "name")),
    ("Entity", ("namespace", "name")),
    ("Person", ("namespace", "name")),
    ("Session", ("namespace", "key")),
    ("Source", ("namespace", "key")),
    ("Revision", ("namespace", "id")),
    ("Commit", ("namespace", "id")),
    ("Passage", ("key", "number")),
)
#: The labels of nodes that belong to one namespace; the memory's own node is the last.
LABELS = (
    "Note", "Removed", "Erased", "Topic", "Tag", "Entity", "Person", "Session", "Source", "Revision", "Commit",
    "Memory",
)  # fmt: skip
INDEXED: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Note", ("namespace", "session", "ordinal")),
    ("Note", ("namespace", "time")),
    ("Note", ("namespace", "lot")),
    ("Note", ("vector_key",)),
    ("Removed", ("vector_key",)),
    ("Removed", ("namespace", "id")),
    ("Erased", ("namespace", "id")),
    ("Revision", ("namespace", "note_id", "day")),
)
TERMS = "zettel_note_terms"
VECTORS = "zettel_passage_embedding"
_LONGEST_NAMESPACE = 200
_DIMENSION = """SHOW VECTOR INDEXES YIELD name, options WHERE name = $name
                RETURN options.indexConfig['vector.dimensions']"""
_SHOW = "SHOW {what} YIELD name, type, labelsOrTypes, properties"


def _name(label: str, names: tuple[str, ...]) -> str:
    return f"zettel_{label.lower()}_{'_'.join(names)}"


def statements(dimension: int | None = None) -> dict[str, str]:
    """The statements that create the constraints and indexes, by their names.

    ``dimension`` is the length of the vectors; without it, their index is left out.
    """
    made = {}
    for label, names in UNIQUE:
        name = _name(label, names)
        fields = ", ".join(f"n.{field}" for field in names)
        made[name] = f"CREATE CONSTRAINT {name} IF NOT EXISTS FOR (n:{label}) REQUIRE ({fields}) IS UNIQUE"
    for label, names in INDEXED:
        name = _name(label, names)
        fields = ", ".join(f"n.{field}" for field in names)
        made[name] = f"CREATE INDEX {name} IF NOT EXISTS FOR (n:{label}) ON ({fields})"
    # The terms are stems already: another analyzer of the server would cut them again, by its own rules.
    made[TERMS] = (
        f"CREATE FULLTEXT INDEX {TERMS} IF NOT EXISTS FOR (n:Note) ON EACH [n.terms]"
        " OPTIONS {indexConfig: {`fulltext.analyzer`: 'whitespace'}}"
    )
    if dimension is not None:
        made[VECTORS] = (
            f"CREATE VECTOR INDEX {VECTORS} IF NOT EXISTS FOR (p:Passage) ON p.embedding"
            f" OPTIONS {{indexConfig: {{`vector.dimensions`: {dimension:d}, `vector.similarity_function`: 'cosine'}}}}"
        )
    return made


def create(connection: Connection) -> None:
    """Create the constraints and indexes that are missing, except the index of vectors.

    Raises:
        StoreError: something else in the database has such a name, or data in it break a constraint.
    """
    _create(connection, statements())


def create_vectors(connection: Connection, dimension: int) -> str:
    """Create the index of vectors if it is missing; returns the reason why the server can't, or "" if it can.

    A memory can also be kept on a server without vector indexes; only searches for candidates need one.
    """
    try:
        found = connection.rows(_DIMENSION, name=VECTORS)
        if found and found[0][0] not in (None, dimension):  # all its vectors are deleted: a database has one embedder
            connection.define(f"DROP INDEX {VECTORS} IF EXISTS")
        _create(connection, {VECTORS: statements(dimension)[VECTORS]})
    except StoreError as error:
        return str(error)
    return ""


def missing(connection: Connection) -> list[str]:
    """The names of the constraints and indexes that are missing, except the index of vectors."""
    return sorted(_missing(connection, statements()))


def has_vectors(connection: Connection) -> bool:
    """Whether there is an index of vectors."""
    return not _missing(connection, {VECTORS: ""})


def _create(connection: Connection, wanted: dict[str, str]) -> None:
    lacking = _missing(connection, wanted)
    for name in lacking:
        try:
            connection.define(wanted[name])
        except StoreError:
            if name in _missing(connection, wanted):  # else another process was quicker
                raise
    if lacking:
        connection.rows("CALL db.awaitIndexes(60)")


def _missing(connection: Connection, wanted: dict[str, str]) -> list[str]:
    """The wanted constraints and indexes that are missing, whether under zettel's name or another application's."""
    there: set[object] = set()
    for what in ("CONSTRAINTS", "INDEXES"):
        for name, kind, labels, properties in connection.rows(_SHOW.format(what=what)):
            there.add(name)
            same = "UNIQUENESS" if kind.endswith("UNIQUENESS") else kind  # newer servers have longer names for it
            there.add((same, *(labels or ()), *(properties or ())))
    return [name for name in wanted if name not in there and _SAME.get(name) not in there]


#: Each constraint or index without its name, as the server shows it: another application may have the same one.
_SAME: dict[str, tuple[str, ...]] = {
    **{_name(label, names): ("UNIQUENESS", label, *names) for label, names in UNIQUE},
    **{_name(label, names): ("RANGE", label, *names) for label, names in INDEXED},
}


def check_namespace(namespace: str) -> None:
    """Refuse a namespace that the server's indexes can't hold.

    Raises:
        InputError: it is too long.
    """
    if len(namespace) > _LONGEST_NAMESPACE:
        raise InputError(f"namespace {namespace[:30]!r}... is too long for Neo4j: use {_LONGEST_NAMESPACE} characters")
