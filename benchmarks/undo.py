"""Undoes much of a real memory, and compares with a replay of its journal.

    python benchmarks/undo.py FILE... [--undos 100] [--seed 0]

Takes the files in by small commits, mixes in updates, forgets and uses, then

1. undoes random commits with `cascade=True`: what is left equals a replay of the journal without them and without what
   was built on them;
2. undoes every commit, newest first: nothing is left.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import zettel
from zettel.journal import State, apply, needs, writes
from zettel.model import Change, Commit, Placement, TopicChange, revisable_fields


def busy(memory: zettel.Memory, draw: random.Random, steps: int) -> None:
    """Change notes the way users do."""
    ids = [note.id for note in memory.notes()]
    for step in range(steps):
        note_id = draw.choice(ids)
        match draw.randrange(3):
            case 0:
                memory.update(note_id, context=f"context {step}", trust=draw.random())
            case 1:
                memory.forget(note_id)
            case _:
                memory.mark_used(draw.sample(ids, 3))


def without(commits: Iterable[Commit], dropped: set[int]) -> list[Change]:
    """The changes of a journal without undos, less those of some commits and all that stands on them.

    The topic tree is left out: it keeps its shape where others have built on it.
    """
    last: dict[tuple[str, ...], str] = {}
    gone: set[str] = set()
    left: list[Change] = []
    for commit in commits:
        for change in commit.changes:
            if isinstance(change, TopicChange | Placement):
                continue
            cells = (*writes(change), *needs(change))
            bases = {last[cell] for cell in cells if cell in last}
            last.update(dict.fromkeys(writes(change), change.id))
            if commit.id in dropped or bases & gone:
                gone.add(change.id)
            else:
                left.append(change)
    return left


def shown(memory: zettel.Memory) -> dict[str, object]:
    """What the memory shows of its notes."""
    notes = memory.notes(status=("active", "superseded", "archived", "quarantined"))
    return {note.id: (note.ordinal, revisable_fields(note)) for note in notes}


def main() -> None:
    """Run both comparisons and print what was compared."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--undos", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    draw = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "undo.zettel"
        with zettel.open_memory(path, embedder="hashing", config=zettel.Config(batch=16)) as memory:
            memory.ingest(args.files)
            busy(memory, draw, 200)
            journal = memory.log()
            print(f"{len(memory)} notes, {len(journal)} commits")
            chosen = draw.sample([commit.id for commit in journal], args.undos)
            start = time.perf_counter()
            for number in chosen:
                memory.undo(number, cascade=True)
            undo_s = time.perf_counter() - start
            expected = apply(State(), without(journal, set(chosen))).notes
            equal = json.dumps(shown(memory), sort_keys=True) == json.dumps(expected, sort_keys=True)
            print(f"{args.undos} random commits undone in {undo_s:.1f} s: {len(memory)} notes left;",
                  f"equal to the replay without them: {equal}; verify: {memory.verify().ok}")  # fmt: skip
            start = time.perf_counter()
            for commit in reversed(memory.log()):
                memory.undo(commit)
            undo_s = time.perf_counter() - start
            print(f"every commit undone, newest first, in {undo_s:.1f} s: {len(memory)} notes and",
                  f"{len(memory.topics())} topics left; verify: {memory.verify().ok}")  # fmt: skip
            if not equal or len(memory) or memory.topics():
                raise SystemExit(1)


if __name__ == "__main__":
    main()
