"""An addition touches one file of ``zettel/``: it is made in a copy, used by another process, and held to its suite.

A copy differs from the package in the one file that a case names. A script then uses what was added, and the suite of
``zettel.testing`` that concerns it runs over it.
"""

from __future__ import annotations

import filecmp
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import zettel

PACKAGE = Path(zettel.__file__).parent

FORMAT = '''
"""Every line in capitals is a message."""

from zettel.errors import TranscriptError
from zettel.model import Message, Problem
from zettel.protocols import Entry


class Shouted:
    name = "shouted"
    suffixes = frozenset({".loud"})

    def sniff(self, transcript):
        text = transcript.text.lstrip("\\ufeff").replace("\\r", "\\n")
        lines = [line for line in text.splitlines() if line.strip()]
        return 0.9 * (len(lines) > 1 and all(line.isascii() and line.isupper() and "{" not in line for line in lines))

    def read(self, transcript):
        text = transcript.text.lstrip("\\ufeff").replace("\\r\\n", "\\n").replace("\\r", "\\n")
        if not text.strip():
            raise TranscriptError("expected lines in capitals, but there is none")
        for n, line in enumerate(text.split("\\n"), 1):
            if not line.strip():
                continue
            if not line.isascii() or not line.isupper() or "{" in line or "[" in line:
                yield Problem(place=f"line {n}", reason="expected capitals")
            else:
                yield Entry(Message(text=line, conversation_id=transcript.name, message_id=str(n)), f"line {n}")


FORMAT = Shouted()
'''
SIGNAL = '''
"""Longer notes hold more facts."""

import numpy as np

NAME, WEIGHT, STANDARDIZED = "length", 0.3, True


def values(scan):
    return np.log1p(scan.columns.lengths.astype(np.float64))


def reason(scan, row):
    return None
'''
COLUMN = '''
"""Trusted notes come first."""

import numpy as np

from zettel.protocols import Column

NAME, WEIGHT, STANDARDIZED = "trusted", 5.0, False
COLUMNS = (Column("trust", np.float32, lambda note: note.trust),)


def values(scan):
    return scan.columns.own["trust"].astype(np.float64)


def reason(scan, row):
    return None
'''
RULE = '''
"""What happened in one place belongs together."""

from zettel.model import Link

KIND, DEGREE = "part_of", 3


def links(arrival):
    place = arrival.note.metadata.get("place")
    for near in arrival.nearest:
        if place and near.note.metadata.get("place") == place:
            yield Link(
                source_id=arrival.note.id, target_id=near.note.id, kind=KIND, weight=0.5, reason="the same place",
                created_by="linker/places",
            )
'''
POLICY = '''
"""A neighbor in the same place is tagged."""

from zettel.protocols import Rewrite


def rewrite(encounter):
    if "met" in encounter.neighbor.tags:
        return None
    return Rewrite(fields={"tags": [*encounter.neighbor.tags, "met"]}, reason="another note came")
'''
COMMAND = '''
"""The command count."""

from zettel.cli import options
from zettel.cli.output import write


def count(memory: options.Memory, *, namespace: options.Namespace = "default") -> None:
    """Print how many notes there are."""
    from zettel.cli import access

    with access.reading(memory, namespace=namespace) as opened:
        write(str(len(opened)))


COMMANDS = {"Look": (count,)}
'''


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package, in a folder of its own."""
    there = tmp_path / "site" / "zettel"
    shutil.copytree(PACKAGE, there, ignore=shutil.ignore_patterns("__pycache__"))
    return there


def changed(copy: Path) -> list[str]:
    """The files of a copy that are not those of the package."""
    paths = (path for path in copy.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    names = [str(path.relative_to(copy)) for path in paths]
    _, other, strange = filecmp.cmpfiles(PACKAGE, copy, names, shallow=False)
    return sorted([*other, *strange])


def run(copy: Path, *command: str, **environment: str) -> str:
    """What a process says that has the copy instead of the package."""
    own = {**os.environ, "PYTHONPATH": str(copy.parent), "PYTHONDONTWRITEBYTECODE": "1", **environment}
    done = subprocess.run(
        [sys.executable, *command], cwd=copy.parent, env=own, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def script(copy: Path, code: str, *arguments: str) -> str:
    return run(copy, "-c", f"import sys, zettel\nfrom zettel import registry, Message\n{code}", *arguments)


def suite(copy: Path, code: str) -> None:
    """Run a test file that subclasses a suite."""
    (copy.parent / "test_it.py").write_text(f"import pytest\nfrom zettel.testing import *\n{code}", encoding="utf-8")
    run(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--hypothesis-seed=1", "test_it.py")


def test_a_transcript_format(copy: Path) -> None:
    (copy / "transcripts" / "shouted.py").write_text(FORMAT)
    assert changed(copy) == ["transcripts/shouted.py"]
    (copy.parent / "chats").mkdir()
    (copy.parent / "chats" / "x.loud").write_text("APPLES\nPEARS\n")
    said = script(
        copy,
        """
