"""Commands that change a memory."""

import os
import pickle
import re
import signal
import subprocess
import sys
from functools import partial

import pytest

import zettel
from zettel.cli.wording import typed
from zettel.errors import Call, ConflictError, InputError, NotFoundError, Remedy, see
from zettel.model import IngestReport, Progress


def notes(path, **filters):
    with zettel.open_memory(path, embedder="hashing", read_only=True) as memory:
        return memory.notes(**filters)


# ------------------------------------------------------------------------ add


def test_add_makes_the_memory_and_prints_the_id(tmp_path, cli):
    path = tmp_path / "new.zettel"
    result = cli(
        "add", path, "A puppy.", "--embedder", "hashing", "--speaker", "Idris", "--time", "2025-04-04", "--tag", "pets",
        "--id", "puppy", "--source", "http://example.org/1", "--metadata", '{"paws": 4}', "--timezone", "Europe/Paris",
    )  # fmt: skip
    assert (result.exit_code, result.stdout) == (0, "puppy\n")
    (note,) = notes(path)
    assert (note.text, note.speaker, note.metadata, note.sources[0].uri) == (
        "A puppy.",
        "Idris",
        {"paws": 4},
        "http://example.org/1",
    )
    assert "pets" in note.tags and note.time.isoformat() == "2025-04-04T00:00:00+02:00"


def test_add_reads_stdin_and_keeps_all_but_the_last_newline(memory, process):
    process("add", memory, "-", "--id", "piped", stdin="  two\n lines \n\n")
    assert next(n.text for n in notes(memory) if n.id == "piped") == "  two\n lines \n"


def test_what_can_t_be_added_is_one_line_of_error(memory, cli):
    result = cli("add", memory, "A puppy.", "--time", "yesterday")
    assert result.exit_code == 1 and result.stdout == ""
    assert result.stderr.startswith("error: cannot read the time 'yesterday'") and result.stderr.count("\n") == 1
    done = subprocess.run(
        [sys.executable, "-m", "zettel", "add", memory, "-"], input=b"\xff", capture_output=True, check=False
    )
    assert done.returncode == 1 and b"error: stdin is not UTF-8" in done.stderr


# --------------------------------------------------------------- forget, undo


def test_forget_and_undo(memory, cli, rows):
    note = notes(memory)[0]
    assert f"zettel undo {memory} 2\n" in cli("forget", memory, note.id[:10]).stdout
    assert "already" in cli("forget", memory, note.id[:10]).stdout
    assert rows("search", memory, note.text, "-k", 1)[0]["note"]["id"] != note.id
    assert cli("undo", memory, "2").stdout.startswith("commit 3: takes back change 2.1; note brought back")
    assert rows("search", memory, note.text, "-k", 1)[0]["note"]["id"] == note.id
    assert cli("undo", memory, "2").stdout == "nothing to do: 2 was taken back in commit 3 already\n"


def test_undo_names_what_is_in_the_way(memory, cli):
    note = notes(memory)[0]
    with zettel.open_memory(memory, embedder="hashing") as opened:
        opened.update(note.id, tags=["one"])
        opened.update(note.id, tags=["two"])
    result = cli("undo", memory, "2.1")
    assert result.exit_code == 1 and "3.1" in result.stderr
    assert "--cascade" in result.stderr and "cascade=" not in result.stderr
    assert cli("undo", memory, "2.1", "--cascade").exit_code == 0
    assert notes(memory)[0].tags == note.tags


def test_undoing_what_a_note_caused(memory, cli):
    question = next(note for note in notes(memory) if "answered" in note.tags)
    with zettel.open_memory(memory, embedder="hashing", read_only=True) as opened:
        answer = opened.links(question.id, "elaborates")[0].source_id
    done = cli("undo", memory, "--trigger", answer[:12])
    assert done.exit_code == 0 and done.stdout.startswith("commit 2: takes back ")
    assert f"learned, tags of {question.id[:12]} {question.speaker}: “" in done.stdout
    assert "answered" not in next(note for note in notes(memory) if note.id == question.id).tags
    again = cli("undo", memory, "--trigger", answer[:12]).stdout
    assert again.startswith(f"nothing to do: what note {answer[:12]} ") and "in commit 2 already" in again
    result = cli("undo", memory, "--trigger", question.id)
    assert result.exit_code == 1 and "has caused no revision: see `zettel show`" in result.stderr


