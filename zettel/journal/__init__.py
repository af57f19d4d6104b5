"""The rules of the journal, as pure functions: apply, invert, depend.

A commit's changes write *cells*: a note's presence, a field of its annotations, a link, a use. Each cell keeps a stack
of the changes that wrote it and are in effect, the oldest at the bottom. Only a change on top of all its cells can be
taken back; the changes above it depend on it. An undo consists of changes too, and each of them names in ``undoes`` the
change that it takes back. So an undo can be undone: then the change that it took out is put back.

Changes of the topic tree write no cell: many notes share a topic, and what one of them did to it must not keep another
from being undone. The tree's changes are inverted all together if they are still in effect, else left as they are.
"""

from zettel.journal.diffs import field_diffs
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
from zettel.journal.undo import Ledger, Target, commit_of

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
