# ruff: noqa: T201  # it talks to the test over its output
"""A process that adds notes until its time is up: PATH NAME SECONDS. Prints the ids of what it was told is durable."""

import sys
import time

from zettel import registry

path, name, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
with registry.open_memory(path, embedder="hashing") as memory:
    print("open", flush=True)
    end, n = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        if n % 5:
            notes = [memory.add(f"{name} says {n}", speaker=name)]
        else:
            notes = memory.add_many([f"{name} says {n} and {part}" for part in "abc"])
        for note in notes:
            print(f"{note.id}\t{note.text}", flush=True)
        n += 1
