"""What users hold on to: names, docstrings, what an import costs, and that a plug-in is one file."""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, get_args, get_type_hints

import pytest

import zettel
import zettel.analyzer
import zettel.embedder
import zettel.evolution
import zettel.linker
import zettel.scoring
import zettel.store
import zettel.transcripts
from zettel import AsyncMemory, plugins, registry
from zettel.errors import InputError, NotFoundError, StoreError
from zettel.memory import Memory
from zettel.model import Revision
from zettel.protocols import Analyzer

Opener = Callable[..., Memory]
PACKAGE = Path(zettel.__file__).parent
ROOT = PACKAGE.parent
FILES = sorted(path for path in PACKAGE.rglob("*.py") if "__pycache__" not in path.parts)


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def run(code: str, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


# ---------------------------------------------------------------------------- names


def test_all_is_sorted_and_exactly_what_can_be_imported() -> None:
    assert zettel.__all__ == sorted(zettel.__all__)
    assert len(set(zettel.__all__)) == len(zettel.__all__) < 60
    assert set(zettel._HOMES) == set(zettel.__all__)
    for name in zettel.__all__:
        value = getattr(zettel, name)
        assert value.__name__ == name
        assert value.__module__ == f"zettel.{zettel._HOMES[name]}"
    assert set(zettel.__all__) <= set(dir(zettel))
    scope: dict[str, Any] = {}
    exec("from zettel import *", scope)
    assert set(scope) - {"__builtins__"} == set(zettel.__all__)
    with pytest.raises(AttributeError, match="'zettel' has no attribute 'Memmory'"):
        _ = zettel.Memmory  # type: ignore[attr-defined]


def test_the_names_are_known_to_type_checkers_too() -> None:
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    [guarded] = [node for node in tree.body if isinstance(node, ast.If)]
    imported = {
        alias.name: node.module for node in guarded.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert imported == {name: f"zettel.{home}" for name, home in zettel._HOMES.items()}
    assert (PACKAGE / "py.typed").exists()


def kinds(annotation: Any) -> Iterator[type]:
    """The classes of zettel that an annotation names, with those of their fields."""
    for part in annotation if isinstance(annotation, list | tuple) else get_args(annotation):
        yield from kinds(part)
    if isinstance(annotation, type) and annotation.__module__.startswith("zettel") and not get_args(annotation):
        yield annotation
        for field in getattr(annotation, "model_fields", {}).values():
            yield from kinds(field.annotation)


def test_every_type_that_a_method_gives_or_passes_on_is_exported() -> None:
    for name, member in inspect.getmembers(Memory):
        call = member.fget if isinstance(member, property) else member
        if name.startswith("_") or not callable(call):
            continue
        hints = get_type_hints(call, localns={"MultiDiGraph": list})
        for parameter in ("return", "on_progress"):
            strange = {kind.__name__ for kind in kinds(hints.get(parameter))} - set(zettel.__all__)
            assert not strange, f"Memory.{name}: {parameter}"


def test_every_error_is_exported() -> None:
    from zettel import errors

    assert {name for name in vars(errors) if name.endswith("Error")} <= set(zettel.__all__)


def test_every_error_is_a_zettel_error_and_drawn_in_the_tree() -> None:
    from zettel import errors

    found = {name: value for name, value in vars(errors).items() if inspect.isclass(value) and name.endswith("Error")}
    assert all(issubclass(value, errors.ZettelError) for value in found.values())
    drawn = (errors.__doc__ or "").split("::")[1]
    assert {word for word in drawn.replace("─", " ").split() if word.endswith("Error")} == set(found)


# -------------------------------------------------------------------------- imports


def test_importing_zettel_imports_nothing_heavy() -> None:
    heavy = [
        "numpy",
        "onnxruntime",
        "pydantic",
        "spacy",
        "tokenizers",
        "typer",
        "rich",
        "Stemmer",
        "sqlite3",
        "asyncio",
    ]
    code = f"import sys, zettel; print([name for name in {heavy} if name in sys.modules])"
    assert run(code).strip() == "[]"


def test_opening_reading_and_searching_by_hash_loads_no_model() -> None:
    code = """
import sys, zettel
with zettel.open_memory(":memory:", embedder="hashing") as memory:
    memory.search("x"), memory.notes(), memory.log()
print([name for name in ("onnxruntime", "spacy", "tokenizers", "typer", "rich") if name in sys.modules])
"""
    assert run(code).strip() == "[]"


def test_every_module_can_be_imported_first() -> None:
    code = """
import importlib, sys, warnings
warnings.simplefilter("error")
import numpy, pydantic, zettel.memory  # once: they take long, and are not ours
for name in sys.argv[1:]:
    for known in [m for m in sys.modules if m == "zettel" or m.startswith("zettel.")]:
        if known.count(".") == 0 or not known.startswith(("zettel.model", "zettel.protocols", "zettel.errors")):
            del sys.modules[known]
    importlib.import_module(name)
    print(name)
"""
    names = [module_name(path) for path in FILES if path.name != "__main__.py"]
    assert run(code, *names).split() == names


def test_the_lowest_modules_import_alone() -> None:
    for name in ("errors", "model", "protocols"):
        run(
            f"import zettel.{name}, sys; assert not any(m in sys.modules for m in ('zettel.memory', 'zettel.registry'))"
        )


def test_imports_point_one_way() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    if not lint.exists():
        pytest.skip("import-linter is not installed")
    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Contracts: 2 kept, 0 broken" in done.stdout


def test_every_module_stands_in_a_layer() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    [layers] = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    named = {module.strip(" ()") for layer in layers for module in layer.split("|")}
    top = {".".join(module_name(path).split(".")[:2]) for path in FILES} - {
        "zettel",
        "zettel.__main__",
        "zettel.samples",
    }
    assert top == named


# ----------------------------------------------------------------------- docstrings


def public(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """All public functions, classes, methods and properties of a module, but dunder methods and overloads."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node.name, node
            if isinstance(node, ast.ClassDef):
                for inner in node.body:
                    if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef) and not inner.name.startswith("_"):
                        yield f"{node.name}.{inner.name}", inner


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_everything_public_has_a_docstring(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), f"{path.name} does not say what it is for"
    undocumented = [name for name, node in public(tree) if not ast.get_docstring(node)]  # type: ignore[arg-type]
    missing = [name for name in undocumented if ".test_" not in name]  # a test's name says what it holds
    assert not missing


# ---------------------------------------------------------------------------- async


METHODS = sorted(
    name for name, value in inspect.getmembers(Memory) if inspect.isfunction(value) and not name.startswith("_")
)


@pytest.mark.parametrize("name", METHODS)
def test_async_memory_mirrors_every_method(name: str) -> None:
    mirrored = getattr(AsyncMemory, name)
    assert inspect.iscoroutinefunction(mirrored)
    assert inspect.getdoc(mirrored)
    if name != "as_of":
        assert inspect.signature(mirrored) == inspect.signature(getattr(Memory, name))


def test_async_memory_has_nothing_of_its_own() -> None:
    own = {name for name in vars(AsyncMemory) if not name.startswith("_")}
    assert own == set(METHODS)


def test_async_memory_works(opened: Opener, tmp_path: Path) -> None:
    path = tmp_path / "chat.txt"
    path.write_text("Ann: apples\nBob: pears\nAnn: plums\nBob: figs\n")
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    async def main() -> None:
        ticking = asyncio.create_task(tick())
        async with AsyncMemory(opened()) as memory:
            note = await memory.add("red apples", speaker="Ann")
            await asyncio.gather(*(memory.add(f"number {n}") for n in range(10)))
            assert len(await memory.add_many(["x", "y"])) == 2
            assert (await memory.ingest(path)).new == 4
            assert (await memory.get(note.id)) == note
            assert len(await memory.notes()) == len(memory.memory) == 17
            [hit] = await memory.search("red apples", k=1, speaker="ann")
            assert hit.note == note
            assert "apples" in await memory.recall("apples", max_tokens=50)
            assert (await memory.why_not("apples", note.id)).step == "found"
            assert (await memory.update(note.id, trust=0.5)).trust == 0.5
            assert (await memory.mark_used([note.id])) is not None
            forgotten = await memory.forget(note.id)
            assert forgotten is not None
            await memory.undo(forgotten)
            assert len(await memory.history(note.id)) == 5
            assert len(await memory.log()) == memory.memory.head
            assert (await memory.diff(1))[0].after == "red apples"
            then = await memory.as_of(1)
            assert isinstance(then, AsyncMemory)
            assert [n.id for n in await then.notes()] == [note.id]
            assert await memory.namespaces() == ["default"]
            assert (await memory.verify()).ok
            await memory.export(tmp_path / "e.jsonl")
            async with AsyncMemory(opened("other")) as other:
                assert (await other.load(tmp_path / "e.jsonl")) is not None
                assert len(await other.notes()) == 17
            with pytest.raises(InputError, match="k is 0"):
                await memory.search("x", k=0)
            with pytest.raises(NotFoundError):
                await memory.get("nobody")
        with pytest.raises(StoreError, match="closed"):
            await memory.notes()
        ticking.cancel()

    asyncio.run(main())
    assert ticks > 50  # the event loop went on


# ------------------------------------------------------------------------- plug-ins

FORMAT = """
from zettel.model import Message
from zettel.protocols import Entry

class Shouted:
    name = "shouted"
    suffixes = frozenset({".loud"})

    def sniff(self, transcript):
        return 1.0 if transcript.text.isupper() else 0.0

    def read(self, transcript):
        for n, line in enumerate(transcript.text.splitlines(), 1):
            yield Entry(Message(text=line, conversation_id=transcript.name, message_id=str(n)), f"line {n}")

FORMAT = Shouted()
"""
EMBEDDER = """
import numpy as np

class Lengths:
    def __init__(self, model):
        self.fingerprint = f"lengths/{model}"

    def embed(self, texts):
        angles = np.array([len(text) for text in texts], np.float32) / 100
        return np.stack([np.cos(angles), np.sin(angles)], axis=1)

def create(model):
    return Lengths(model)
"""
ANALYZER = """
from zettel.protocols import Analysis

class Terse:
    name = "terse/1"

    def analyze(self, utterances):
        return [Analysis(f"Terse on {u.text}.", (u.text.split()[0],), ("terse",), ()) for u in utterances]

def create(model):
    return Terse()
"""
SIGNAL = """
import numpy as np

NAME = "shortness"
WEIGHT = 100.0
STANDARDIZED = False

def values(scan):
    return 1.0 / (1.0 + scan.columns.lengths.astype(np.float64))

def reason(scan, row):
    return "it is short"
"""
RULE = """
from zettel.model import Link

KIND = "part_of"
DEGREE = 2

def links(arrival):
    for near in arrival.nearest:
        if near.note.text in arrival.note.text:
            yield Link(
                source_id=near.note.id, target_id=arrival.note.id, kind=KIND,
                weight=len(near.note.text) / len(arrival.note.text),
                reason=f"it holds all of “{near.note.text}”", created_by="linker/holding",
            )
"""
POLICY = """
from zettel.protocols import Rewrite

def rewrite(encounter):
    if any(link.kind == "part_of" for link in encounter.links):
        return Rewrite({"tags": [*encounter.neighbor.tags, "held"]}, "a later note holds it")
"""
STORE = """
from zettel.store.sqlite import SQLiteStore

SCHEMES = ("nowhere://",)

def open_store(address, *, namespace, read_only, config):
    return SQLiteStore(":memory:", namespace=namespace, read_only=read_only, busy_timeout_s=1.0)
"""


@pytest.fixture
def plugged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[ModuleType, str, str], None]]:
    """Writes one file into a folder of plug-ins, and takes it out again."""
    added: list[tuple[ModuleType, str]] = []

    def plug(package: ModuleType, name: str, code: str) -> None:
        folder = tmp_path / package.__name__
        folder.mkdir()
        (folder / f"{name}.py").write_text(code)
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
        added.append((package, name))

    yield plug
    for package, name in added:
        sys.modules.pop(f"{package.__name__}.{name}", None)
        vars(package).pop(name, None)


Plug = Callable[[ModuleType, str, str], None]


def test_a_transcript_format_is_one_file(plugged: Plug, opened: Opener, tmp_path: Path) -> None:
    (tmp_path / "chat.loud").write_text("APPLES\nPEARS\n")
    with pytest.raises(InputError, match="there is no format 'shouted'"):
        opened("a").ingest(tmp_path / "chat.loud", format="shouted")
    plugged(zettel.transcripts, "shouted", FORMAT)
    memory = opened("b")
    report = memory.ingest(tmp_path)
    assert (report.new, report.files[0].format) == (2, "shouted")
    assert memory.ingest(tmp_path / "chat.loud", format="shouted").unchanged == 2
    assert memory.search("pears")[0].note.text == "PEARS"


def test_an_embedder_is_one_file(plugged: Plug, opened: Opener) -> None:
    with pytest.raises(InputError, match="no embedder 'lengths': there are hashing"):
        opened("a", embedder="lengths")
    plugged(zettel.embedder, "lengths", EMBEDDER)
    memory = opened("b", embedder="lengths:v2")
    memory.add_many(["short", "a longer text"])
    assert memory.embedder.fingerprint == "lengths/v2"
    assert memory.search("shirt")[0].signals["dense"] == pytest.approx(1.0, abs=1e-3)
    assert memory.verify().ok


def test_an_analyzer_is_one_file(plugged: Plug, opened: Opener) -> None:
    with pytest.raises(InputError, match="no analyzer 'terse': there are local"):
        opened("a", analyzer="terse").add("x")
    plugged(zettel.analyzer, "terse", ANALYZER)
    note = opened("b", analyzer="terse").add("apples are red")
    assert (note.context, note.keywords, note.tags) == ("Terse on apples are red.", ("apples",), ("terse",))
    assert note.analyzed_by == "terse/1"


def test_a_signal_is_one_file(plugged: Plug, opened: Opener) -> None:
    opened().add_many(["apple", "an apple and then many other red words"])
    before = opened().search("many red words")
    assert "shortness" not in before[0].signals
    plugged(zettel.scoring, "shortness", SIGNAL)
    hits = opened().search("many red words")
    assert hits[0].note.text == "apple"
    assert hits[0].signals["shortness"] == 0.5
    assert "it is short" in hits[0].why.lower()
    off = zettel.Config(weights={"shortness": 0.0})
    assert [hit.note for hit in opened(config=off).search("many red words")] == [hit.note for hit in before]
    assert "shortness" in opened().why_not("many red words", hits[1].note.id, k=1).why


def test_a_link_rule_is_one_file(plugged: Plug, opened: Opener) -> None:
    texts = ["apples", "red apples", "pears", "red apples and pears"]
    opened("a").add_many(texts)
    assert opened("a").links(kind="part_of") == []
    plugged(zettel.linker, "holding", RULE)
    memory = opened("b")
    first, second, third, all_of_them = memory.add_many(texts)
    links = memory.links(kind="part_of")
    assert [link.key[:2] for link in links] == [
        (first.id, second.id), (second.id, all_of_them.id), (first.id, all_of_them.id)
    ], "the strongest two of each note"  # fmt: skip
    assert links[0].reason == "it holds all of “apples”"
    assert memory.neighbors(second.id) == [memory.get(first.id), all_of_them]
    assert memory.links(third.id) == []
    assert memory.verify().ok


def test_an_evolution_policy_is_one_file(plugged: Plug, opened: Opener) -> None:
    plugged(zettel.linker, "holding", RULE)
    plugged(zettel.evolution, "held", POLICY)
    memory = opened()
    apples = memory.add("apples")
    more = memory.add("red apples")
    assert "held" in memory.get(apples.id).tags
    [entry] = [entry for entry in memory.history(apples.id) if isinstance(entry.change, Revision)]
    assert (entry.change.trigger, entry.change.reason) == (more.id, "a later note holds it")
    memory.undo(trigger=more)
    assert memory.get(apples.id).tags == apples.tags
    assert memory.verify().ok


def test_a_store_is_one_file(plugged: Plug, analyzer: Analyzer) -> None:
    with pytest.raises(InputError, match="no store serves 'nowhere://x'"):
        zettel.open_memory("nowhere://x")
    plugged(zettel.store, "nowhere", STORE)
    with zettel.open_memory("nowhere://x", embedder="hashing", analyzer=analyzer) as memory:
        memory.add("apples")
        assert memory.search("apples")[0].note.text == "apples"
    with pytest.raises(InputError, match="no store serves 'elsewhere://x'.*nowhere://"):
        zettel.open_memory("elsewhere://x")


def test_the_plugins_are_those_of_the_files() -> None:
    for kind, package in plugins.KINDS.items():
        folder = Path(package.__path__[0])
        inside = [*folder.glob("*.py"), *(p.parent for p in folder.glob("*/__init__.py"))]
        files = {p.stem for p in inside if not p.name.startswith("_")}
        assert set(plugins.names(kind)) == files
        for name in files - {"sentence_transformers"}:
            plugins.load(kind, name)
    assert {f.name for f in registry.formats()} == set(plugins.names("transcripts"))
    assert [s.NAME for s in registry.signals()] == plugins.names("scoring")
    for kind, found in (("linker", registry.rules()), ("evolution", registry.policies())):
        assert [vars(p)["__name__"].rpartition(".")[2] for p in found] == plugins.names(kind)


def test_a_commit_tells_json_what_it_is(opened: Opener) -> None:
    memory = opened()
    memory.add("x")
    commit = memory.log()[0]
    assert zettel.Commit.model_validate_json(commit.model_dump_json()) == commit
    assert json.loads(commit.model_dump_json())["changes"][0]["type"] == "note"
