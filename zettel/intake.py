"""Taking messages in: naming them, asking models about them, and planning what their arrival does to a memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeAlias

from zettel.analyzing import analyze
from zettel.arrivals import Arrivals, Newcomer
from zettel.checks import Incoming
from zettel.embedding import embed_notes, rounded, vector_key
from zettel.errors import InputError
from zettel.identity import note_id
from zettel.model import Cause, Change, Note, NoteChange, revisable_fields
from zettel.protocols import Analysis, Analyzer, Draft, Embedder, Passages, Reader, Utterance
from zettel.provenance import differing, own_analysis

_TAIL = 20  # a new message may answer one of so many messages before it in its session

_Named: TypeAlias = tuple[int, str, Incoming]
_Heard: TypeAlias = tuple[Utterance, str | None]


@dataclass(frozen=True, slots=True)
class Arriving:
    """What messages are to the memory as it is: the id of each message's note, in order, and the notes that are new."""

    ids: Sequence[str]
    new: Sequence[_Named]
    utterances: Sequence[Utterance]


@dataclass(frozen=True, slots=True)
class Unasked:
    """What has to be asked before it can be decided what messages do: utterances to analyze, notes to embed by key."""

    utterances: Mapping[_Heard, Utterance]
    notes: Mapping[str, Note]

    def __bool__(self) -> bool:
        """Whether anything has to be asked."""
        return bool(self.utterances or self.notes)


@dataclass(slots=True)
class Intake:
    """Plans what an arrival of messages does to a memory, in two halves.

    The slow half comes first and takes no lock: ``arriving`` reads which messages are new, ``unasked`` lists what has
    to be asked about them, and ``ask`` has it analyzed and embedded. The quick half, ``decide``, runs inside the lock.
    Answers are kept by what was asked, so a plan that is made again asks nothing twice.
    """

    reader: Reader
    namespace: str
    items: Sequence[Incoming]
    cause: Cause
    _analyses: dict[_Heard, Analysis] = field(default_factory=dict)
    _passages: dict[str, Passages] = field(default_factory=dict)
    _keys: dict[str, str] = field(default_factory=dict)  # the keys of vectors, by the names of notes

    # --------------------------------------------------------------------- reading

    def arriving(self) -> Arriving:
        """What the messages are to the memory as it is. Their notes are named as if they came one by one.

        Raises:
            InputError: an id that the caller chose names a note with another text, or a note that was erased.
        """
        ids, new = self._name()
        return Arriving(ids, new, self._utterances(new))

    def unasked(self, arriving: Arriving, fingerprint: str) -> Unasked:
        """What ``decide`` needs and nobody has answered yet; vectors that the store has need not be asked for."""
        utterances = {key: u for u in arriving.utterances if (key := _heard(u)) not in self._analyses}
        notes = {self._key(fingerprint, named): named for named in arriving.new}
        missing = {key: note for key, note in notes.items() if key not in self._passages}
        stored = self.reader.passages(missing) if missing else {}
        return Unasked(utterances, {key: _bare(*named) for key, named in missing.items() if key not in stored})

    def _key(self, fingerprint: str, named: _Named) -> str:
        """The key of a new note's vectors; it does not depend on the note's annotations."""
        _, name, _ = named
        if name not in self._keys:
            self._keys[name] = vector_key(fingerprint, _bare(*named))
        return self._keys[name]

    def _name(self) -> tuple[list[str], list[_Named]]:
        """The id of each item's note, and the items that are new, each with the ordinal and the name it gets."""
        given = {item.id for item in self.items if item.id is not None}
        known = self.reader.known(given)
        texts = {note.id: note.text for note in self.reader.notes(known)}
        ordinal = self.reader.last_ordinal()
        ids: list[str] = []
        new: list[_Named] = []
        for item in self.items:
            name = item.id or self._fresh_name(item, ordinal + 1, texts)
            ids.append(name)
            if name in texts:
                if texts[name] != item.text:
                    raise InputError(f"id {name!r} names a note with another text: choose another id, or leave it out")
                continue
            if name in known and self.cause == "ingest":
                continue  # erased by another process since the file was looked at
            if name in known:
                raise InputError(f"note {name!r} was erased and does not come back: add the text under another id")
            ordinal += 1
            texts[name] = item.text
            new.append((ordinal, name, item))
        return ids, new

    def _fresh_name(self, item: Incoming, ordinal: int, taken: Mapping[str, str]) -> str:
        """The name of a note without an id: it follows from the ordinal, or from a later one if the name is taken."""
        while True:
            name = note_id(self.namespace, None, None, None, item.text, ordinal)
            if name not in taken and not self.reader.known([name]):
                return name
            ordinal += 1

    def _utterances(self, new: Sequence[_Named]) -> list[Utterance]:
        """What the analyzer may know of each new message: also what the memory has of its session by then."""
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

    # --------------------------------------------------------------------- asking

    def ask(self, unasked: Unasked, analyzer: Callable[[], Analyzer], embedder: Callable[[], Embedder]) -> None:
        """Analyze and embed what is ``unasked``. This is slow, and reads nothing of the memory.

        ``analyzer`` and ``embedder`` are called only if they are needed.

        Raises:
            AnalyzerError, EmbedderError: one of them failed.
        """
        if unasked.utterances:
            analyses = analyze(analyzer(), list(unasked.utterances.values()))
            self._analyses.update(zip(unasked.utterances, analyses, strict=True))
        if unasked.notes:
            embedded = embed_notes(embedder(), unasked.notes)
            self._passages.update((key, rounded(passages)) for key, passages in embedded.items())

    # ------------------------------------------------------------------- deciding

    def decide(self, arriving: Arriving, by: str, fingerprint: str, arrivals: Arrivals) -> Draft:
        """The draft that adds the new notes, decided as if they came one by one.

        ``by`` is the analyzer's name; it stands for those analyses that name no analyzer.
        """
        analyses = [self._analyses[_heard(utterance)] for utterance in arriving.utterances]
        notes = [_note(*named, analysis, by) for named, analysis in zip(arriving.new, analyses, strict=True)]
        keys = [self._key(fingerprint, named) for named in arriving.new]
        stored = self.reader.passages(keys)
        passages = {key: stored[key] if key in stored else self._passages[key] for key in keys}
        changes: list[Change] = [*arrivals.adopt()]
        for named, note, key, analysis, utterance in zip(
            arriving.new, notes, keys, analyses, arriving.utterances, strict=True
        ):
            own = _note(*named, own_analysis(analysis, note.text), by) if analysis.derived_from else note
            changes.append(_arriving(note, analysis, own))
            changes += arrivals.take_in(Newcomer(note, passages[key], utterance.answers_id))
        fresh = {key: passages[key] for key in keys if key not in stored}
        return Draft(self.cause, tuple(changes), tuple(zip(notes, keys, strict=True)), fresh)


