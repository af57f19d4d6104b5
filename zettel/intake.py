"""From messages to a draft: check, name, analyze and embed what comes in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TypeAlias
from zoneinfo import ZoneInfo

from pydantic import JsonValue

from zettel.embedding import embed_notes, rounded, vector_key
from zettel.errors import AnalyzerError, InputError, ZettelError
from zettel.filters import read_time
from zettel.growth import Growth, Newcomer
from zettel.identity import note_id
from zettel.model import Cause, Change, Message, Note, NoteChange, Source, TimePrecision, revisable_fields
from zettel.protocols import Analysis, Analyzer, Draft, Embedder, Passages, Reader, Utterance

_TAIL = 20  # messages of a session looked at to find the one that a new message answers
_MAX_ID = 200
_MAX_NAME = 1_000  # a speaker stands before each passage that is embedded, an id in each source
_NAMES = ("speaker", "role", "conversation_id", "session_id", "message_id", "parent_id")
_EARLIEST, _LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message that passed the checks. Without an ``id`` it is a new note, named by its place in the memory."""

    text: str
    speaker: str | None
    time: datetime | None
    time_precision: TimePrecision | None
    source: Source | None
    metadata: dict[str, JsonValue]
    id: str | None = None
    tags: tuple[str, ...] = ()


def check(message: Message | str, zone: ZoneInfo, max_text: int, source: Source | None = None) -> Incoming:
    """A message read into what a note needs; ``source`` is completed by what the message says of itself.

    Raises:
        InputError: it can't become a note; the message says why.
    """
    message = Message(text=message) if isinstance(message, str) else message
    if source is not None and not isinstance(source, Source):
        raise InputError(f"source {source!r} can't be used: give a zettel.Source, or an address as text")
    if not message.text.strip():
        raise InputError(f"the text is empty ({message.text!r}): a note needs words")
    if len(message.text) > max_text:
        raise InputError(
            f"the text has {len(message.text):,} characters, more than the {max_text:,} of Config.max_text: split it"
        )
    for name in _NAMES:
        value = getattr(message, name)
        if value is not None and len(value) > _MAX_NAME:
            raise InputError(f"{name} {value[:30]!r}... has {len(value):,} characters: use {_MAX_NAME:,} at most")
    check_json(message.model_dump(exclude={"time"}))
    check_json(source and source.model_dump())
    time, precision = None, None
    if message.time is not None:
        time, precision = read_time(message.time, zone)
        if not _EARLIEST <= time <= _LATEST:
            raise InputError(f"time {message.time!s} is beyond the calendar of UTC: leave it out where it is unknown")
    return Incoming(
        text=message.text,
        speaker=message.speaker or message.role,
        time=time,
        time_precision=message.time_precision or precision if time else None,
        source=_source(message, source),
        metadata=message.metadata,
    )


def _source(message: Message, given: Source | None) -> Source | None:
    names = ("conversation_id", "session_id", "message_id", "parent_id", "role")
    own = {name: value for name in names if (value := getattr(message, name)) is not None}
    if given is None and not own:
        return None
    sha256 = hashlib.sha256(message.text.encode()).hexdigest()
    return (given or Source()).model_copy(update={**own, "sha256": sha256})


def check_json(value: object) -> None:
    """Refuse what no store could give back as it was.

    Raises:
        InputError: a lone surrogate, or a number that JSON has no name for.
    """
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"a lone surrogate ({error.object[error.start]!r}) is no character: decode the text properly first"
        ) from error
    except (ValueError, TypeError) as error:
        raise InputError(
            f"not a JSON value ({error}): use text, finite numbers, true, false, null, lists and objects"
        ) from error


def check_id(given: str) -> str:
    """A name the caller chose for a note.

    Raises:
        InputError: empty, too long, or with white space or control characters in it.
    """
    if not isinstance(given, str) or not given or len(given) > _MAX_ID or not given.isprintable() or " " in given:
        raise InputError(f"id {given!r} can't name a note: use 1 to {_MAX_ID} printable characters without spaces")
    return given