def test_a_commit_that_is_undone_is_reported_by_counts(memory, cli):
    done = cli("undo", memory, "1").stdout
    assert re.fullmatch(
        r"commit 2: takes back \d+ changes of commit 1; 25 notes taken out, \d+ revisions taken back,"
        r" \d+ links removed, 1 topic gone\n", done,
    )  # fmt: skip
    done = cli("undo", memory, "2").stdout
    assert "25 notes brought back" in done and " links" in done


CASCADE = Remedy("pass {} to take them along", (Call("undo", "cascade", value=True),))


@pytest.mark.parametrize(
    ("error", "in_python", "as_typed"),
    [
        (ConflictError("3.1 is built on:", ["3.1"], remedy=CASCADE), "pass cascade=True to", "pass --cascade to"),
        (InputError("?", remedy=Remedy("{} an id", (Call("undo", "trigger"),))), "trigger= an id", "--trigger an id"),
        (NotFoundError("no commit 9:", remedy=see("log")), "see log()", "9: see `zettel log`"),
        (NotFoundError("no:", remedy=see("history")), "no: see history()", "no: see `zettel show`"),
        (NotFoundError("no:", remedy=see("notes", "log", words="{} or {}")), "notes() or log()", "or `zettel log`"),
        (NotFoundError("no commit log() cascade=True"), "no commit log() cascade=True", "log() cascade=True"),
    ],
)  # fmt: skip
def test_a_remedy_is_spelt_as_python_or_as_it_is_typed(error, in_python, as_typed):
    assert in_python in str(error)
    assert as_typed in error.worded(typed)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.remedy) == (type(error), str(error), error.remedy)
    assert again.worded(typed) == error.worded(typed)


def test_erasing_asks_and_without_a_terminal_refuses(memory, cli):
    note = notes(memory)[0]
    result = cli("forget", memory, note.id, "--erase")
    assert result.exit_code == 1 and "nothing was erased; pass --yes" in result.stderr
    assert len(notes(memory)) == 25
    assert "can't be undone" in cli("forget", memory, note.id, "--erase", "--yes").stdout
    assert len(notes(memory)) == 24
    assert cli("show", memory, note.id).stdout.startswith(note.id)
    assert note.text not in cli("log", memory).stdout + cli("diff", memory, 1).stdout


@pytest.mark.parametrize(("answer", "left", "code"), [("n\n", 25, 1), ("y\n", 24, 0)])
def test_erasing_on_a_terminal_takes_yes_or_no(memory, cli, monkeypatch, answer, left, code):
    monkeypatch.setattr("zettel.cli.commands.changing._is_terminal", lambda: True)
    assert cli("forget", memory, notes(memory)[0].id, "--erase", stdin=answer).exit_code == code
    assert len(notes(memory)) == left


@pytest.mark.parametrize("args", [["forget", "z1"], ["undo", "1"]], ids=" ".join)
def test_changing_what_is_not_there_makes_no_file(args, tmp_path, cli):
    result = cli(args[0], tmp_path / "none.zettel", args[1])
    assert result.exit_code == 1 and "no memory at" in result.stderr
    assert list(tmp_path.iterdir()) == []


# --------------------------------------------------------------- export, load


@pytest.mark.parametrize("history", [[], ["--history"]], ids=["notes", "history"])
def test_export_and_load(memory, tmp_path, cli, history):
    copy, dump = tmp_path / "copy.zettel", tmp_path / "dump.jsonl"
    cli("forget", memory, notes(memory)[3].id)
    assert "wrote" in cli("export", memory, dump, *history).stdout
    assert "loaded 25 notes" in cli("load", copy, dump, "--embedder", "hashing").stdout
    assert [n.text for n in notes(copy)] == [n.text for n in notes(memory)]
    assert cli("load", copy, memory).exit_code == 1


def test_export_never_replaces_the_memory_itself(memory, cli):
    result = cli("export", memory, memory)
    assert result.exit_code == 1 and "the memory itself" in result.stderr
    assert len(notes(memory)) == 25


