"""How much a routed search misses of what an exact one finds, how few vectors it looks at, and how long it takes.

    python benchmarks/routing.py --eval DIR locomo beam+qmsum [--notes 20000] [--share .4] [--margin .02]

DIR holds `evaldata.py`, which loads the datasets; neither it nor the data is part of zettel. All conversations of a
dataset, or of several joined by "+", go into one namespace, up to so many notes. Two thirds of the messages come first.
Then the memory is opened, so that its index is built from them, and half as many come in. Then a fifth of all notes is
forgotten. Then the memory is opened anew. After each step all questions are asked twice: in a memory that searches
exactly, and in one that routes whatever its size.

Recall is the part of the exact search's first ten that the routed one has among its own; the interval is that of 95 %.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from retrieval import load_module, messages

import zettel
from zettel.filters import Filter
from zettel.index import ExactIndex
from zettel.index.ranking import NoteRows, Ranking
from zettel.memory import Memory

_TOP = 10
_FORGOTTEN = 0.2
_EXACTLY = 10**9  # notes, below which a search is exact


@dataclass
class Figures:
    """What the questions of one step gave, one value each."""

    fused: list[float] = field(default_factory=list)
    dense: list[float] = field(default_factory=list)
    rescored: list[float] = field(default_factory=list)
    exact_s: list[float] = field(default_factory=list)
    routed_s: list[float] = field(default_factory=list)

    def line(self) -> str:
        """The figures in a row."""
        ratio = statistics.median(r / e for r, e in zip(self.routed_s, self.exact_s, strict=True))
        return (
            f"recall@{_TOP} fused {_with_interval(self.fused)}, by cosine {_with_interval(self.dense)};"
            f" vectors looked at {100 * statistics.fmean(self.rescored):.1f} % (most {100 * max(self.rescored):.1f} %);"
            f" ranking {1000 * statistics.median(self.routed_s):.2f} ms, exactly"
            f" {1000 * statistics.median(self.exact_s):.2f} ms, ratio {ratio:.2f}"
        )


def _with_interval(values: Sequence[float]) -> str:
    half = 1.96 * statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return f"{statistics.fmean(values):.4f} ±{half:.4f}"


def ranking(memory: Memory, question: str) -> tuple[Ranking, float]:
    """A search up to where notes are read, and the seconds it took; the question's vector is at hand already."""
    start = time.perf_counter()
    # search() does not tell what it looked at
    found = memory._derived.ranking(memory._question(question, None), Filter(), _TOP)
    elapsed = time.perf_counter() - start
    assert found is not None
    return found, elapsed


def compare(exact: Memory, routed: Memory, questions: Sequence[str]) -> Figures:
    """Ask all questions of both."""
    figures = Figures()
    for question in questions:
        vector = exact.embedder.embed([question])[0]
        for memory in (exact, routed):
            memory.search(question)
        wanted, exact_s = ranking(exact, question)
        found, routed_s = ranking(routed, question)
        figures.exact_s.append(exact_s)
        figures.routed_s.append(routed_s)
        figures.fused.append(_shared(_ids(wanted.index, wanted.top(_TOP)), _ids(found.index, found.top(_TOP))))
        figures.rescored.append(found.scan.n_rescored / len(found.scan.columns.vectors))
        indexes = [r.index for r in (wanted, found) if isinstance(r.index, ExactIndex)]
        figures.dense.append(_shared(*(_ids(index, index.nearest(vector, _TOP).rows.tolist()) for index in indexes)))
    return figures


def _ids(index: NoteRows, rows: Sequence[int]) -> set[str]:
    return {index.ids[row] for row in rows}


def _shared(wanted: set[str], found: set[str]) -> float:
    return len(wanted & found) / max(len(wanted), 1)


def steps(path: Path, said: Sequence[zettel.Message], opener: Callable[[Path], Memory]) -> Iterator[str]:
    """Take the memory at ``path`` through its life; what was done is told after each step."""
    border = 2 * len(said) // 3
    with opener(path) as memory:
        memory.add_many(said[:border])
        yield f"built from {border} messages"
        memory.add_many(said[border:])
        yield f"and {len(said) - border} more came in"
        notes = memory.notes()
        for note in random.Random(0).sample(notes, int(len(notes) * _FORGOTTEN)):
            memory.forget(note.id)
        yield f"and {_FORGOTTEN:.0%} of all were forgotten"
    yield "opened anew"


def run(names: str, evaldata: ModuleType, folder: Path, config: dict[str, Any], n_notes: int) -> None:
    """Measure one group of datasets."""
    conversations = [c for name in names.split("+") for c in evaldata.load(name)]
    said: list[zettel.Message] = []
    questions: list[str] = []
    for conversation in conversations:
        if len(said) < n_notes:
            own = messages(conversation)[: n_notes - len(said)]
            said += [m if m.text.strip() else m.model_copy(update={"text": "(nothing)"}) for m in own]
            questions += [question.text for question in conversation.questions]
    questions = random.Random(0).sample(questions, min(len(questions), 300))
    path = folder / f"{names}.zettel"
    opened: list[Memory] = []
    for step in steps(path, said, lambda p: zettel.open_memory(p, config=zettel.Config(exact_below=_EXACTLY))):
        if not opened or step == "opened anew":
            opened = [zettel.open_memory(path, config=zettel.Config(exact_below=n, **config)) for n in (_EXACTLY, 0)]
        figures = compare(opened[0], opened[1], questions)
        print(f"{names}, {len(said)} messages, {step}: {figures.line()}", flush=True)
    for memory in opened:
        memory.close()


def main() -> None:
    """Measure the groups named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", nargs="+", help='datasets; several in one memory: "beam+qmsum"')
    parser.add_argument("--eval", type=Path, required=True, help="folder of evaldata.py")
    parser.add_argument("--notes", type=int, default=20_000, help="the most notes of a memory")
    parser.add_argument("--share", type=float, help="Config.beam_share")
    parser.add_argument("--margin", type=float, help="Config.beam_margin")
    args = parser.parse_args()
    evaldata = load_module(args.eval / "evaldata.py")
    given = {"beam_share": args.share, "beam_margin": args.margin}
    config = {name: value for name, value in given.items() if value is not None}
    with tempfile.TemporaryDirectory() as scratch:
        for names in args.datasets:
            run(names, evaldata, Path(scratch), config, args.notes)


if __name__ == "__main__":
    main()
