"""A field of a note or a link, and a kind of link, is declared once: all else derives from that, or says what lacks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import zettel
from zettel.model import LINK_FIELDS, NOTE_FIELDS

HELPER = Path(__file__).parent / "helpers" / "one_more.py"
NOTE, LINK, KIND = "    address: Annotated", "    @property\n    def key", '"part_of"'
N, M = len(NOTE_FIELDS.names), len(LINK_FIELDS.names)  # the next code of a note's field, and of a link's
LINES = {
    "mood": (NOTE, f'    mood: Annotated[str, Kept(code={N}, telling=True)] = ""\n{NOTE}'),
    "since": (LINK, f'    since: Annotated[str, Kept(code={M})] = ""\n\n{LINK}'),
    "inspires": (KIND, KIND + ', "inspires"'),
}
WRONG = {
    "no mark": ((NOTE, '    mood: str = ""\n' + NOTE), f"Note.mood does not say how it is kept.*Kept\\(code={N}\\)"),
    "a code twice": (
        (NOTE, f'    mood: Annotated[str, Kept(code=9)] = ""\n{NOTE}'),
        f"not 0 to {N}, each once: .*learned 9,.* mood 9",
    ),
    "a code left out": (
        (NOTE, f'    mood: Annotated[str, Kept(code={N + 1})] = ""\n{NOTE}'), f"not 0 to {N}, each once",
    ),
    "no default": (
        ("class Link(_Value):", f"class Link(_Value):\n    since: Annotated[str, Kept(code={M})]\n"),
        "Link.since needs a default",
    ),
    "no mark at a link": (
        (LINK, '    since: str = ""\n\n' + LINK), f"Link.since does not say how it is kept.*Kept\\(code={M}\\)",
    ),
}  # fmt: skip


def changed(folder: Path, line: tuple[str, str]) -> dict[str, str]:
    """A copy of zettel in which one place of ``model.py`` is another; returns the environment that runs it."""
    shutil.copytree(Path(zettel.__file__).parent, folder / "zettel", ignore=shutil.ignore_patterns("__pycache__"))
    model = folder / "zettel" / "model.py"
    text = model.read_text(encoding="utf-8")
    assert line[0] in text
    model.write_text(text.replace(*line, 1), encoding="utf-8")
    return {**os.environ, "PYTHONPATH": str(folder)}


def run(what: str, folder: Path, *more: str) -> None:
    place = folder / "memories"
    place.mkdir()
    environment = changed(folder, LINES[what])
    command = [sys.executable, str(HELPER), what, str(place / "m.zettel"), *more]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=place, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("what", LINES)
def test_one_line_is_enough(tmp_path: Path, what: str) -> None:
    run(what, tmp_path)


@pytest.mark.parametrize("what", LINES)
def test_one_line_is_enough_for_a_replica(tmp_path: Path, neo4j_uri: str, what: str) -> None:
    run(what, tmp_path, neo4j_uri)


@pytest.mark.parametrize(("line", "says"), WRONG.values(), ids=WRONG)
def test_what_lacks_is_said_at_import(tmp_path: Path, line: tuple[str, str], says: str) -> None:
    command, environment = [sys.executable, "-c", "import zettel.model"], changed(tmp_path, line)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path, check=False)
    with pytest.raises(AssertionError, match=says):
        assert done.returncode == 0, done.stderr.strip().splitlines()[-1]