with zettel.open_memory(":memory:", embedder="hashing") as memory:
    report = memory.ingest("chats")
    print(report.new, report.files[0].format, memory.search("pears", k=1)[0].note.text)
""",
    )
    assert said == "2 shouted PEARS\n"
    suite(
        copy,
        """
from zettel.transcripts.shouted import FORMAT
class TestShouted(TranscriptContract):
    plugin = TranscriptCase(FORMAT, "APPLES\\nPEARS\\n", ["APPLES", "PEARS"], "APPLES\\nPEARS\\nPLUMS\\n")
""",
    )


def test_a_signal_over_what_the_index_holds(copy: Path) -> None:
    (copy / "scoring" / "length.py").write_text(SIGNAL)
    assert changed(copy) == ["scoring/length.py"]
    said = script(
        copy,
        """
with zettel.open_memory(":memory:", embedder="hashing") as memory:
    memory.add_many(["a boat", "a boat with two masts and a blue hull"])
    print(memory.search("boat")[0].signals["length"] > 0, memory.verify().ok)
""",
    )
    assert said == "True True\n"
    suite(copy, "import zettel.scoring.length as it\nclass TestIt(SignalContract):\n    plugin = it\n")


def test_a_signal_over_a_column_of_its_own(copy: Path) -> None:
    (copy / "scoring" / "trusted.py").write_text(COLUMN)
    assert changed(copy) == ["scoring/trusted.py"]
    said = script(
        copy,
        """
def found(memory):
    return [hit.note.text for hit in memory.search("boat", k=2)]
with zettel.open_memory("a.zettel", embedder="hashing") as memory:
    notes = memory.add_many(["a boat", "another boat"])
    memory.update(notes[0].id, trust=0.1)
    before = found(memory)
    memory.update(notes[0].id, trust=1.0)
    memory.update(notes[1].id, trust=0.2)
    print(before[0], "|", found(memory)[0], "|", memory.verify().ok)
    after = found(memory)
with zettel.open_memory("a.zettel", embedder="hashing", read_only=True) as memory:
    print(found(memory) == after)
""",
    )
    assert said == "another boat | a boat | True\nTrue\n"
    suite(copy, "import zettel.scoring.trusted as it\nclass TestIt(SignalContract):\n    plugin = it\n")


def test_a_rule(copy: Path) -> None:
    (copy / "linker" / "places.py").write_text(RULE)
    assert changed(copy) == ["linker/places.py"]
    said = script(
        copy,
        """
with zettel.open_memory(":memory:", embedder="hashing") as memory:
    for n in range(3):
        memory.add(f"a boat, number {n}", metadata={"place": "Oslo"})
    print(*{link.created_by for link in memory.links(kind="part_of")}, memory.verify().ok)
""",
    )
    assert said == "linker/places True\n"
    suite(copy, "import zettel.linker.places as it\nclass TestIt(RuleContract):\n    plugin = it\n")


def test_a_policy(copy: Path) -> None:
    (copy / "evolution" / "met.py").write_text(POLICY)
    assert changed(copy) == ["evolution/met.py"]
    said = script(
        copy,
        """
with zettel.open_memory(":memory:", embedder="hashing") as memory:
    for n in range(2):
        memory.add_many([Message(text=f"boat {n}", conversation_id="c", message_id=str(n))])
    first = memory.notes()[0]
    print(first.tags, memory.history(first.id)[-1].change.reason, memory.verify().ok)
