"""What every transcript format promises, run over every file in zettel/transcripts.

A format named "x" brings three samples: ``samples/x.<ending>``, ``samples/x.grown.<ending>`` (the same file some
messages later) and ``samples/x.texts.json`` (the texts of the first, in order).
"""

from __future__ import annotations

import contextlib
import importlib
import json
import pkgutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import zettel.transcripts
from zettel.errors import TranscriptError
from zettel.ingest import identify
from zettel.model import Problem
from zettel.protocols import Entry, Transcript, TranscriptFormat

SAMPLES = Path(__file__).parent / "samples"
NAMES = sorted(m.name for m in pkgutil.iter_modules(zettel.transcripts.__path__) if not m.name.startswith("_"))
FORMATS: dict[str, TranscriptFormat] = {
    name: importlib.import_module(f"zettel.transcripts.{name}").FORMAT for name in NAMES
}


@pytest.fixture(params=NAMES)
def fmt(request: pytest.FixtureRequest) -> TranscriptFormat:
    return FORMATS[request.param]


def sample(name: str, kind: str = "") -> str:
    found = sorted(p for p in SAMPLES.glob(f"{name}{kind}.*") if kind or p.name.count(".") == 1)
    assert found, f"the format {name!r} has no sample: write tests/transcripts/samples/{name}{kind}.<ending>"
    return found[0].read_text(encoding="utf-8")


def transcript(text: str) -> Transcript:
    return Transcript(uri="file:///chats/week.txt", name="week", text=text)


def read(fmt: TranscriptFormat, text: str) -> tuple[list[Entry], list[Problem]]:
    items = list(fmt.read(transcript(text)))
    return [i for i in items if isinstance(i, Entry)], [i for i in items if isinstance(i, Problem)]


def test_is_named_after_its_file(fmt: TranscriptFormat) -> None:
    assert FORMATS[fmt.name] is fmt


def test_suffixes_are_lower_case_with_a_dot(fmt: TranscriptFormat) -> None:
    assert fmt.suffixes
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in fmt.suffixes)


def test_recognises_its_own_sample_best(fmt: TranscriptFormat) -> None:
    seen = transcript(sample(fmt.name))
    scores = {name: other.sniff(seen) for name, other in FORMATS.items()}
    assert 0 < scores.pop(fmt.name) <= 1
    assert fmt.sniff(seen) > max(scores.values(), default=0)


@pytest.mark.parametrize(
    "text", ["", " \n\n", "\ufeff", "id,name\n1,Ann\n2,Bob\n", "# Title\n\nSome words.\n", "{}", "[]", "null"]
)
def test_does_not_recognise_what_is_no_transcript(fmt: TranscriptFormat, text: str) -> None:
    assert fmt.sniff(transcript(text)) == 0


def test_reads_all_messages_in_order(fmt: TranscriptFormat) -> None:
    entries, problems = read(fmt, sample(fmt.name))
    assert [entry.message.text for entry in entries] == json.loads(sample(fmt.name, ".texts"))
    assert problems == []


def test_every_message_has_a_conversation_and_a_place_of_its_own(fmt: TranscriptFormat) -> None:
    entries, _ = read(fmt, sample(fmt.name))
    assert all(entry.message.conversation_id for entry in entries)
    assert len({entry.span for entry in entries}) == len(entries)


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_line_ends_change_nothing(fmt: TranscriptFormat, end: str) -> None:
    assert read(fmt, sample(fmt.name).replace("\n", end)) == read(fmt, sample(fmt.name))


def test_a_byte_order_mark_changes_nothing(fmt: TranscriptFormat) -> None:
    text = "\ufeff" + sample(fmt.name)
    assert read(fmt, text) == read(fmt, sample(fmt.name))
    assert fmt.sniff(transcript(text)) == fmt.sniff(transcript(sample(fmt.name)))


def test_a_grown_file_keeps_the_names_of_its_messages(fmt: TranscriptFormat) -> None:
    old, _ = read(fmt, sample(fmt.name))
    new, problems = read(fmt, sample(fmt.name, ".grown"))
    assert problems == []
    assert len(new) > len(old)
    assert set(identify("default", old)) < set(identify("default", new))


def test_garbage_at_the_end_is_reported_and_the_rest_is_kept(fmt: TranscriptFormat) -> None:
    whole, _ = read(fmt, sample(fmt.name))
    entries, problems = read(fmt, sample(fmt.name) + "\n\udcff\udcfe{{{ garbage [[[\n")
    # In a format of lines the garbage may belong to the last message.
    assert entries[: len(whole) - 1] == whole[:-1]
    assert problems
    assert all(problem.place and problem.reason for problem in problems)


# --------------------------------------------------------- whatever the file holds

KEYS = (
    "messages", "conversations", "role", "content", "from", "value", "name", "type", "text", "timestamp", "id",
    "sample_id", "conversation", "session_1", "session_1_date_time", "speaker", "dia_id", "blip_caption", "qa",
)  # fmt: skip
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["user", "text", *KEYS])
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=25,
)
LINES = st.lists(
    st.sampled_from(
        ["Ann: hi", "Bob:", "[13:56] Ann: x", "[laughs] Ann: x", "8 May 2023", "08/05/2023", "Session 2", ""]
    )
    | st.text(max_size=20)
    | st.builds("[{}/{}/{:02}, {}:{}] Ann: x".format, *[st.integers(0, 40)] * 5)
).map("\n".join)


@st.composite
def damaged_samples(draw: st.DrawFn) -> str:
    text = draw(st.sampled_from([sample(name) for name in NAMES]))
    start = draw(st.integers(0, len(text)))
    end = draw(st.integers(start, len(text)))
    return text[:start] + draw(st.text(max_size=8)) + text[end:]


HOSTILE = st.one_of(
    st.text(),
    st.text(st.characters()),  # lone surrogates too
    st.binary().map(lambda data: data.decode("utf-8", "surrogateescape")),
    VALUES.map(json.dumps),
    st.lists(VALUES.map(json.dumps)).map("\n".join),
    LINES,
    damaged_samples(),
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=HOSTILE)
def test_whatever_the_text_only_transcript_errors_are_raised(fmt: TranscriptFormat, text: str) -> None:
    assert 0 <= fmt.sniff(transcript(text)) <= 1
    try:
        entries, problems = read(fmt, text)
    except TranscriptError:
        return
    assert len({entry.span for entry in entries}) == len(entries)
    for entry in entries:
        assert entry.message.text.strip()
        assert entry.message.conversation_id
        entry.message.model_dump_json().encode()  # no half characters anywhere
    assert all(problem.place and problem.reason for problem in problems)


@pytest.mark.parametrize("opening", ["[", '{"messages":', '[{"conversation":', '{"role":"user","content":'])
def test_deep_nesting_ends_in_an_error_or_a_problem(fmt: TranscriptFormat, opening: str) -> None:
    text = opening * 100_000
    assert 0 <= fmt.sniff(transcript(text)) <= 1
    with contextlib.suppress(TranscriptError):
        assert not read(fmt, text)[0]


@pytest.mark.parametrize("number", ["9" * 5000, "1e999", "NaN", "-Infinity"], ids=["digits", "huge", "nan", "infinite"])
def test_odd_numbers_end_in_an_error_or_a_problem(fmt: TranscriptFormat, number: str) -> None:
    for text in (f'{{"role": "user", "content": {number}}}', f'[{{"conversation": {{"session_1": [{number}]}}}}]'):
        try:
            entries, _ = read(fmt, text)
        except TranscriptError:
            continue
        assert entries == []
