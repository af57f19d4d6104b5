"""A memory as it was at an earlier commit: the journal is replayed up to it, and the store supplies the notes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

from zettel.addresses import address_of
from zettel.errors import HeadMovedError
from zettel.journal import State, apply
from zettel.model import Commit, Link, LinkKind, Note, parsed_fields
from zettel.protocols import Passages, Reader, TopicRow


class Snapshot:
    """A ``protocols.Reader`` of the state after commit ``head``. Nothing can be written to it.

    Notes that were erased since are missing from it too.
    """

    def __init__(self, base: Reader, head: int) -> None:
        self._base = base
        self._head = head
        self._known_erased: set[str] = set()
        self._known_state: State | None = None

    @property
    def _state(self) -> State:
        """The state that the journal amounts to; it is replayed again if something was erased since the last time."""
        while self._known_state is None or self._base.erased() != self._known_erased:
            self._known_erased = self._base.erased()
            changes = (change for commit in self._base.commits(upto=self._head) for change in commit.changes)
            self._known_state = apply(State(), changes, self._known_erased)
        return self._known_state

    @contextmanager
    def at_one_head(self) -> Iterator[None]:
        """See ``protocols.Reader``. Commits that others append meanwhile change nothing here."""
        with suppress(HeadMovedError), self._base.at_one_head():
            yield

    def head(self) -> int:
        """See ``protocols.Reader``."""
        return self._head

    def commits(self, after: int = 0, upto: int | None = None) -> Iterator[Commit]:
        """See ``protocols.Reader``."""
        return self._base.commits(after, self._head if upto is None else min(upto, self._head))

    def commits_of(self, note_id: str) -> Iterator[Commit]:
        """See ``protocols.Reader``."""
        return (c for c in self._base.commits_of(note_id) if c.id <= self._head)

    def n_notes(self) -> int:
        """See ``protocols.Reader``."""
        return len(self._state.notes)

    def notes(self, ids: Iterable[str] | None = None) -> list[Note]:
        """See ``protocols.Reader``."""
        known = self._state.notes
        wanted = known if ids is None else {i: known[i] for i in ids if i in known}
        rows = self._base.arrived([ordinal for ordinal, _ in wanted.values()])
        topics, places = self.topics(), self._state.places
        notes = [
            rows[n].model_copy(update={**parsed_fields(fields), "address": address_of(topics, places.get(i))})
            for i, (n, fields) in wanted.items()
            if n in rows
        ]
        return sorted(notes, key=lambda note: note.ordinal)

    def tail(self, conversation_id: str, session_id: str, k: int) -> list[Note]:
        """See ``protocols.Reader``."""
        return [n for n in self.notes() if n.conversation == (conversation_id, session_id)][-k:] if k else []

    def arrived(self, ordinals: Iterable[int]) -> dict[int, Note]:
        """See ``protocols.Reader``."""
        return self._base.arrived(ordinals)

    def last_ordinal(self) -> int:
        """See ``protocols.Reader``."""
        arrived = (c.ordinal for x in self.commits() for c in x.changes if c.type == "note")
        return max(arrived, default=0)

    def known(self, ids: Iterable[str]) -> set[str]:
        """See ``protocols.Reader``."""
        state, erased = self._state, self.erased()
        return {i for i in ids if i in state.notes or i in erased}

    def erased(self) -> set[str]:
        """See ``protocols.Reader``."""
        return self._base.erased()

    def links(self, ids: Iterable[str] | None = None, kinds: Sequence[LinkKind] | None = None) -> list[Link]:
        """See ``protocols.Reader``."""
        wanted = None if ids is None else set(ids)
        found = (
            Link(source_id=a, target_id=b, kind=kind, **fields)  # type: ignore[arg-type]  # checked when it was made
            for (a, b, kind), fields in self._state.links.items()
            if (wanted is None or not wanted.isdisjoint((a, b))) and (kinds is None or kind in kinds)
        )
        return sorted(found, key=lambda link: link.key)

    def topics(self) -> dict[int, TopicRow]:
        """See ``protocols.Reader``."""
        return {topic_id: TopicRow(**fields) for topic_id, fields in self._state.topics.items()}

    def places(self) -> dict[str, int]:
        """See ``protocols.Reader``."""
        return dict(self._state.places)

    def last_topic(self) -> int:
        """See ``protocols.Reader``."""
        return self._state.last_topic

    def passages(self, keys: Iterable[str]) -> dict[str, Passages]:
        """See ``protocols.Reader``."""
        return self._base.passages(keys)
