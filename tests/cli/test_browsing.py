"""Going round in a memory: its topics, its links, and what show tells of a note's place, neighborhood and life."""

import re
import shlex

import pytest

import zettel
from zettel import card as cards
from zettel.cli.commands.browsing import write_links, write_topics
from zettel.cli.wording import ways
from zettel.model import Link, Note, Topic

QUESTION = "We own a boat? Does she float?"


@pytest.fixture
def opened(memory):
    with zettel.open_memory(memory, embedder="hashing", read_only=True) as opened:
        yield opened


@pytest.fixture
def question(opened):
    """A question that the next message answers, and so evolves."""
    return next(note for note in opened.notes() if note.text == QUESTION)


@pytest.fixture
def empty(tmp_path, cli):
    path = str(tmp_path / "empty.zettel")
    cli("add", path, "The only note.", "--embedder", "hashing")
    assert cli("undo", path, "1").exit_code == 0
    return path


def topic(address, name, n_notes):
    above = address.rpartition(".")[0].replace(".", "")
    return Topic(
        id=int(address.replace(".", "")), parent_id=int(above) if above else None, address=address, name=name,
        n_notes=n_notes,
    )  # fmt: skip


# --------------------------------------------------------------------- topics


def test_topics_are_those_of_the_library(memory, opened, rows, cli):
    assert [Topic.model_validate(row) for row in rows("topics", memory)] == opened.topics() != []
    first, *lines = cli("topics", memory).stdout.splitlines()
    assert first == f"25 notes in {len(lines)} topic{'s' * (len(lines) > 1)}"
    for line, topic in zip(lines, opened.topics(), strict=True):
        assert line.endswith(f" {topic.address} {topic.name}  {topic.n_notes} notes")
    assert cli("topics", memory, "--depth", 1).stdout == cli("topics", memory).stdout


def test_a_tree_is_drawn_as_one_and_cut_where_asked(capsys):
    tree = [topic("1", "house", 5), topic("1.1", "roof", 4), topic("1.2", "door", 1), topic("2", "boat", 3)]
    write_topics(tree, tree)
    assert capsys.readouterr().out.splitlines() == [
        "8 notes in 4 topics",
        "├── 1 house  5 notes",
        "│   ├── 1.1 roof  4 notes",
        "│   └── 1.2 door  1 note",
        "└── 2 boat  3 notes",
    ]
    write_topics(tree, [tree[0], tree[3]])
    assert capsys.readouterr().out.splitlines() == [
        "8 notes in 4 topics, 2 of them shown",
        "├── 1 house  5 notes",
        "└── 2 boat  3 notes",
    ]


def test_an_empty_memory_has_no_topics_and_no_links(empty, cli):
    for command, words in (("topics", "no topics yet"), ("links", "no links")):
        result = cli(command, empty)
        assert (result.exit_code, result.stdout) == (0, "") and words in result.stderr
        assert cli(command, empty, "--json").stdout == ""


# ---------------------------------------------------------------------- links


def test_links_are_those_of_the_library_and_next_ones_come_last(memory, opened, rows):
    found = [Link.model_validate(row) for row in rows("links", memory, "--limit", 100)]
    assert {link.key for link in found} == {link.key for link in opened.links()}
    kinds = [link.kind for link in found]
    assert kinds == sorted(kinds, key=lambda kind: kind == "next") and set(kinds) >= {"next", "elaborates"}


def test_links_tell_kind_weight_both_ends_reason_and_maker(memory, opened, question, cli):
    (link,) = opened.links(question.id, "elaborates")
    answer = opened.get(link.source_id)
    lines = cli("links", memory, "--kind", "elaborates", "--limit", 100).stdout.splitlines()
    there = next(i for i, line in enumerate(lines) if answer.id[:12] in line)
    first, second, third = lines[there : there + 3]
    assert first.startswith("elaborates  0.80  ") and f"{answer.speaker}: “{answer.text[:30]}" in first
    assert second.strip() == f"→ {question.id[:12]} {question.speaker}: “{QUESTION}”"
    assert third.strip() == f"{link.reason} (linker/elaborates)"


def test_links_of_a_note_tell_which_way_they_point(memory, opened, question, rows, cli):
    assert {row["kind"] for row in rows("links", memory, question.id[:10])} == {"elaborates", "next"}
    first, *lines = cli("links", memory, question.id[:10]).stdout.splitlines()
    assert first == f"{question.id[:12]} {question.speaker}: “{QUESTION}”"
    assert lines[0].startswith("elaborates  ← 0.80  ") and lines[1].strip().startswith("answers ")
    ways = {line[12] for line in lines if re.match(r".{12}[→←]", line)}
    assert ways == {"→", "←"}
    assert not [line for line in lines if "next" in line[:12] and "elaborates" in line]


