"""What evolution is worth for finding: R@10 as it is, against the same notes frozen at the moment each was added.

    python benchmarks/ablation.py --eval DIR locomo realtalk beam [--keep DIR] [--only beam-100K]

DIR holds `evaldata.py` and `score_retrieval.py`, as for benchmarks/retrieval.py. A frozen note has the annotations it
arrived with, and of the messages around it only those before it. Prints R@10 of several mixtures, and the paired
differences with 95% intervals (bootstrap over questions).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from retrieval import load_module, messages

import zettel
from zettel.embedding import vector_key
from zettel.filters import UTC, Filter
from zettel.index import ExactIndex
from zettel.index.query import present
from zettel.index.ranking import rank
from zettel.index.sessions import Sessions
from zettel.model import Link, Note, NoteChange, parsed_fields

_DRAWS = 2000


class Earlier(Sessions):
    """Sessions in which no note learns what is said after it."""

    def _slide(self, rows: list[int], place: int) -> None:
        super()._slide(rows, place)
        self._table.windows[rows, self._window :] = -1


class Frozen(ExactIndex):
    """An index of such sessions."""

    def __init__(self, window: int) -> None:
        super().__init__(window)
        self._sessions = Earlier(self._table, window)


def filled(index: ExactIndex, memory: zettel.Memory, notes: Iterable[Note]) -> ExactIndex:
    """An index with notes and their vectors in it."""
    keys = {note.id: vector_key(memory.embedder.fingerprint, note) for note in notes}
    stored = memory._reader.passages(keys.values())
    index.put(notes, {note_id: stored[key] for note_id, key in keys.items()})
    return index


def nothing(ids: object, kinds: object) -> tuple[Link, ...]:
    """The links of a memory without any."""
    del ids, kinds
    return ()


def variants(memory: zettel.Memory) -> dict[str, tuple[ExactIndex, Any]]:
    """Indexes of the same notes, and the links a search may walk."""
    notes = memory._reader.notes()
    arrived = {c.note_id: c.after or {} for x in memory.log() for c in x.changes if isinstance(c, NoteChange)}
    first = [note.model_copy(update=parsed_fields(arrived[note.id])) for note in notes]
    window, links = memory.config.window, memory._reader.links
    return {
        "frozen": (filled(Frozen(window), memory, first), nothing),
        "+ messages after": (filled(ExactIndex(window), memory, first), nothing),
        "+ evolved annotations": (filled(ExactIndex(window), memory, notes), nothing),
        "+ links = default": (filled(ExactIndex(window), memory, notes), links),
    }


def recalls(memory: zettel.Memory, conversation: Any, metrics: Any) -> dict[str, list[float]]:
    """R@10 of each variant, one value a question."""
    found: dict[str, list[float]] = {}
    for name, (index, links) in variants(memory).items():
        message_ids = {note.id: note.sources[0].message_id for note in memory._reader.notes()}
        for question in conversation.questions:
            if question.category == "adversarial":
                continue
            read = memory._question(question.text, None).read(partial(present, index.newest()))
            config = replace(memory.config, expansion=memory.config.expansion if links is not nothing else 0)
            ranking = rank(index, read, Filter.of(UTC), memory._parts.signals, config, links)
            best = [message_ids[index.ids[row]] for row in ranking.top(100)]
            found.setdefault(name, []).append(metrics(best, question.gold)[2])
    return found


def difference(values: list[float], base: list[float]) -> str:
    """The mean paired difference in points, with its interval."""
    delta = 100 * (np.array(values) - np.array(base))
    draw = np.random.default_rng(0)
    means = [delta[draw.integers(0, len(delta), len(delta))].mean() for _ in range(_DRAWS)]
    low, high = np.percentile(means, [2.5, 97.5])
    return f"{delta.mean():+.1f} [{low:+.1f}, {high:+.1f}]"


def main() -> None:
    """Measure the datasets named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", nargs="+")
    parser.add_argument("--eval", type=Path, required=True)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--only", default="", help="take conversations whose id begins like this")
    args = parser.parse_args()
    evaldata = load_module(args.eval / "evaldata.py")
    metrics = load_module(args.eval / "score_retrieval.py").metrics
    with tempfile.TemporaryDirectory() as scratch:
        for dataset in args.datasets:
            total: dict[str, list[float]] = {}
            for conversation in evaldata.load(dataset):
                if not conversation.id.startswith(args.only):
                    continue
                path = (args.keep or Path(scratch)) / f"{dataset}.zettel"
                with zettel.open_memory(path, namespace=conversation.id) as memory:
                    memory.add_many(messages(conversation))
                    for name, values in recalls(memory, conversation, metrics).items():
                        total.setdefault(name, []).extend(values)
            for name, values in total.items():
                gain = difference(values, total["frozen"])
                print(f"{dataset:10} {name:22} {len(values)} questions, R@10 {np.mean(values):.3f}, {gain}", flush=True)


if __name__ == "__main__":
    main()
