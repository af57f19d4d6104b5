"""The wheel holds what zettel needs, and importing it costs next to nothing."""

import statistics
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    pytest.importorskip("hatchling", reason="hatchling, which builds the wheel, is not installed")
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_code_graph_samples_and_types_and_nothing_else(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "zettel/embedder/minilm.onnx",
        "zettel/samples/lighthouse.txt",
        "zettel/samples/questions.json",
        "zettel/py.typed",
        "zettel/wordlists/en/fillers.txt",
    } <= names
    strangers = [n for n in names if not n.startswith("zettel/") and ".dist-info/" not in n]
    assert strangers == []
    written = {str(p.relative_to(ROOT)) for p in (ROOT / "zettel").rglob("*.py")}
    assert written <= names


def test_the_wheel_works_on_its_own(wheel, tmp_path):
    """Taken apart into a folder, away from the repository, it makes a memory and finds a note."""
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    program = (
        "import zettel; print(zettel.__file__)\n"
        "with zettel.open_memory('a.zettel', embedder='hashing') as m:\n"
        "    m.add('The boat is blue.'); print(m.search('boat')[0].note.text)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path / "site")}, check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    path, text = run.stdout.splitlines()
    assert Path(path).is_relative_to(tmp_path) and text == "The boat is blue."


def test_importing_zettel_costs_at_most_half_more_than_its_two_base_packages():
    def seconds(statement):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", statement], check=True)
        return time.perf_counter() - start

    ratios = [seconds("import zettel") / seconds("import pydantic, numpy") for _ in range(5)]
    assert statistics.median(ratios) <= 1.5
