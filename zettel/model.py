"""The values that cross zettel's boundary: frozen pydantic models, from which ``schemas/*.json`` is generated."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Literal, Self, TypeAlias, get_args

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, field_validator, model_validator

from zettel.field_marks import FieldTable, Fixed, Kept

TimePrecision = Literal["second", "minute", "day", "month", "year"]
Status = Literal["active", "superseded", "archived", "quarantined"]
STATUSES: tuple[Status, ...] = get_args(Status)
Cause = Literal["add", "ingest", "update", "use", "consolidate", "forget", "load", "edit", "undo"]
#: Their order is part of the payload: a new kind goes behind, none is ever renamed or taken out.
LinkKind = Literal[
    "similar", "next", "same_entity", "elaborates", "supersedes", "contradicts", "causes", "part_of"
]
LINK_KINDS: tuple[LinkKind, ...] = get_args(LinkKind)


class _Value(BaseModel):
    """Frozen, and closed to unknown fields: a misspelt name is an error, not silently dropped."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Attachment(_Value):
    """A file that was shared with a message, as far as the message's text tells of it.

    The characters of the text from ``start`` up to ``end`` stand for the file and were not said by anybody;
    ``description`` is what they say that it shows.
    """

    kind: str = Field(description='What it is: "image".')
    description: str = ""
    start: int = Field(ge=0)
    end: int = Field(ge=0)


class Message(_Value):
    """One utterance of a transcript, before it becomes a note.

    ``time`` may be a datetime or ISO 8601 text of any precision ("2023-05-08", "2023-05"); None says it is unknown. A
    time without a zone is read in the memory's timezone. ``time_precision`` is inferred from the text where not given.
    """

    text: str
    speaker: str | None = None
    role: str | None = None
    time: datetime | str | None = None
    time_precision: TimePrecision | None = None
    conversation_id: str | None = None
    session_id: str | None = None
    message_id: str | None = None
    parent_id: str | None = None
    metadata: dict[str, JsonValue] = Field(default_factory=dict)
    attachments: tuple[Attachment, ...] = ()

    @model_validator(mode="after")
    def _describes_in_the_text(self) -> Self:
        """An attachment's place is one in the text."""
        for attachment in self.attachments:
            if not attachment.start < attachment.end <= len(self.text):
                raise ValueError(
                    f"an attachment can't stand at {attachment.start} to {attachment.end} of a text of"
                    f" {len(self.text)} characters: give the place of its description"
                )
        return self

    @field_validator("time", mode="before")
    @classmethod
    def _only_times(cls, value: object) -> object:
        """A date is known to the day; a number is no time, whatever pydantic would make of it."""
        if isinstance(value, date) and not isinstance(value, datetime):
            return value.isoformat()
        if isinstance(value, int | float):
            raise ValueError('a number is no time: use a datetime, or ISO 8601 text such as "2023-05-08"')  # noqa: TRY004 -- pydantic collects ValueErrors
        return value


class Source(_Value):
    """Where a note's text comes from. ``span`` is the place inside the file ("line 12", "[0].session_3[7]")."""

    uri: str | None = None
    format: str | None = None
    conversation_id: str | None = None
    session_id: str | None = None
    message_id: str | None = None
    parent_id: str | None = None
    role: str | None = None
    span: str | None = None
    sha256: str | None = Field(default=None, description="SHA-256 of the message's text as UTF-8, in hex.")


class Lesson(_Value):
    """What a later note taught an earlier one: a line of its card.

    ``kind`` says how: "answered" its question, or came back to its subject "later". ``note_id`` names the note it was
    learned from, whose ``time`` and ``speaker`` these are; ``text`` quotes that note.
    """

    kind: str
    note_id: str
    time: AwareDatetime | None = None
    time_precision: TimePrecision | None = None
    speaker: str | None = None
    text: str