def check_all(messages: Iterable[Message | str], zone: ZoneInfo, max_text: int, namespace: str) -> list[Incoming]:
    """Check every message of a batch before any is taken in.

    One that its transcript names (conversation and message id) is named by it, so that it is the same note the second
    time; any other is a new note each time.

    Raises:
        InputError: lists every bad item.
    """
    if isinstance(messages, str | Message) or not isinstance(messages, Iterable):
        raise InputError(f"{_shown(messages)} is no list of messages: put it into one, or call add()")
    good: list[Incoming] = []
    bad: list[tuple[int, str]] = []
    for position, message in enumerate(messages):
        try:
            if not isinstance(message, Message | str):
                raise InputError(f"{_shown(message)} is neither zettel.Message nor str")
            incoming = check(message, zone, max_text)
        except InputError as error:
            bad.append((position, str(error)))
        else:
            good.append(replace(incoming, id=_transcript_id(namespace, incoming)))
    if bad:
        listed = "; ".join(f"item {n}: {reason}" for n, reason in bad[:5])
        more = f"; and {len(bad) - 5} more in .items" if len(bad) > 5 else ""
        total = len(bad) + len(good)
        raise InputError(f"{len(bad)} of {total} messages can't be used, none was added: {listed}{more}", bad)
    return good


def _shown(value: object) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:60] + '…'}"


def _transcript_id(namespace: str, item: Incoming) -> str | None:
    source = item.source
    if source is None or source.conversation_id is None or source.message_id is None:
        return None
    return note_id(namespace, source.conversation_id, source.session_id, source.message_id, item.text, 0)


