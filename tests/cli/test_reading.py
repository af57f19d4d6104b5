"""Commands that read: what they print is whole, parses, and changes nothing."""

import hashlib
import re
from collections import Counter
from pathlib import Path

import pytest

import zettel
from zettel.model import Commit, FieldDiff, HistoryEntry, Hit, Note, Verification, WhyNot

QUESTION = "When do we open the guest house?"


@pytest.fixture
def note(memory):
    with zettel.open_memory(memory, embedder="hashing") as opened:
        return opened.notes()[11]  # "The sixth of September, then. I'm writing our opening on the wall calendar"


def test_search_as_json_gives_the_hits_of_the_library(memory, rows):
    hits = [Hit.model_validate(row) for row in rows("search", memory, QUESTION, "-k", 3)]
    with zettel.open_memory(memory, embedder="hashing") as opened:
        assert hits == opened.search(QUESTION, 3)


def test_search_tells_rank_date_speaker_text_reason_and_source(memory, cli):
    lines = cli("search", memory, QUESTION, "-k", 1).stdout.splitlines()
    assert re.fullmatch(r"1\. 4 March 2025, 18:30  (Idris|Maren)  z1[0-9a-f]{10}  score \d+\.\d\d  topic 1", lines[0])
    assert lines[1].startswith("   ")
    assert any(line.startswith("   why   ") for line in lines)
    assert any(
        line.startswith("   from  lighthouse.txt, line ") and "session 2025-03-04 18:30" in line for line in lines
    )


def test_text_is_not_cut_or_wrapped_in_a_pipe(memory, process):
    long = "Numbers before we get carried away. Thirty thousand from you, thirty from me, and sixty is the ceiling."
    assert long in process("search", memory, "ceiling", COLUMNS="40").stdout
    assert long in process("diff", memory, "1", COLUMNS="40").stdout


def test_filters_reach_the_search(memory, cli, rows):
    cli("add", memory, "Agnes rated the loaf.", "--metadata", '{"stars": 3, "kind": "true"}', "--tag", "guests")
    found = lambda *more: [row["note"]["text"] for row in rows("search", memory, "Agnes loaf", "-k", 30, *more)]
    assert {row["note"]["speaker"] for row in rows("search", memory, "open", "--speaker", "maren")} == {"Maren"}
    for more in (
        ["--tag", "guests"],
        ["--where", "stars=3"],
        ["--where", 'stars={"gte": 2}'],
        ["--where", 'kind="true"'],
    ):
        assert found(*more) == ["Agnes rated the loaf."]
    assert found("--where", "kind=true") == []
    march = rows("search", memory, "boat", "-k", 30, "--since", "2025-03-10", "--until", "2025-03")
    assert {row["note"]["time"][:10] for row in march} == {"2025-03-19"}
    assert found("--status", "archived") == []


def test_as_of_a_commit(memory, cli, rows):
    cli("add", memory, "Agnes rated the loaf.")
    assert rows("search", memory, "Agnes loaf", "-k", 1)[0]["note"]["text"] == "Agnes rated the loaf."
    assert rows("search", memory, "Agnes loaf", "-k", 1, "--as-of", 1)[0]["note"]["text"] != "Agnes rated the loaf."
    assert rows("search", memory, "Agnes loaf", "--as-of", "2001-01") == []
    assert "Agnes" not in cli("recall", memory, "Agnes loaf", "--as-of", 1).stdout


def test_why_not(memory, note, rows, cli):
    (row,) = rows("search", memory, "boat", "-k", 1, "--why-not", note.id[:10])
    assert WhyNot.model_validate(row).note_id == note.id
    assert cli("search", memory, "boat", "-k", 1, "--why-not", note.id).stdout.startswith("outranked  It is outranked")


def test_recall_is_the_library_s_text(memory, cli, rows):
    with zettel.open_memory(memory, embedder="hashing") as opened:
        text = opened.recall(QUESTION, 200)
    assert cli("recall", memory, QUESTION, "--max-tokens", 200).stdout == text + "\n"
    assert rows("recall", memory, QUESTION, "--max-tokens", 200) == [{"text": text}]


