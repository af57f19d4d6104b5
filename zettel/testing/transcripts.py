"""What every transcript format promises."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zettel.errors import TranscriptError
from zettel.ingest import identify
from zettel.model import Problem
from zettel.protocols import Entry, Transcript, TranscriptFormat
from zettel.registry import formats
from zettel.testing._shared import examples


@dataclass(frozen=True, slots=True)
class TranscriptCase:
    """A format, a file in it, the texts of that file's messages in order, and the same file some messages later."""

    format: TranscriptFormat
    sample: str
    texts: Sequence[str]
    grown: str


def transcript(text: str) -> Transcript:
    """A file of this content."""
    return Transcript(uri="file:///chats/week.txt", name="week", text=text)


def read(fmt: TranscriptFormat, text: str) -> tuple[list[Entry], list[Problem]]:
    """What a format reads in a text."""
    items = list(fmt.read(transcript(text)))
    return [i for i in items if isinstance(i, Entry)], [i for i in items if isinstance(i, Problem)]


KEYS = (
    "messages", "conversations", "role", "content", "from", "value", "name", "type", "text", "timestamp", "id",
    "sample_id", "conversation", "session_1", "session_1_date_time", "speaker", "dia_id", "blip_caption", "qa",
)  # fmt: skip
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["user", "text", *KEYS])
VALUES: st.SearchStrategy[Any] = st.recursive(
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
HOSTILE = st.one_of(
    st.text(),
    st.text(st.characters()),  # lone surrogates too
    st.binary().map(lambda data: data.decode("utf-8", "surrogateescape")),
    VALUES.map(json.dumps),
    st.lists(VALUES.map(json.dumps)).map("\n".join),
    LINES,
)


@st.composite
def damaged(draw: st.DrawFn, text: str) -> str:
    """A text in which something stands in the place of something else."""
    start = draw(st.integers(0, len(text)))
    end = draw(st.integers(start, len(text)))
    return text[:start] + draw(st.text(max_size=8)) + text[end:]


class TranscriptContract:
    """The suite for a transcript format: set ``plugin`` to a ``TranscriptCase``, or override the fixture ``case``."""

    plugin: TranscriptCase

    @pytest.fixture(scope="class")
    @classmethod
    def case(cls) -> TranscriptCase:
        """The format under test and its samples."""
        return cls.plugin

    @pytest.fixture(scope="class")
    @classmethod
    def fmt(cls, case: TranscriptCase) -> TranscriptFormat:
        """The format under test."""
        return case.format

    def test_it_keeps_the_protocol(self, fmt: TranscriptFormat) -> None:
        assert isinstance(fmt, TranscriptFormat)
        assert fmt.name

    def test_suffixes_are_lower_case_with_a_dot(self, fmt: TranscriptFormat) -> None:
        assert fmt.suffixes
        assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in fmt.suffixes)

    def test_it_recognises_its_own_sample_better_than_any_other(self, case: TranscriptCase) -> None:
        seen = transcript(case.sample)
        scores = [other.sniff(seen) for other in formats() if other.name != case.format.name]
        assert 0 < case.format.sniff(seen) <= 1
        assert case.format.sniff(seen) > max(scores, default=0)

    @pytest.mark.parametrize(
        "text", ["", " \n\n", "\ufeff", "id,name\n1,Ann\n2,Bob\n", "# Title\n\nSome words.\n", "{}", "[]", "null"]
    )
    def test_it_does_not_recognise_what_is_no_transcript(self, fmt: TranscriptFormat, text: str) -> None:
        assert fmt.sniff(transcript(text)) == 0

    def test_it_reads_all_messages_in_order(self, case: TranscriptCase) -> None:
        entries, problems = read(case.format, case.sample)
        assert [entry.message.text for entry in entries] == list(case.texts)
        assert problems == []

    def test_every_message_has_a_conversation_and_a_place_of_its_own(self, case: TranscriptCase) -> None:
        entries, _ = read(case.format, case.sample)
        assert all(entry.message.conversation_id for entry in entries)
        assert len({entry.span for entry in entries}) == len(entries)

    @pytest.mark.parametrize("end", ["\r\n", "\r"])
    def test_line_ends_change_nothing(self, case: TranscriptCase, end: str) -> None:
        assert read(case.format, case.sample.replace("\n", end)) == read(case.format, case.sample)

    def test_a_byte_order_mark_changes_nothing(self, case: TranscriptCase) -> None:
        text = "\ufeff" + case.sample
        assert read(case.format, text) == read(case.format, case.sample)
        assert case.format.sniff(transcript(text)) == case.format.sniff(transcript(case.sample))

    def test_a_grown_file_keeps_the_names_of_its_messages(self, case: TranscriptCase) -> None:
        old, _ = read(case.format, case.sample)
        new, problems = read(case.format, case.grown)
        assert problems == []
        assert len(new) > len(old)
        assert set(identify("default", old)) < set(identify("default", new))

    def test_garbage_at_the_end_is_reported_and_the_rest_is_kept(self, case: TranscriptCase) -> None:
        whole, _ = read(case.format, case.sample)
        entries, problems = read(case.format, case.sample + "\n\udcff\udcfe{{{ garbage [[[\n")
        # In a format of lines the garbage may belong to the last message.
        assert entries[: len(whole) - 1] == whole[:-1]
        assert problems
        assert all(problem.place and problem.reason for problem in problems)

    @examples(200)
    @given(data=st.data())
    def test_whatever_the_text_only_transcript_errors_are_raised(
        self, case: TranscriptCase, data: st.DataObject
    ) -> None:
        fmt, text = case.format, data.draw(HOSTILE | damaged(case.sample))
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
    def test_deep_nesting_ends_in_an_error_or_a_problem(self, fmt: TranscriptFormat, opening: str) -> None:
        text = opening * 100_000
        assert 0 <= fmt.sniff(transcript(text)) <= 1
        with contextlib.suppress(TranscriptError):
            assert not read(fmt, text)[0]

    @pytest.mark.parametrize(
        "number", ["9" * 5000, "1e999", "NaN", "-Infinity"], ids=["digits", "huge", "nan", "infinite"]
    )
    def test_odd_numbers_end_in_an_error_or_a_problem(self, fmt: TranscriptFormat, number: str) -> None:
        for text in (
            f'{{"role": "user", "content": {number}}}', f'[{{"conversation": {{"session_1": [{number}]}}}}]'
        ):  # fmt: skip
            try:
                entries, _ = read(fmt, text)
            except TranscriptError:
                continue
            assert entries == []