@dataclass(slots=True)
class Intake:
    """Plans what an arrival of messages does to a memory. What is costly is kept, so that a plan is cheap to repeat.

    ``analyzer`` and ``embedder`` are called for when first needed: a batch without news loads neither. ``growth`` is
    called for once a plan.
    """

    reader: Reader
    namespace: str
    analyzer: Callable[[], Analyzer]
    embedder: Callable[[], Embedder]
    growth: Callable[[], Growth]
    _analyses: dict[_Heard, Analysis] = field(default_factory=dict)
    _passages: dict[str, Passages] = field(default_factory=dict)

    def plan(self, items: Sequence[Incoming], cause: Cause) -> Plan:
        """What adds ``items`` to the memory as it stands. Decides as if the items came one by one.

        Raises:
            InputError: an id the caller chose names a note with another text, or one that was erased.
        """
        ids, new = self._name(items, cause)
        if not new:
            return Plan(None, ids, None)
        utterances = self._utterances(new)
        analyses = self._analyze(utterances)
        by = self.analyzer().name
        notes = [_note(*named, analysis, by) for named, analysis in zip(new, analyses, strict=True)]
        embedder = self.embedder()
        keys = [vector_key(embedder.fingerprint, note) for note in notes]
        passages, fresh = self._embed(embedder, dict(zip(keys, notes, strict=True)))
        growth = self.growth()
        try:
            changes: list[Change] = [*growth.adopt()]
            for note, key, analysis, utterance in zip(notes, keys, analyses, utterances, strict=True):
                changes.append(_arriving(note, analysis))
                changes += growth.take_in(Newcomer(note, passages[key], utterance.answers_id))
        except BaseException:
            growth.take_back()
            raise
        arrivals = tuple(zip(notes, keys, strict=True))
        return Plan(Draft(cause, tuple(changes), arrivals, {key: passages[key] for key in fresh}), ids, growth)

    def _fresh_name(self, item: Incoming, ordinal: int, taken: Mapping[str, str]) -> str:
        """The name of a note that nothing names: by its place, or by a later one where a loaded note has taken it."""
        while True:
            name = note_id(self.namespace, None, None, None, item.text, ordinal)
            if name not in taken and not self.reader.known([name]):
                return name
            ordinal += 1

    def _name(self, items: Sequence[Incoming], cause: Cause) -> tuple[list[str], list[_Named]]:
        """The id of each item's note, and those that are new, with the ordinal and the name they get."""
        given = {item.id for item in items if item.id is not None}
        known = self.reader.known(given)
        texts = {note.id: note.text for note in self.reader.notes(known)}
        ordinal = self.reader.last_ordinal()
        ids: list[str] = []
        new: list[_Named] = []
        for item in items:
            name = item.id or self._fresh_name(item, ordinal + 1, texts)
            ids.append(name)
            if name in texts:
                if texts[name] != item.text:
                    raise InputError(f"id {name!r} names a note with another text: choose another id, or leave it out")
                continue
            if name in known and cause == "ingest":
                continue  # erased by another process since the file was looked at
            if name in known:
                raise InputError(f"note {name!r} was erased and does not come back: add the text under another id")
            ordinal += 1
            texts[name] = item.text
            new.append((ordinal, name, item))
        return ids, new

    def _utterances(self, new: Sequence[_Named]) -> list[Utterance]:
        """What the analyzer may know of each new message; the messages before it are those the memory holds by then."""
        said: dict[tuple[str, str], list[_Said]] = {}
        utterances = []
        for _, name, item in new:
            answers = None
            source = item.source
            if source is not None and source.conversation_id is not None:
                session = source.conversation_id, source.session_id or ""
                if session not in said:
                    said[session] = [_said(note) for note in self.reader.tail(*session, _TAIL)]
                answers = _answered(item, said[session])
                said[session].append(_Said(name, source.message_id, item.speaker, item.text))
            utterances.append(_utterance(item, answers))
        return utterances

    def _analyze(self, utterances: Sequence[Utterance]) -> list[Analysis]:
        heard = [_heard(u) for u in utterances]
        todo = {key: u for key, u in zip(heard, utterances, strict=True) if key not in self._analyses}
        if todo:
            self._analyses.update(zip(todo, analyze(self.analyzer(), list(todo.values())), strict=True))
        return [self._analyses[key] for key in heard]

    def _embed(self, embedder: Embedder, notes: dict[str, Note]) -> tuple[dict[str, Passages], list[str]]:
        """The passages of notes by key, as the store gives them back, and the keys of those it lacks."""
        stored = self.reader.passages(notes)
        missing = [key for key in notes if key not in stored]
        todo = {key: notes[key] for key in missing if key not in self._passages}
        if todo:
            self._passages.update((key, rounded(new)) for key, new in embed_notes(embedder, todo).items())
        return {key: stored[key] if key in stored else self._passages[key] for key in notes}, missing


@dataclass(frozen=True, slots=True)
class Plan:
    """What an arrival does: the draft (None where all is there already), the id of each item's note, in order.

    ``growth`` holds what was done to index and tree on the way, to be taken back if the draft is not written.
    """

    draft: Draft | None
    ids: list[str]
    growth: Growth | None


_Named: TypeAlias = tuple[int, str, Incoming]
_Heard: TypeAlias = tuple[Utterance, str | None]


def _heard(utterance: Utterance) -> _Heard:
    """What tells utterances apart. An instant told in two zones is equal to Python, but may be two days to a reader."""
    return utterance, utterance.time.isoformat() if utterance.time else None


