"""The rules of the journal, as pure functions: apply, invert, depend.

A commit's changes write *cells*: a note's presence, a field of its annotations, a link, a use. Each cell keeps the
stack of the changes that stand on it, bottom first. Taking a change back needs it on top of its cells; what stands
above it depends on it. An undo is written as changes too, each naming in ``undoes`` the change it takes back, so an
undo can be undone: the change it took out is put back.

Changes of the topic tree stand on no cell: many notes share a topic, and what one of them did to it must not keep
another from being undone. They are inverted all together if what they made still stands, else left as they are.
"""

from zettel.journal.diffs import field_diffs
from zettel.journal.ledger import Ledger, Target, commit_of
from zettel.journal.redaction import redact, without_names
from zettel.journal.rules import (
    Cell,
    LinkKey,
    State,
    apply,
    follows,
    invert,
    needs,
    replay,
    tree_faults,
    writes,
)

__all__ = [
    "Cell",
    "Ledger",
    "LinkKey",
    "State",
    "Target",
    "apply",
    "commit_of",
    "field_diffs",
    "follows",
    "invert",
    "needs",
    "redact",
    "replay",
    "tree_faults",
    "without_names",
    "writes",
]