# --------------------------------------------------------------------- ingest


def ingest(cli, path, *args):
    return cli("ingest", path, *args, "--embedder", "hashing")


def test_ingest_as_json_tells_each_commit_and_then_the_report(tmp_path, chats, rows):
    *commits, report = rows("ingest", tmp_path / "m.zettel", chats, "--batch", 10, "--embedder", "hashing")
    told = [Progress.model_validate(row["commit"]) for row in commits]
    assert [(p.commit, p.done, p.total) for p in told] == [(1, 10, 25), (2, 20, 25), (3, 25, 25)]
    assert IngestReport.model_validate(report["report"]).commits == (1, 2, 3)


def test_ingesting_again_changes_nothing(memory, chats, cli):
    result = ingest(cli, memory, chats)
    assert result.exit_code == 0 and result.stderr == ""
    _, row = result.stdout.splitlines()  # the file's path is on one line, however long
    assert row.split()[-4:] == ["plain", "0", "25", "0"]


def test_what_fails_is_listed_with_its_place(tmp_path, chats, cli):
    bad = tmp_path / "bad.bin"
    bad.write_bytes(b"\0\1\2")
    path = tmp_path / "m.zettel"
    result = ingest(cli, path, chats, bad)
    assert result.exit_code == 0 and "25 new notes in 1 commit, 0 unchanged, 1 failed" in result.stdout
    assert result.stderr.startswith(f"failed: {bad}: a binary file")
    assert ingest(cli, path, chats, bad).exit_code == 0  # all that can be used is there
    assert ingest(cli, path, chats, bad, "--strict").exit_code == 1
    result = ingest(cli, path, bad)
    assert result.exit_code == 1 and "error: nothing could be used" in result.stderr
    assert ingest(cli, path, tmp_path / "nowhere").exit_code == 1


@pytest.mark.skipif(os.name == "nt", reason="signals are sent otherwise on Windows")
def test_an_interrupted_ingestion_exits_130_and_goes_on_later(tmp_path, cli):
    chat = tmp_path / "long.txt"
    chat.write_text("".join(f"{'Ann' if n % 2 else 'Ben'}: message number {n}\n" for n in range(400)), encoding="utf-8")
    path = tmp_path / "m.zettel"
    command = [sys.executable, "-m", "zettel", "ingest", path, chat, "--batch", "1", "--embedder", "hashing", "--json"]
    # A shell that runs the tests in the background has them ignore the signal, and so would the command.
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes, preexec_fn=heard) as running:  # noqa: PLW1509 -- there are no threads
        assert '"commit"' in running.stdout.readline()  # told as soon as it is durable, and not at the end
        running.send_signal(signal.SIGINT)
        _, stderr = running.communicate(timeout=60)
    assert running.returncode == 130
    assert stderr == "interrupted: what was committed before is kept\n"
    kept = len(notes(path))
    assert 0 < kept < 400
    assert ingest(cli, path, chat).exit_code == 0
    assert len(notes(path)) == 400


def test_what_cannot_be_taken_in_makes_no_memory(cli, tmp_path):
    (tmp_path / "empty").mkdir()
    for args in (["ingest", "new.zettel", str(tmp_path / "empty")], ["load", "new.zettel", "nowhere.jsonl"]):
        args[1] = str(tmp_path / "new.zettel")
        result = cli(*args)
        assert result.exit_code == 1 and result.stderr.startswith("error: ")
        assert not (tmp_path / "new.zettel").exists()


def test_an_export_names_a_file(cli, tmp_path):
    memory = str(tmp_path / "a.zettel")
    cli("add", memory, "one", "--embedder", "hashing")
    result = cli("export", memory, "-")
    assert result.exit_code == 1 and "name one instead of -" in result.stderr


def test_the_log_still_tells_what_happened_to_a_note_that_was_erased(cli, tmp_path):
    memory = str(tmp_path / "a.zettel")
    note = cli("add", memory, "the swordfish sings", "--embedder", "hashing").stdout.strip()
    cli("forget", memory, note)
    cli("forget", memory, note, "--erase", "--yes")
    log = cli("log", memory).stdout
    assert "note forgotten" in log and "note erased" in log and "swordfish" not in log
