# ruff: noqa: T201  # it talks to the test over its output
"""A process that adds notes, and undoes, forgets and erases some: ADDRESS NAME SECONDS. Prints those it leaves."""

import sys
import time

from zettel import registry

address, name, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
with registry.open_memory(address, embedder="hashing") as memory:
    print("open", flush=True)
    end, n = time.monotonic() + seconds, 0
    while time.monotonic() < end or n < 4:
        note = memory.add(f"{name} says {n}", speaker=name)
        match n % 4:
            case 1:
                memory.undo(memory.history(note.id)[0].commit, cascade=True)
            case 2:
                memory.forget(note.id, erase=True)
            case kept:
                if kept:
                    memory.forget(note.id)
                print(f"{note.id}\t{note.text}", flush=True)
        n += 1