""",
    )
    assert "'met'" in said
    assert said.endswith("another note came True\n")
    suite(copy, "import zettel.evolution.met as it\nclass TestIt(PolicyContract):\n    plugin = it\n")


def test_a_command(copy: Path) -> None:
    (copy / "cli" / "commands" / "counting.py").write_text(COMMAND)
    assert changed(copy) == ["cli/commands/counting.py"]
    run(copy, "-m", "zettel", "add", "a.zettel", "a boat", "--embedder", "hashing")
    assert run(copy, "-m", "zettel", "count", "a.zettel") == "1\n"
    assert "Print how many notes there are." in run(copy, "-m", "zettel", "--help")


# ------------------------------------------------------------------ what the model holds


def with_a_field(model: str) -> str:
    """The model with one more field of a note, under the next free code."""
    start = model.index("class Note(")
    note = model[start : model.index("\nclass ", start)]
    code = 1 + max(int(number) for number in re.findall(r"Kept\(code=(\d+)", note))
    line = f'    mood: Annotated[str, Kept(code={code}, telling=True)] = ""\n    address: '
    return model[:start] + note.replace("    address: ", line, 1) + model[start + len(note) :]


def with_a_kind(model: str) -> str:
    """The model with one more kind of link."""
    return model.replace('LinkKind = Literal[\n    "similar",', 'LinkKind = Literal[\n    "answers", "similar",', 1)


MOOD = """
with zettel.open_memory(sys.argv[1], embedder="hashing") as memory:
    plain, sad = memory.add_many(["a boat", "another boat"])
    assert plain.mood == ""
    memory.update(sad.id, mood="sad")
    memory.update(sad.id, mood="glad")
    memory.undo(memory.head)
    assert memory.get(sad.id).mood == "sad"
    assert [diff.after for diff in memory.diff(2)] == ["sad"]
    memory.export("dump.jsonl", history=True)
    assert memory.verify().ok
with zettel.open_memory("again.zettel", embedder="hashing") as memory:
    memory.load("dump.jsonl")
    print(*sorted(note.mood for note in memory.notes()))
"""
ANSWERS = """
with zettel.open_memory(sys.argv[1], embedder="hashing") as memory:
    asked, said = memory.add_many(["which boat?", "the blue boat"])
    memory.link(said.id, asked.id, "answers", reason="it says which")
    memory.export("dump.jsonl", history=True)
    assert memory.verify().ok
with zettel.open_memory("again.zettel", embedder="hashing") as memory:
    memory.load("dump.jsonl")
    print(*(link.reason for link in memory.links(kind="answers")))
"""
PUSH = """
from zettel import replication
from zettel.config import DEFAULT
source = registry.open_store(sys.argv[1], namespace="default", read_only=True, config=DEFAULT)
graph = registry.open_store(sys.argv[2], namespace="default", read_only=False, config=DEFAULT)
replication.push(source, graph, origin="m.zettel")
assert [n.model_dump() for n in graph.notes()] == [n.model_dump() for n in source.notes()]
assert graph.links() == source.links()
print(*sorted(note.mood for note in graph.notes()) if sys.argv[3] == "mood" else (link.kind for link in graph.links()))
"""
ADDED = {"mood": (with_a_field, MOOD, " sad"), "answers": (with_a_kind, ANSWERS, "it says which")}


def model_with(copy: Path, change: Callable[[str], str]) -> None:
    path = copy / "model.py"
    before = path.read_text(encoding="utf-8")
    path.write_text(change(before), encoding="utf-8")
    assert changed(copy) == ["model.py"]


@pytest.mark.parametrize(("change", "use", "says"), ADDED.values(), ids=ADDED)
def test_a_field_of_a_note_and_a_kind_of_link(copy: Path, change: Callable[[str], str], use: str, says: str) -> None:
    model_with(copy, change)
    assert script(copy, use, "a.zettel") == f"{says}\n"


@pytest.mark.parametrize("added", ADDED)
def test_a_field_and_a_kind_of_link_survive_a_push(copy: Path, neo4j_uri: str, added: str) -> None:
    change, use, _ = ADDED[added]
    model_with(copy, change)
    script(copy, use, "a.zettel")
    said = script(copy, PUSH, "a.zettel", neo4j_uri, added)
    assert ("sad" if added == "mood" else "answers") in said.split()