class Note(_Value):
    """One memory: text that never changes, and annotations that commits may revise.

    ``time`` is when it happened, known to ``time_precision``; ``created_at`` is when the memory learned it. ``trust``
    lies in [0, 1]. ``analyzed_by`` names the analyzer and its version ("local/1"). ``learned`` holds what later notes
    added, oldest first.
    """

    id: Annotated[str, Fixed()]
    text: Annotated[str, Fixed()]
    context: Annotated[str, Kept(code=0, telling=True)] = ""
    keywords: Annotated[tuple[str, ...], Kept(code=1, telling=True)] = ()
    tags: Annotated[tuple[str, ...], Kept(code=2, telling=True)] = ()
    entities: Annotated[tuple[str, ...], Kept(code=3, telling=True)] = ()
    time: Annotated[AwareDatetime | None, Fixed()] = None
    time_precision: Annotated[TimePrecision | None, Fixed()] = None
    created_at: Annotated[AwareDatetime, Fixed()]
    valid_until: Annotated[AwareDatetime | None, Kept(code=5)] = None
    speaker: Annotated[str | None, Fixed()] = None
    sources: Annotated[tuple[Source, ...], Fixed()] = ()
    metadata: Annotated[dict[str, JsonValue], Kept(code=7, telling=True)] = Field(default_factory=dict)
    status: Annotated[Status, Kept(code=4)] = "active"
    trust: Annotated[float, Kept(code=6)] = Field(default=1.0, ge=0.0, le=1.0)
    analyzed_by: Annotated[str, Kept(code=8, by_hand=False)] = ""
    learned: Annotated[tuple[Lesson, ...], Kept(code=9, telling=True)] = ()
    attachments: Annotated[tuple[Attachment, ...], Kept(code=10, telling=True, by_hand=False)] = ()
    address: Annotated[str, Fixed()] = Field(
        default="", description='Its place in the topic tree ("3.1.7"); "" if it has none.'
    )
    ordinal: Annotated[int, Fixed()] = Field(
        ge=1, description="The n-th note this memory ever took in; counted from 1, never reused."
    )

    @property
    def conversation(self) -> tuple[str, str] | None:
        """The conversation and session it stands in, by its first source; None for a note that stands alone."""
        first = self.sources[0] if self.sources else None
        if first is None or first.conversation_id is None:
            return None
        return first.conversation_id, first.session_id or ""


#: The fields of a note that a commit may change. Text, time, speaker and sources never change.
NOTE_FIELDS = FieldTable(Note)
REVISABLE = NOTE_FIELDS.names


class Evidence(_Value):
    """What a program needs of why a link holds; its reason says it to people.

    ``terms`` are what both notes share, as stems, rarest first; ``cosine`` is that of their vectors; ``quote`` what of
    the one note the link rests on.
    """

    terms: tuple[str, ...] = ()
    cosine: float | None = None
    quote: str = ""