def analyze(analyzer: Analyzer, utterances: Sequence[Utterance]) -> list[Analysis]:
    """``analyzer.analyze(utterances)``, checked.

    Raises:
        AnalyzerError: it failed, or returned something other than one usable analysis an utterance.
    """
    try:
        analyses: object = analyzer.analyze(utterances)
    except ZettelError:
        raise
    except Exception as error:
        raise AnalyzerError(
            f"analyzer {analyzer.name} failed ({type(error).__name__}: {error}); nothing was added: mend it, or open"
            " the memory with another analyzer"
        ) from error
    found = len(analyses) if isinstance(analyses, list | tuple) else None
    if not isinstance(analyses, list | tuple) or found != len(utterances):
        raise AnalyzerError(
            f"analyzer {analyzer.name} returned {found or 'no'} analyses for {len(utterances)} messages; nothing was"
            " added: it must return one a message"
        )
    for utterance, analysis in zip(utterances, analyses, strict=True):
        if fault := _fault(analysis, utterance):
            raise AnalyzerError(f"analyzer {analyzer.name} returned {_shown(analysis)}; nothing was added: {fault}")
    return list(analyses)


def _fault(analysis: object, utterance: Utterance) -> str:
    """What makes an analysis unusable; "" where nothing does."""
    if not isinstance(analysis, Analysis):
        return "it must return values of zettel.protocols.Analysis"
    by: object = analysis.analyzed_by
    lists = analysis.keywords, analysis.tags, analysis.entities, analysis.derived_from
    if not isinstance(analysis.context, str) or not all(_is_texts(values) for values in lists):
        return "the context must be a text, every other field a tuple of texts"
    if by is not None and not isinstance(by, str):
        return "analyzed_by must be a text, or None for the analyzer's own name"
    if not {utterance.answers_id}.issuperset(analysis.derived_from):
        return f"derived_from may name only the message answered, {utterance.answers_id!r}"
    try:
        check_json([analysis.context, by, *lists])
    except InputError as error:
        return str(error)
    return ""


def _is_texts(values: object) -> bool:
    return isinstance(values, tuple | list) and all(isinstance(value, str) for value in values)


@dataclass(frozen=True, slots=True)
class _Said:
    """An earlier message of a session. One that was forgotten keeps its place, but is not answered any more."""

    note_id: str
    message_id: str | None
    speaker: str | None
    text: str
    forgotten: bool = False


def _said(note: Note) -> _Said:
    return _Said(note.id, note.sources[0].message_id, note.speaker, note.text, note.status == "archived")


def _answered(item: Incoming, before: Sequence[_Said]) -> _Said | None:
    """The message that ``item`` answers: its parent where the transcript names it, else the last by someone else."""
    recent = [said for said in before[-_TAIL:] if not said.forgotten]
    parent = item.source.parent_id if item.source else None
    if parent is not None:
        return next((said for said in reversed(recent) if said.message_id == parent), None)
    return next((said for said in reversed(recent) if said.speaker != item.speaker), None)


def _utterance(item: Incoming, answers: _Said | None) -> Utterance:
    return Utterance(
        text=item.text,
        speaker=item.speaker,
        time=item.time,
        time_precision=item.time_precision,
        conversation_id=item.source.conversation_id if item.source else None,
        session_id=item.source.session_id if item.source else None,
        answers_id=answers.note_id if answers else None,
        answers_speaker=answers.speaker if answers else None,
        answers_text=answers.text if answers else None,
    )


def _arriving(note: Note, analysis: Analysis) -> NoteChange:
    return NoteChange(
        id="", note_id=note.id, ordinal=note.ordinal, after=revisable_fields(note), derived_from=analysis.derived_from
    )


def _note(ordinal: int, name: str, item: Incoming, analysis: Analysis, analyzed_by: str) -> Note:
    return Note(
        id=name,
        ordinal=ordinal,
        text=item.text,
        context=analysis.context,
        keywords=analysis.keywords,
        tags=tuple(dict.fromkeys((*item.tags, *analysis.tags))),
        entities=analysis.entities,
        time=item.time,
        time_precision=item.time_precision,
        created_at=datetime.now(UTC),  # a store takes it from the commit
        speaker=item.speaker,
        sources=(item.source,) if item.source else (),
        metadata=item.metadata,
        analyzed_by=analysis.analyzed_by or analyzed_by,
    )