def _heard(utterance: Utterance) -> _Heard:
    """A key for an utterance, with its zone: Python calls one instant in two zones equal, but the dates may differ."""
    return utterance, utterance.time.isoformat() if utterance.time else None


@dataclass(frozen=True, slots=True)
class _Said:
    """An earlier message of a session. A forgotten message keeps its place, but nothing answers it any more."""

    note_id: str
    message_id: str | None
    speaker: str | None
    text: str
    forgotten: bool = False


def _said(note: Note) -> _Said:
    return _Said(note.id, note.sources[0].message_id, note.speaker, note.text, note.status == "archived")


def _answered(item: Incoming, before: Sequence[_Said]) -> _Said | None:
    """The message that ``item`` answers: its parent if the transcript names one, else the last one by somebody else."""
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


def _arriving(note: Note, analysis: Analysis, own: Note) -> NoteChange:
    """The arrival of a note; ``own`` is the note as it would be without the notes that it was derived from."""
    after = revisable_fields(note)
    return NoteChange(
        id="", note_id=note.id, ordinal=note.ordinal, after=after, derived_from=analysis.derived_from,
        own={} if own is note else differing(revisable_fields(own), after),
    )  # fmt: skip


def _bare(ordinal: int, name: str, item: Incoming) -> Note:
    """A note as far as it is known before it is analyzed; everything that is embedded is known."""
    return Note.model_construct(
        id=name, ordinal=ordinal, text=item.text, time=item.time, time_precision=item.time_precision,
        speaker=item.speaker,
    )  # fmt: skip


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
        created_at=datetime.now(UTC),  # replaced by the time of the commit
        speaker=item.speaker,
        sources=(item.source,) if item.source else (),
        metadata=item.metadata,
        attachments=item.attachments,
        analyzed_by=analysis.analyzed_by or analyzed_by,
    )