class Link(_Value):
    """A typed, weighted, explained connection from one note to another."""

    source_id: Annotated[str, Fixed()]
    target_id: Annotated[str, Fixed()]
    kind: Annotated[LinkKind, Fixed()]
    weight: Annotated[float, Kept(code=0, always=True)] = Field(gt=0.0, le=1.0)
    reason: Annotated[str, Kept(code=1, telling=True, always=True, blank="")]
    created_by: Annotated[str, Kept(code=2, by_hand=False, always=True)]
    evidence: Annotated[Evidence, Kept(code=3, telling=True, by_hand=False)] = Evidence()

    @property
    def by_rule(self) -> bool:
        """Whether a link rule made it, so that a stronger link may take its place. What people link stays."""
        kind, _, name = self.created_by.partition("/")
        return kind == "linker" and name != ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What identifies it: there is at most one link of a kind between two notes, in one direction."""
        return self.source_id, self.target_id, self.kind


#: The fields of a link beside its key.
LINK_FIELDS = FieldTable(Link)


class Topic(_Value):
    """A node of the topic tree, with its place in it and what it holds.

    ``address`` counts the topics from the top down ("3.1.7"), ``n_notes`` the notes in it and beneath it.
    """

    id: int = Field(ge=1)
    parent_id: int | None = Field(default=None, description="The topic above it; None at the top.")
    address: str
    name: str
    n_notes: int


class _Change(_Value):
    """One step of a commit, with the values before and after it.

    ``id`` is the commit's number and the step's place in it, counted from 1 ("12.3"). ``undoes`` names the change that
    this one takes back.
    """

    id: str
    undoes: str | None = None


class NoteChange(_Change):
    """A note arrives (``before`` is None) or is taken out again (``after`` is None).

    ``before`` and ``after`` hold its revisable fields; text, times and sources live in the note's row, found by
    ``ordinal``. ``derived_from`` names the notes whose text its annotations quote; ``own`` holds the values that
    ``after`` would have without them, of those fields in which it would differ: what an erasure of them falls back to.
    """

    type: Literal["note"] = "note"
    note_id: str
    ordinal: int
    before: dict[str, JsonValue] | None = None
    after: dict[str, JsonValue] | None = None
    derived_from: tuple[str, ...] = ()
    own: dict[str, JsonValue] = Field(default_factory=dict)

    @field_validator("before", "after")
    @classmethod
    def _whole(cls, side: dict[str, JsonValue] | None) -> dict[str, JsonValue] | None:
        """A side written before there was some field lacks it."""
        return None if side is None else NOTE_FIELDS.whole(side)


class Revision(_Change):
    """A change of a note's annotations. ``trigger`` is the note whose arrival caused it."""

    type: Literal["revision"] = "revision"
    note_id: str
    before: dict[str, JsonValue]
    after: dict[str, JsonValue]
    trigger: str | None = None
    reason: str = ""
    created_by: str = ""
    derived_from: tuple[str, ...] = ()


class LinkChange(_Change):
    """A link appears, changes or goes. ``before`` and ``after`` hold weight, reason, created_by and evidence."""

    type: Literal["link"] = "link"
    source_id: str
    target_id: str
    kind: LinkKind
    before: dict[str, JsonValue] | None = None
    after: dict[str, JsonValue] | None = None

    @field_validator("before", "after")
    @classmethod
    def _whole(cls, side: dict[str, JsonValue] | None) -> dict[str, JsonValue] | None:
        """A side written before there was some field lacks it."""
        return None if side is None else LINK_FIELDS.whole(side)


class TopicChange(_Change):
    """A topic appears, changes or goes.

    ``before`` and ``after`` hold ``parent`` (the id of the topic above it, or None), ``number`` (its place among its
    siblings, counted from 1), ``name``, and ``named_at`` (how many notes it held when it was named).
    """

    type: Literal["topic"] = "topic"
    topic_id: int
    before: dict[str, JsonValue] | None = None
    after: dict[str, JsonValue] | None = None


class Placement(_Change):
    """A note enters a topic, moves to another or leaves the tree. ``before`` and ``after`` are ids of topics."""

    type: Literal["placement"] = "placement"
    note_id: str
    before: int | None = None
    after: int | None = None


class Use(_Change):
    """An agent used a note, at the time of the commit; ``count`` is -1 if a use is taken back."""

    type: Literal["use"] = "use"
    note_id: str
    count: Literal[1, -1] = 1


class Erasure(_Change):
    """A note's text was removed everywhere; it can't be undone."""

    type: Literal["erasure"] = "erasure"
    note_id: str
    ordinal: int


Change: TypeAlias = Annotated[
    NoteChange | Revision | LinkChange | TopicChange | Placement | Use | Erasure, Field(discriminator="type")
]
TreeChange: TypeAlias = TopicChange | Placement


class Commit(_Value):
    """One atomic step of the journal. ``id`` counts 1, 2, 3 ... inside a namespace; ``at`` never decreases."""

    id: int = Field(ge=1)
    at: AwareDatetime
    cause: Cause
    changes: tuple[Change, ...]


class HistoryEntry(_Value):
    """One change of a note, with the commit it was part of."""

    commit: int
    at: datetime
    cause: Cause
    change: Change


class FieldDiff(_Value):
    """What one change did to one field: ``field`` is "text" for a note that came or went, "link" for a link."""

    change_id: str
    note_id: str
    field: str
    before: JsonValue = None
    after: JsonValue = None
    reason: str = ""