def test_show_has_every_field_and_the_history(memory, note, cli, rows):
    (row,) = rows("show", memory, note.id)
    assert Note.model_validate(row["note"]) == note
    assert {HistoryEntry.model_validate(entry).cause for entry in row["history"]} == {"ingest"}
    card = cli("show", memory, note.id).stdout
    for part in (
        note.id,
        note.text,
        note.context,
        *note.keywords,
        "line 13",
        "2025-03-04 18:30",
        "local/",
        note.sources[0].sha256,
    ):
        assert part in card


def test_show_tells_the_history_of_a_note_that_is_gone(memory, note, cli, rows):
    cli("undo", memory, "1")
    (row,) = rows("show", memory, note.id[:12])
    assert (row["note"], row["topics"], row["links"]) == (None, [], [])
    assert {e["cause"] for e in row["history"]} == {"ingest", "undo"}
    assert "was taken out" in cli("show", memory, note.id[:12]).stdout


def test_an_id_may_be_shortened_until_it_is_ambiguous(memory, note, cli):
    assert note.text in cli("show", memory, note.id[:8]).stdout
    result = cli("show", memory, "z1")
    assert result.exit_code == 1 and result.stdout == ""
    assert "begins the ids of 25 notes" in result.stderr and "and 15 more" in result.stderr
    assert (
        cli("show", memory, "q").stderr == "error: no note's id begins with 'q': ids come from search, show and log\n"
    )


def test_log_is_newest_first_and_in_words(memory, note, cli, rows):
    cli("forget", memory, note.id)
    cli("undo", memory, "2")
    commits = [Commit.model_validate(row) for row in rows("log", memory)]
    assert [c.id for c in commits] == [3, 2, 1] and [c["id"] for c in rows("log", memory, "-n", 1)] == [3]
    undo, forget, ingest = cli("log", memory).stdout.splitlines()
    assert "takes back change 2.1; note brought back" in undo and "Maren: “The sixth of September, then." in undo
    assert "note forgotten" in forget
    assert ingest.startswith("1 ") and re.search(r" 25 new notes, \d+ revisions, \d+ links, 1 new topic$", ingest)


def test_diff_has_a_line_a_field(memory, note, cli, rows):
    cli("forget", memory, note.id)
    status, place = [FieldDiff.model_validate(row) for row in rows("diff", memory, 2)]
    assert (status.field, place.field, place.after) == ("status", "place", None)
    commit, line = cli("diff", memory, 2).stdout.splitlines()  # that it has left the topics goes without saying
    assert commit.startswith("2 ") and "note forgotten" in commit
    assert line == f"~ 2.1    {note.id[:12]}  status: active → archived (forgotten)"


def test_diff_tells_a_long_commit_without_the_places_of_its_notes(memory, cli, rows):
    shown = cli("diff", memory, 1).stdout
    assert len([row for row in rows("diff", memory, 1) if row["field"] == "place"]) == 25
    assert "place" not in shown and len(re.findall(r"^\+ 1\.\d+ +z1[0-9a-f]{10}  link ", shown, re.MULTILINE)) > 24
    assert re.search(r"^~ 1\.\d+ +z1[0-9a-f]{10}  learned: \+Answered on .*\(Idris answers it: ", shown, re.MULTILINE)
    assert re.search(r"^~ 1\.\d+ +z1[0-9a-f]{10}  tags: \+answered$", shown, re.MULTILINE)
    assert re.search(r"^\+ 1\.\d+ +topic \S", shown, re.MULTILINE)


def test_notes_that_go_from_one_topic_to_another_are_counted(tmp_path, cli):
    path = tmp_path / "m.zettel"
    chat = tmp_path / "chat.txt"
    chat.write_text("".join(f"Ann: Number {n} of the {n % 7} words.\n" for n in range(60)), encoding="utf-8")
    cli("ingest", path, chat, "--embedder", "hashing", "--batch", 30)
    newer, older = cli("log", path).stdout.splitlines()
    (n,) = re.findall(r" (\d+) notes in another topic", newer)
    assert "another topic" not in older
    shown = cli("diff", path, 2).stdout
    moves = re.findall(r"^~ (\d+) notes? from topic \d .* to topic \d ", shown, re.MULTILINE)
    assert sum(map(int, moves)) == int(n) > 0
    assert "from topic" not in cli("diff", path, 1).stdout