def test_a_limit_says_how_many_links_there_are_more(memory, opened, cli):
    n = len(opened.links())
    result = cli("links", memory, "--limit", 2)
    assert len(result.stdout.splitlines()) == 6
    assert result.stderr == f"and {n - 2} more: --limit {n} shows them all\n"
    assert len(cli("links", memory, "--limit", 2, "--json").stdout.splitlines()) == 2


def test_no_such_links(memory, cli):
    result = cli("links", memory, "--kind", "causes")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "no such links\n")
    result = cli("links", memory, "--kind", "friend")
    assert result.exit_code == 1 and "'friend'" in result.stderr and "same_entity" in result.stderr
    assert "no note's id begins" in cli("links", memory, "nobody").stderr


def test_links_are_grouped_by_kind_and_the_kind_is_told_once(capsys):
    def link(kind, other, weight):
        return Link(source_id="a", target_id=other, kind=kind, weight=weight, reason="because", created_by="me")

    links = [link("next", "b", 1.0), link("similar", "c", 0.9), link("part_of", "d", 0.8), link("similar", "e", 0.7)]
    write_links(links, "a", title=lambda note_id: f"note {note_id}")
    assert capsys.readouterr().out.splitlines()[::2] == [
        "similar     → 0.90  note c",
        "            → 0.70  note e",
        "part_of     → 0.80  note d",
        "next        → 1.00  note b",
    ]


def test_ways_lead_on_from_what_was_reached():
    def link(a, b):
        return Link(source_id=a, target_id=b, kind="next", weight=1.0, reason="because", created_by="me")

    walked = [link("far", "near"), link("near", "note"), link("note", "after")]
    assert [there for _, there in ways("note", walked)] == ["near", "after", "far"]


# ----------------------------------------------------------------------- show


def test_show_tells_place_neighborhood_and_what_was_added(memory, opened, question, rows, cli):
    (row,) = rows("show", memory, question.id)
    assert [Topic.model_validate(t) for t in row["topics"]] == opened.topics()[:1]
    assert {Link.model_validate(link).key for link in row["links"]} == {x.key for x in opened.links(question.id)}
    card = cli("show", memory, question.id).stdout
    context, added = cards.card(question).split("\n")
    assert f"topic          {question.address}  {opened.topics()[0].name}\n" in card
    assert f"context        {context}\n" in card and f"  added        {added}\n" in card
    assert "elaborates  ← 0.80" in card


def test_show_tells_what_evolved_why_and_how_to_undo_it(memory, opened, question, cli):
    (link,) = opened.links(question.id, "elaborates")
    life = cli("show", memory, question.id).stdout.split("\nhistory\n")[1]
    assert "came; linked: 1 elaborates, 2 next" in life
    assert "learned: +Answered on 19 March 2025, Idris: “She floats" in life and "tags: +answered" in life
    assert "why     Idris answers it: “" in life and f"trigger {link.source_id[:12]} Idris: “" in life
    command = next(line.split("undo    ")[1] for line in life.splitlines() if "undo    zettel" in line)
    assert cli(*shlex.split(command)[1:]).exit_code == 0
    card = cli("show", memory, question.id).stdout
    assert "  added" not in card and "undo    taken back by 2.1" in card and "why     takes back 1." in card


def test_the_command_that_undoes_names_the_namespace(tmp_path, cli):
    path = tmp_path / "two words.zettel"
    cli("add", path, "A note.", "--id", "n", "--namespace", "b", "--embedder", "hashing")
    cli("forget", path, "n", "--namespace", "b")
    assert f"undo    zettel undo '{path}' 2.1 --namespace b\n" in cli("show", path, "n", "--namespace", "b").stdout


def test_a_note_without_place_and_links_is_shown_without(tmp_path, cli):
    path = tmp_path / "m.zettel"
    cli("add", path, "A lonely note.", "--id", "n", "--embedder", "hashing")
    cli("forget", path, "n")
    card = cli("show", path, "n").stdout
    assert "topic  " not in card and "\nlinks\n" not in card and "status: active → archived" in card


def test_a_whole_context_that_was_replaced_is_told_in_short(memory, opened, question, cli):
    with zettel.open_memory(memory, embedder="hashing") as writing:
        writing.update(question.id, context="one line\nanother line")
        writing.update(question.id, context="x" * 500)
    card = cli("show", memory, question.id).stdout
    assert "context: -one line -another line +xxx" in card
    assert Note.model_validate(opened.get(question.id)).context == "x" * 500