class Hit(_Value):
    """A note that a search found.

    ``score`` is higher for better, comparable inside one search only; ``rank`` counts from 1. ``signals`` holds each
    signal's own value, before weighting; ``via`` the links walked to reach the note; ``why`` a sentence.
    """

    note: Note
    score: float
    rank: int
    signals: dict[str, float]
    via: tuple[Link, ...] = ()
    why: str


class WhyNot(_Value):
    """Why a note was not among a search's hits: the ``step`` that lost it, and by how much.

    ``step`` is "status", "filter", "routed" (its topic or its code seemed too far), "outranked" or "found" (it is among
    the hits after all). ``rank`` is its place among
    all notes the filters let through, and ``behind`` how much score it lacked to be the last hit.
    """

    note_id: str
    step: Literal["status", "filter", "routed", "outranked", "found"]
    why: str
    rank: int | None = None
    score: float | None = None
    behind: float | None = None
    signals: dict[str, float] = Field(default_factory=dict)


class Problem(_Value):
    """Something an ingestion or a check could not use: where, and why, for people.

    ``note_id`` names the note it is about; ``uri`` the file, if none of it could be used.
    """

    place: str
    reason: str
    note_id: str | None = None
    uri: str | None = None

    @classmethod
    def of_note(cls, note_id: str, reason: str) -> Problem:
        """A problem with a note."""
        return cls(place=f"note {note_id}", reason=reason, note_id=note_id)


class FileReport(_Value):
    """What an ingestion did with one file."""

    uri: str
    format: str | None
    new: int = 0
    unchanged: int = 0
    problems: tuple[Problem, ...] = ()


class IngestReport(_Value):
    """What an ingestion did. ``failed`` counts the messages and files that could not be used."""

    new: int
    unchanged: int
    failed: int
    commits: tuple[int, ...]
    files: tuple[FileReport, ...]


class Progress(_Value):
    """How far an ingestion has come, after each commit. ``commit`` is durable by then."""

    commit: int
    uri: str
    file: int = Field(description="Which of the files this is, counted from 1.")
    files: int
    done: int = Field(description="Messages of this file handled so far.")
    total: int = Field(description="Messages found in this file.")
    new: int = Field(description="Notes this file has added so far.")


class Verification(_Value):
    """What ``verify()`` found: nothing in ``problems`` means that everything checked agrees."""

    notes: int
    commits: int
    vectors: int
    recall: float = Field(description="Share of exact search's top ten that search found, over the sampled queries.")
    recall_low: float = Field(description="Lower end of its 95% interval; the same where every search is exact.")
    recall_high: float = Field(description="Upper end of its 95% interval.")
    queries: int
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        """True if no problem was found."""
        return not self.problems


def revisable_fields(note: Note) -> dict[str, JsonValue]:
    """A note's revisable fields as changes hold them: JSON values, tuples as lists, datetimes as ISO 8601 text."""
    return NOTE_FIELDS.dump(note)


def parsed_fields(fields: Mapping[str, JsonValue]) -> dict[str, Any]:
    """Revisable fields of a change or a store as a ``Note`` has them: lists as tuples, ISO 8601 text as datetimes."""
    return NOTE_FIELDS.parsed(fields)


def link_fields(link: Link) -> dict[str, JsonValue]:
    """What a link holds beside its key, as changes hold it."""
    return LINK_FIELDS.dump(link)


def day_of(time: datetime | None, ordinal: int) -> str:
    """The day on which a note counts when changes are counted by days: the one on which it happened, in its own zone.

    Of notes without a time, a hundred arrivals make a day, so that nothing depends on the clock.
    """
    return time.date().isoformat() if time else f"arrivals {ordinal // 100 * 100}+"


def touched(change: Change) -> tuple[str, ...]:
    """The ids of the notes that a change is about; none for a change of a topic."""
    if isinstance(change, LinkChange):
        return change.source_id, change.target_id
    if isinstance(change, TopicChange):
        return ()
    return (change.note_id,)
