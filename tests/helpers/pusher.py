# ruff: noqa: T201  # it talks to the test over its output
"""A process that pushes a memory, a commit at a time: PATH ADDRESS. Prints the number of each that is there."""

import sys

from zettel import registry, replication
from zettel.config import DEFAULT

replication._CHANGES = 1
source = registry.open_store(sys.argv[1], namespace="default", read_only=True, config=DEFAULT)
replica = registry.open_store(sys.argv[2], namespace="default", read_only=False, config=DEFAULT)
print("open", flush=True)
replication.push(source, replica, origin="m.zettel", on_progress=lambda told: print(told.head, flush=True))
replica.close()
source.close()
