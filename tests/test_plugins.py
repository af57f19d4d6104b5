"""Which plug-ins there are, which are at work, and what is said of those that can't be."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import zettel
from zettel import plugins, registry
from zettel.errors import InputError, PluginError
from zettel.protocols import LinkRule, Policy, Signal, Store, TranscriptFormat

Opener = Callable[..., Any]

SIGNAL = """
NAME, WEIGHT, STANDARDIZED = "length", 0.3, True
def values(scan):
    return scan.columns.lengths.astype(float)
def reason(scan, row):
    return None
"""
RULE = """
from zettel.model import Link
KIND, DEGREE = "part_of", 2
def links(arrival):
    for near in arrival.nearest:
        yield Link(source_id=near.note.id, target_id=arrival.note.id, kind=KIND, weight=1, reason="so",
                   created_by="linker/places")
"""
POLICY = """
from zettel.protocols import Rewrite
def rewrite(encounter):
    return Rewrite({"tags": [*encounter.neighbor.tags, "met"]}, "they met")
"""
FORMAT = """
from zettel.model import Message
from zettel.protocols import Entry
class Shouted:
    name, suffixes = "shouted", frozenset({".loud"})
    def sniff(self, transcript):
        return float(transcript.text.isupper())
    def read(self, transcript):
        for n, line in enumerate(transcript.text.splitlines()):
            yield Entry(Message(text=line, conversation_id=transcript.name, message_id=str(n)), f"line {n}")
FORMAT = Shouted()
"""
GROUPS = {"scoring": "length", "linker": "places", "evolution": "met", "transcripts": "shouted"}
CODE = {"scoring": SIGNAL, "linker": RULE, "evolution": POLICY, "transcripts": FORMAT}

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Puts a package with entry points on the path: ``kind=(name, code)``."""
    imported: list[str] = []

    def put(package: str, **found: tuple[str, str]) -> None:
        root = tmp_path / f"site-{package}"
        (root / package).mkdir(parents=True)
        (root / package / "__init__.py").write_text("")
        info = root / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        lines = []
        for kind, (name, code) in found.items():
            (root / package / f"{kind}.py").write_text(code)
            lines.append(f"[zettel.{kind}]\n{name} = {package}.{kind}\n")
        (info / "entry_points.txt").write_text("\n".join(lines))
        monkeypatch.syspath_prepend(str(root))
        plugins._elsewhere.cache_clear()
        imported.append(package)

    yield put
    for name in [m for m in sys.modules if m.partition(".")[0] in imported]:
        del sys.modules[name]
    plugins._elsewhere.cache_clear()


def everything() -> dict[str, tuple[str, str]]:
    return {kind: (GROUPS[kind], CODE[kind]) for kind in GROUPS}


# ---------------------------------------------------------------------- built in


def test_those_of_zettel_keep_their_protocols_and_are_at_work_by_default() -> None:
    assert all(isinstance(signal, Signal) for signal in registry.signals())
    assert all(isinstance(rule, LinkRule) for rule in registry.rules())
    assert all(isinstance(policy, Policy) for policy in registry.policies())
    assert all(isinstance(fmt, TranscriptFormat) for fmt in registry.formats())
    assert [signal.NAME for signal in registry.signals()] == plugins.built_in("scoring")


def test_a_list_of_names_is_an_order_in_which_the_built_in_ones_may_stand_together() -> None:
    assert [signal.NAME for signal in registry.signals(["lexical", "dense"])] == ["lexical", "dense"]
    every = plugins.built_in("scoring")
    rest = [name for name in every if name != "time"]
    assert [signal.NAME for signal in registry.signals(["time", "built-in"])] == ["time", *rest]
    assert registry.rules([]) == () == registry.policies(())


@pytest.mark.parametrize(("setting", "kind"), [("rules", "linker"), ("policies", "evolution"), ("signals", "scoring")])
def test_an_unknown_name_is_refused_with_those_there_are(opened: Opener, setting: str, kind: str) -> None:
    known = ", ".join(plugins.names(kind))
    with pytest.raises(InputError, match=rf"Config\.{setting}: there is no {kind} plug-in 'x'; there are {known}, and"):
        opened(config=zettel.Config(**{setting: ["x"]}))


