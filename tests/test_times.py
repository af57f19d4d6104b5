"""Times in text, and how times are written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from zettel.errors import InputError
from zettel.times import describe, describe_interval, find_times, parse_time, query_interval

MONDAY = datetime(2023, 5, 8, 13, 56)

PARSED = [
    ("2023", datetime(2023, 1, 1), "year"),
    ("2023-05", datetime(2023, 5, 1), "month"),
    ("2023-05-08", datetime(2023, 5, 8), "day"),
    ("2023-05-08T13:56", datetime(2023, 5, 8, 13, 56), "minute"),
    (" 2023-05-08 13:56 ", datetime(2023, 5, 8, 13, 56), "minute"),
    ("2023-05-08T13", datetime(2023, 5, 8, 13), "minute"),
    ("2023-05-08T13:56:07", datetime(2023, 5, 8, 13, 56, 7), "second"),
    ("2023-05-08T13:56:07.25", datetime(2023, 5, 8, 13, 56, 7, 250_000), "second"),
    ("2023-05-08t13:56z", datetime(2023, 5, 8, 13, 56, tzinfo=UTC), "minute"),
    ("2023-05-08T13:56:07+02:00", datetime(2023, 5, 8, 13, 56, 7, tzinfo=timezone(timedelta(hours=2))), "second"),
]

# What a sentence said on Monday, 8 May 2023, speaks of.
SAID = [
    ("8 May 2023", "8 May 2023"), ("May 8, 2023", "8 May 2023"), ("the 8th of May", "8 May 2023"),
    ("8 May", "8 May 2023"), ("on May 9", "9 May 2023"), ("we met on May 9", "9 May 2022"),
    ("July 5th", "5 July 2023"), ("Sept 3", "3 September 2022"), ("29 February", "29 February 2020"),
    ("March 1, 2022", "1 March 2022"), ("2023-05-08", "8 May 2023"), ("2023/05/08", "8 May 2023"),
    ("13/8/2022", "13 August 2022"), ("8/13/2022", "13 August 2022"), ("5/5/2023", "5 May 2023"),
    ("May 2023", "May 2023"), ("Dec 2022", "December 2022"), ("in May", "May 2023"), ("in december", "December 2022"),
    ("we met in June", "June 2022"), ("early March", "March 2023"), ("in 2022", "2022"), ("since 1993.", "1993"),
    ("yesterday", "7 May 2023"), ("Yesterday's game", "7 May 2023"), ("today", "8 May 2023"),
    ("tomorrow", "9 May 2023"), ("last night", "7 May 2023"), ("tonight", "8 May 2023"),
    ("this morning", "8 May 2023"), ("yesterday morning", "7 May 2023"), ("the day before yesterday", "6 May 2023"),
    ("the day after tomorrow", "10 May 2023"), ("last week", "1 to 7 May 2023"), ("this week", "8 to 14 May 2023"),
    ("next week", "15 to 21 May 2023"), ("last month", "April 2023"), ("this month", "May 2023"),
    ("next month", "June 2023"), ("last year", "2022"), ("this year", "2023"), ("next year", "2024"),
    ("last weekend", "6 to 7 May 2023"), ("this weekend", "13 to 14 May 2023"),
    ("over the weekend", "6 to 7 May 2023"), ("last Friday", "5 May 2023"), ("last monday", "1 May 2023"),
    ("this past Friday", "5 May 2023"), ("this Friday", "12 May 2023"), ("next Friday", "12 May 2023"),
    ("next Monday", "15 May 2023"), ("on Friday", "5 May 2023"), ("We will meet on Friday", "12 May 2023"),
    ("Tuesday was long. See you on Tuesday night", "9 May 2023"), ("last summer", "June to August 2022"),
    ("last winter", "December 2022 to February 2023"), ("summer of 2022", "June to August 2022"),
    ("in fall 2022", "September to November 2022"), ("next spring", "March to May 2024"), ("last May", "May 2022"),
    ("this May", "May 2023"), ("next May", "May 2024"), ("last April", "April 2023"),
    ("two weeks ago", "24 to 30 April 2023"), ("3 days ago", "5 May 2023"), ("a month ago", "April 2023"),
    ("an hour ago", "8 May 2023"), ("a few days ago", "3 to 6 May 2023"),
    ("a couple of weeks ago", "17 to 30 April 2023"), ("ten years ago", "2013"),
    ("two weekends ago", "29 to 30 April 2023"), ("3 weeks from now", "29 May to 4 June 2023"),
    ("the past two weeks", "24 April to 8 May 2023"), ("the last week", "1 to 8 May 2023"),
    ("the past few months", "8 December 2022 to 8 May 2023"), ("I went the week before.", "1 to 7 May 2023"),
    ("the weekend before last", "29 to 30 April 2023"), ("the week before 9 June 2023", "2 to 8 June 2023"),
    ("two days after 8 May 2023", "10 May 2023"), ("the weekend before 9 June 2023", "3 to 4 June 2023"),
    ("the weekend after 8 May 2023", "13 to 14 May 2023"),
]  # fmt: skip

SILENT = [
    "may I march on?", "You may say so.", "May I?", "The sun sat on the mon.", "a second one", "I fall for it",
    "spring rolls", "on Fridays", "every Friday", "5/8/2023", "version 2.5.2023-rc", "at last week", "31 June",
    "2000 people", "in 2,000 ways", "today's world", "the last day of school", "last year of college",
    "the day before.", "1234-99-99", "", "birthday", "wait a second", "4 or 5 times", "1/2/3", "last seen",
    "this one", "Brooklyn Nine-Nine", "yesterdays", "the march of time",
]  # fmt: skip


@pytest.mark.parametrize(("value", "moment", "precision"), PARSED)
def test_iso_text_is_read_to_its_precision(value: str, moment: datetime, precision: str) -> None:
    assert parse_time(value) == (moment, precision)


@pytest.mark.parametrize("value", [
    "", "yesterday", "2023-13", "2023-02-30", "8 May 2023", "20230508", "2023-05-08T25:00", "٢٠٢٣", "0000",
    "2023-05-08T", "x" * 999,
])  # fmt: skip
def test_other_text_is_an_error_that_names_it(value: str) -> None:
    with pytest.raises(InputError, match=r"cannot read the time .* write it as") as caught:
        parse_time(value)
    assert value[:20] in str(caught.value)
    assert len(str(caught.value)) < 300


@given(st.datetimes())
def test_what_is_written_in_iso_is_read_back(moment: datetime) -> None:
    assert parse_time(moment.isoformat()) == (moment, "second")


@pytest.mark.parametrize(("text", "meaning"), SAID)
def test_what_a_time_means(text: str, meaning: str) -> None:
    (*_, mention) = find_times(text, MONDAY)
    assert describe_interval(mention.since, mention.until) == meaning


@pytest.mark.parametrize("text", SILENT)
def test_words_that_name_no_time(text: str) -> None:
    assert find_times(text, MONDAY) == []


def test_times_come_in_order_with_their_places_and_the_zone_of_asking() -> None:
    zone = timezone(timedelta(hours=-5))
    text = "Yesterday I planned 8 May 2022; last week I forgot."
    mentions = find_times(text, MONDAY.replace(tzinfo=zone))
    assert [m.text for m in mentions] == ["Yesterday", "8 May 2022", "last week"]
    assert [text[m.start : m.end] for m in mentions] == [m.text for m in mentions]
    assert [m.relative for m in mentions] == [True, False, True]
    assert mentions[0].since == datetime(2023, 5, 7, tzinfo=zone)


@pytest.mark.parametrize(
    ("question", "since", "until"),
    [
        ("What did Anna do last May?", "2022-05-01", "2022-06-01"),
        ("What has changed since March?", "2023-03-01", None),
        ("What happened before June 2022?", None, "2022-06-01"),
        ("Where was she until 8 April 2023?", None, "2023-04-09"),
        ("What came after 8 April 2023?", "2023-04-09", None),
        ("from March 2022 to April 2022", "2022-03-01", "2022-05-01"),
        ("between 2019 and 2021", "2019-01-01", "2022-01-01"),
        ("between 3 March 2023 and 5 April 2023", "2023-03-03", "2023-04-06"),
        ("in March 2022 or May 2022", "2022-03-01", "2022-06-01"),
        ("a picture from last night", "2023-05-07", "2023-05-08"),
    ],
)
def test_the_interval_of_a_question(question: str, since: str | None, until: str | None) -> None:
    expected = tuple(datetime.fromisoformat(end) if end else None for end in (since, until))
    assert query_interval(question, MONDAY) == expected


@pytest.mark.parametrize("question", ["What may Anna do?", "What did she do in May 2022, before April 2022?"])
def test_a_question_without_a_time_or_with_a_contradiction_has_no_interval(question: str) -> None:
    assert query_interval(question, MONDAY) is None


@pytest.mark.parametrize(
    ("precision", "written"),
    [
        ("year", "2023"),
        ("month", "May 2023"),
        ("day", "8 May 2023"),
        ("minute", "8 May 2023, 13:56"),
        ("second", "8 May 2023, 13:56:00"),
    ],
)
def test_how_a_time_is_written(precision: str, written: str) -> None:
    assert describe(MONDAY, precision) == written  # type: ignore[arg-type]


WORDS = [
    "last", "next", "this", "the", "a few", "two", "999", "weeks", "days", "ago", "May", "march", "2023", "31",
    "before", "after", "Friday", "on", "in", "weekend", "year", "decade", "from now", "past", "since", "summer",
    "3/3/2022", ".",
]  # fmt: skip


@given(
    text=st.text(max_size=80) | st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join),
    at=st.datetimes(timezones=st.sampled_from([None, UTC])),
)
@example(text="999 years ago, last May, next Friday, on 8 May, in 2 weeks", at=datetime.min)
@example(text="999 years from now, next May, tomorrow, on 29 February, next week, this summer", at=datetime.max)
@settings(max_examples=300, deadline=None)
def test_any_text_at_any_time(text: str, at: datetime) -> None:
    end = 0
    for mention in find_times(text, at):
        assert end <= mention.start < mention.end <= len(text)
        assert mention.text == text[mention.start : mention.end]
        assert mention.since < mention.until
        assert mention.since.tzinfo is mention.until.tzinfo is at.tzinfo
        end = mention.end
    interval = query_interval(text, at)
    if interval is not None and None not in interval:
        assert interval[0] < interval[1]  # type: ignore[operator]