def test_a_commit_of_one_note_is_told_by_name(memory, cli):
    with zettel.open_memory(memory, embedder="hashing") as opened:
        first, second, *_ = opened.notes()
        opened.update(first.id, tags=["one"])
        opened.mark_used([first.id, second.id])
        opened.link(first.id, second.id, "causes", reason="one led to the other")
        opened.unlink(first.id, second.id, "causes")
    unlinked, linked, used, revised, _ = cli("log", memory).stdout.splitlines()
    assert f"tags of {first.id[:12]} Idris: “Are you home yet?" in revised and revised.endswith(" revised")
    assert f"note used {first.id[:12]} Idris: “" in used and f"” and {second.id[:12]} Maren: “" in used
    assert linked.endswith(" 1 link") and unlinked.endswith(" 1 link removed")
    assert "+ 4.1    " in cli("diff", memory, 4).stdout
    for _ in range(2):
        assert "link removed: 1 causes" in cli("show", memory, second.id).stdout
        assert cli("undo", memory, 5).exit_code == 0
        assert cli("show", memory, second.id).stdout.count("linked: 1 causes") == 2


def test_verify(memory, cli, rows):
    assert Verification.model_validate(rows("verify", memory)[0]).ok
    assert "no problem found" in cli("verify", memory).stdout


def test_verify_exits_1_when_it_finds_a_problem(memory, cli):
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(memory)) as db, db:
        db.execute("""UPDATE notes SET fields = replace(fields, 'local/', 'remote/') WHERE ordinal = 3""")
    result = cli("verify", memory)
    assert result.exit_code == 1 and "is not what the journal amounts to" in result.stdout
    assert result.stderr.startswith("error: ")
    assert cli("verify", memory, "--json").exit_code == 1


def test_stats(memory, cli, rows):
    (row,) = rows("stats", memory)
    with zettel.open_memory(memory, embedder="hashing", read_only=True) as opened:
        assert row["topics"] == len(opened.topics())
        assert row["links"] == dict(Counter(link.kind for link in opened.links()).most_common())
        changed = [c for commit in opened.log() for c in commit.changes if c.type == "revision"]
    assert row["revisions"] == {"evolution": len(changed)} and len(changed) > 1
    assert f"evolution: {len(changed)}" in cli("stats", memory).stdout
    assert row["status"] == {"active": 25} and row["speakers"] == {"Maren": 13, "Idris": 12}
    assert (row["sessions"], row["commits"], row["embedder"]) == (2, 1, "hashing/384/1")
    assert row["bytes"] >= Path(memory).stat().st_size
    assert row["first"] == "4 March 2025, 18:30"
    assert "Maren: 13, Idris: 12" in cli("stats", memory).stdout


@pytest.mark.parametrize(
    "args",
    [["search", "dog"], ["recall", "dog"], ["show", "z1"], ["topics"], ["links"], ["log"], ["diff", "1"], ["verify"],
     ["stats"]],
    ids=" ".join,
)  # fmt: skip
def test_a_missing_file_is_an_error_and_is_not_made(args, tmp_path, process):
    result = process(args[0], tmp_path / "none.zettel", *args[1:])
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("error: no memory at ") and result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_reading_writes_nothing_to_the_file(memory, note, cli):
    before = hashlib.sha256(Path(memory).read_bytes()).hexdigest()
    for command, *more in (
        ["search", "dog"], ["recall", "dog"], ["show", note.id], ["topics"], ["links"], ["log"], ["diff", 1],
        ["verify"], ["stats"], ["export", f"{memory}.jsonl"],
    ):  # fmt: skip
        assert cli(command, memory, *more).exit_code == 0
    assert hashlib.sha256(Path(memory).read_bytes()).hexdigest() == before


def test_the_embedder_need_not_be_named_again(memory, cli):
    assert cli("search", memory, "dog").exit_code == 0
    result = cli("search", memory, "dog", "--embedder", "hashing:64")
    assert result.exit_code == 1 and "hashing/384/1" in result.stderr


def test_models(rows, cli):
    listed = {row["embedder"]: row for row in rows("models", "list")}
    assert set(listed) >= {"minilm", "hashing"} and listed["hashing"]["installed"] is True
    assert "hashing" in cli("models", "list").stdout