@pytest.mark.parametrize("bad", ["similar", [1], 3, {"similar"}])
def test_what_is_no_list_of_names_is_refused(bad: Any) -> None:
    for name in ("rules", "policies", "signals"):
        with pytest.raises(InputError, match=f"Config.{name} is .*it must be a list of names"):
            zettel.Config(**{name: bad})


def test_no_signals_are_refused() -> None:
    with pytest.raises(InputError, match="Config.signals is empty"):
        zettel.Config(signals=())


def test_only_what_is_chosen_is_at_work(opened: Opener) -> None:
    said = [("Ann", "Where does the puppy sleep at night?"), ("Bob", "The puppy sleeps in the kitchen at night.")]
    every, next_only = opened("a"), opened("b", config=zettel.Config(rules=["next"], policies=[], signals=["dense"]))
    for memory in (every, next_only):
        memory.add_many([zettel.Message(text=t, speaker=s, conversation_id="c", message_id=t) for s, t in said])
    assert {link.kind for link in every.links()} > {"next"}
    assert {link.kind for link in next_only.links()} == {"next"}
    assert [c for commit in every.log() for c in commit.changes if c.type == "revision"]
    assert all(commit.cause == "add" for commit in next_only.log())
    assert not [c for commit in next_only.log() for c in commit.changes if c.type == "revision"]
    assert set(next_only.search("puppy")[0].signals) == {"dense", "linked"}


# --------------------------------------------------------------- in other packages


def test_what_another_package_brings_is_at_work_only_if_it_is_named(opened: Opener, install: Install) -> None:
    install("strange", **everything())
    assert "length" in plugins.names("scoring")
    assert "length" not in plugins.built_in("scoring")
    plain = opened("a")
    plain.add_many(["apples", "red apples"])
    assert "length" not in plain.search("apples")[0].signals
    assert plain.links(kind="part_of") == []
    chosen = zettel.Config(rules=["built-in", "places"], policies=["met"], signals=["built-in", "length"])
    memory = opened("b", config=chosen)
    first, _ = memory.add_many(["apples", "red apples"])
    assert [name for name in memory.search("apples")[0].signals if name != "linked"][-1] == "length"
    assert len(memory.links(kind="part_of")) == 1
    assert "met" in memory.get(first.id).tags
    assert memory.verify().ok


def test_a_format_of_another_package_takes_part_in_detection(opened: Opener, install: Install, tmp_path: Path) -> None:
    (tmp_path / "chats").mkdir()
    (tmp_path / "chats" / "x.loud").write_text("APPLES\nPEARS\n")
    with pytest.raises(InputError, match="no transcript in"):
        opened("a").ingest(tmp_path / "chats")
    install("strange", **everything())
    report = opened("b").ingest(tmp_path / "chats")
    assert (report.new, report.files[0].format) == (2, "shouted")


def test_an_entry_point_may_name_an_object(opened: Opener, install: Install, tmp_path: Path) -> None:
    code = "class Met:\n    def rewrite(self, encounter):\n        return None\nMET = Met()"
    install("strange", evolution=("met", code))
    points = tmp_path / "site-strange" / "strange-1.0.dist-info" / "entry_points.txt"
    points.write_text("[zettel.evolution]\nmet = strange.evolution:MET\n")
    plugins._elsewhere.cache_clear()
    [policy] = registry.policies(["met"])
    assert type(policy).__name__ == "Met"


def test_a_name_that_is_taken_is_refused_with_both_places(opened: Opener, install: Install) -> None:
    install("strange", linker=("similar", RULE))
    with pytest.raises(InputError, match=r"two linker .* 'similar': zettel's own zettel.linker.similar and str"):
        opened()
    assert opened("b", config=zettel.Config(rules=["next"])).head == 0, "where it is not used, it does no harm"


def test_two_packages_with_one_name_are_told_apart_by_nobody(install: Install) -> None:
    install("one", linker=("places", RULE))
    install("two", linker=("places", RULE))
    with pytest.raises(InputError, match="two linker .* called 'places': .*one.linker.* and .*|two.linker"):
        registry.rules(["places"])


