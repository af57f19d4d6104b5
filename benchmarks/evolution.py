"""What links and evolution make of real transcripts, and whether they keep their promises.

    python benchmarks/evolution.py FILE... [--undos 100] [--seed 0] [--one-by-one] [--show 40]

Takes the files in, then checks and prints:

1. how many links and revisions there are; that no text changed, that each revised note was linked to the note that
   caused it, and that no add and no day rewrote more than it may;
2. that undoing the revisions of random triggers with `cascade=True` leaves what a replay of the journal without them
   and without what was built on them leaves;
3. with `--one-by-one`, that adding the same messages one by one gives the same notes, links, topics and revisions;
4. with `--show N`, N random links and N random revisions, for reading.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import zettel
from zettel.journal import State, apply, needs, writes
from zettel.model import (
    Change,
    Commit,
    Link,
    LinkChange,
    Note,
    NoteChange,
    Revision,
    day_of,
    link_fields,
    revisable_fields,
)

_ALL = ("active", "superseded", "archived", "quarantined")


def check(memory: zettel.Memory, texts: dict[str, str]) -> None:
    """Print what there is, and stop at the first broken promise."""
    notes = {note.id: note for note in memory.notes(status=_ALL)}
    assert {i: note.text for i, note in notes.items()} == texts, "a text changed"
    kinds = Counter(link.kind for link in memory.links())
    print("links a note:", ", ".join(f"{kind} {n / len(notes):.2f}" for kind, n in kinds.most_common()))
    revisions = 0
    days: Counter[tuple[str, str]] = Counter()
    for commit in memory.log():
        linked: set[frozenset[str]] = set()
        made: Counter[str] = Counter()
        for change in commit.changes:
            if isinstance(change, LinkChange):
                linked.add(frozenset((change.source_id, change.target_id)))
            if isinstance(change, Revision) and change.trigger is not None:
                revisions += 1
                made[change.trigger] += 1
                trigger = notes[change.trigger]
                days[change.note_id, day_of(trigger.time, trigger.ordinal)] += 1
                assert frozenset((change.note_id, change.trigger)) in linked, "a note was revised that was not linked"
        assert max(made.values(), default=0) <= memory.config.rewrites_per_add, "an add rewrote too much"
    assert max(days.values(), default=0) <= memory.config.rewrites_per_day, "a day rewrote too much"
    print(f"revisions: {revisions}, {revisions / len(notes):.2f} a note; no text changed, no bound was broken")


def without(commits: Iterable[Commit], triggers: set[str]) -> list[Change]:
    """The changes of a journal without undos, less the revisions of some triggers and all that stands on them."""
    last: dict[tuple[str, ...], str] = {}
    gone: set[str] = set()
    left: list[Change] = []
    for commit in commits:
        for change in commit.changes:
            bases = {last[cell] for cell in (*writes(change), *needs(change)) if cell in last}
            last.update(dict.fromkeys(writes(change), change.id))
            if (isinstance(change, Revision) and change.trigger in triggers) or bases & gone:
                gone.add(change.id)
            else:
                left.append(change)
    return left


def undo(memory: zettel.Memory, draw: random.Random, n: int) -> None:
    """Undo the revisions of random triggers, and compare with a replay without them."""
    journal = memory.log()
    caused = {c.trigger for commit in journal for c in commit.changes if isinstance(c, Revision) and c.trigger}
    triggers = draw.sample(sorted(caused), min(n, len(caused)))
    start = time.perf_counter()
    for trigger in triggers:
        memory.undo(trigger=trigger, cascade=True)
    took = time.perf_counter() - start
    state = apply(State(), without(journal, set(triggers)))
    shown = {note.id: (note.ordinal, revisable_fields(note)) for note in memory.notes(status=_ALL)}
    links = {link.key: link_fields(link) for link in memory.links()}
    assert shown == state.notes, "notes differ"
    assert links == state.links, "links differ"
    assert memory.verify().ok, "verify found something"
    print(f"revisions of {len(triggers)} triggers undone in {took:.1f} s: the same as a replay without them")


def told(memory: zettel.Memory) -> list[object]:
    """Everything that must not depend on how messages were batched."""
    notes = [note.model_dump(mode="json", exclude={"created_at"}) for note in memory.notes(status=_ALL)]
    changes = [c.model_dump(mode="json", exclude={"id"}) for commit in memory.log() for c in commit.changes]
    return [notes, sorted(link.model_dump_json() for link in memory.links()), memory.topics(), changes]


def one_by_one(memory: zettel.Memory, path: Path, files: list[Path]) -> None:
    """Add the messages of a memory one by one to a new one, and compare."""
    config = zettel.Config(batch=1)
    with zettel.open_memory(path, config=config) as single:
        start = time.perf_counter()
        single.ingest(files)
        took = time.perf_counter() - start
        names = ("notes", "links", "topics", "changes of the journal")
        for name, a, b in zip(names, told(memory), told(single), strict=True):
            assert a == b, f"{name} differ"
        print(f"{len(single)} notes added one by one in {took:.0f} s: the same {', '.join(names)}")


def shown(note: Note) -> str:
    """A note for reading."""
    return f"{note.time:%Y-%m-%d} {note.speaker}: {' '.join(note.text.split())[:300]}"


def show(memory: zettel.Memory, draw: random.Random, n: int) -> None:
    """Print random links and revisions."""
    links: list[Link] = [link for link in memory.links() if link.kind != "next"]
    for i, link in enumerate(draw.sample(links, min(n, len(links))), 1):
        print(f"\n{i}. {link.kind} {link.weight}: {link.reason}")
        print("  ", shown(memory.get(link.source_id)))
        print("  ", shown(memory.get(link.target_id)))
    revisions = [c for commit in memory.log() for c in commit.changes if isinstance(c, Revision) and c.trigger]
    for i, revision in enumerate(draw.sample(revisions, min(n, len(revisions))), 1):
        print(f"\n{i}. {shown(memory.get(revision.note_id))}\n   by {shown(memory.get(revision.trigger or ''))}")
        print(f"   why: {revision.reason}")
        for name, after in revision.after.items():
            before = revision.before[name]
            new = after.split("\n")[-1] if isinstance(after, str) else after
            print(f"   {name}: {before!r} -> {new!r}")


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--undos", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--one-by-one", action="store_true")
    parser.add_argument("--show", type=int, default=0)
    args = parser.parse_args()
    draw = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "evolution.zettel"
        with zettel.open_memory(path) as memory:
            memory.ingest(args.files)
            arrived = {c.ordinal: c.note_id for x in memory.log() for c in x.changes if isinstance(c, NoteChange)}
            print(f"{len(memory)} notes, {path.stat().st_size / max(len(memory), 1):.0f} bytes a note")
            check(memory, {arrived[n.ordinal]: n.text for n in memory.notes()})
            if args.one_by_one:
                one_by_one(memory, Path(folder) / "single.zettel", args.files)
            if args.show:
                show(memory, draw, args.show)
            undo(memory, draw, args.undos)


if __name__ == "__main__":
    main()