def test_one_that_cannot_be_imported_is_named_and_breaks_no_other(
    opened: Opener, install: Install, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    install("broken", **{kind: (name, "import nowhere_at_all") for kind, name in GROUPS.items()})
    (tmp_path / "chat.txt").write_text("Ann: hi\nBob: hello\n" * 3)
    with caplog.at_level(logging.WARNING, "zettel"):
        memory = opened()
    assert "no file will be recognised as shouted: transcripts plug-in 'shouted' (broken.transcripts" in caplog.text
    assert memory.ingest(tmp_path / "chat.txt").new == 6
    for setting, name in (("rules", "places"), ("policies", "met"), ("signals", "length")):
        with pytest.raises(PluginError, match=f"'{name}' \\(broken.* can't be imported \\(ModuleNotFoundError: .*mend"):
            opened(config=zettel.Config(**{setting: [name]}))
    with pytest.raises(PluginError, match="'shouted'"):
        memory.ingest(tmp_path / "chat.txt", format="shouted")


def test_a_store_that_cannot_be_imported_is_told_of_only_if_no_other_serves(opened: Opener, install: Install) -> None:
    install("broken", store=("cloud", "import nowhere_at_all"))
    assert isinstance(opened()._store, Store)
    with pytest.raises(InputError, match=r"no store serves 'cloud://x'.*plug-in 'cloud' \(broken.store.*imported"):
        zettel.open_memory("cloud://x")


@pytest.mark.parametrize(
    ("kind", "code", "says"),
    [
        ("scoring", SIGNAL.replace("WEIGHT,", "HEAVY,"), r"scoring.py\) can't be used: it lacks WEIGHT \(a finite num"),
        ("scoring", SIGNAL.replace("0.3", "'0.3'"), "its WEIGHT is '0.3', but must be a finite number"),
        ("scoring", SIGNAL.replace('"length"', '"width"'), "its NAME is 'width', but must be the plug-in's name"),
        ("scoring", "values = 3", "it lacks NAME .*; it lacks WEIGHT .*its values is 3, but must be a function"),
        ("scoring", f"{SIGNAL}\nCOLUMNS = 'trust',", "its COLUMNS is .*'trust',.*, but must be a tuple of Column"),
        ("linker", RULE.replace('"part_of"', '"likes"'), "its KIND is 'likes', but must be one of similar, next"),
        ("linker", RULE.replace("2\n", "0\n"), "its DEGREE is 0, but must be a whole number of at least 1"),
        ("evolution", "", r"it lacks rewrite \(a function of an Encounter\)"),
    ],
)
def test_one_that_lacks_something_is_refused_with_its_file(install: Install, kind: str, code: str, says: str) -> None:
    install("strange", **{kind: (GROUPS[kind], code)})
    with pytest.raises(InputError, match=says):
        plugins.load(kind, GROUPS[kind])


def test_what_a_plug_in_makes_is_checked_too(install: Install, opened: Opener) -> None:
    code = "class Half:\n    fingerprint = 'half/1'\ndef create(model):\n    return Half()\n"
    install("strange", embedder=("half", code), analyzer=("half", code))
    with pytest.raises(InputError, match="what embedder plug-in 'half' creates is no Embedder: it lacks embed"):
        opened(embedder="half")
    with pytest.raises(InputError, match="'half' creates is no Analyzer: it lacks analyze, name"):
        registry.analyzer("half")
    with pytest.raises(InputError, match="the embedder given, 3, is no Embedder: it lacks embed, fingerprint"):
        opened("b", embedder=3)


# --------------------------------------------------------------- on the command line


def test_the_command_line_chooses_too(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from zettel.cli import app

    def run(*args: str) -> Any:
        return CliRunner().invoke(app, list(args))

    path = str(tmp_path / "a.zettel")
    base = ("--embedder", "hashing")
    assert run("add", path, "Max the puppy.", *base, "--rules", "", "--policies", "").exit_code == 0
    found = run("search", path, "puppy", *base, "--signals", "lexical, dense", "--json")
    assert '"signals":{"lexical":' in found.stdout.replace(" ", "")
    for args in (["search", path, "puppy", "--signals", "x"], ["add", path, "y", "--rules", "x"]):
        wrong = run(*args, *base)
        assert wrong.exit_code == 1
        assert "there is no" in wrong.stderr
