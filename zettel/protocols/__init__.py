"""The interfaces that plug-ins implement, and the values that pass through them: one file a kind of plug-in.

A plug-in is one file in the folder of its kind; the file's name is its name in the configuration and on the command
line. It defines the object named in its protocol's docstring, and imports nothing above this package.
"""

from zettel.protocols.analysis import Analysis, Analyzer, Utterance
from zettel.protocols.capabilities import CandidateSource, Replica
from zettel.protocols.embedding import Embedder, PassageEmbedder, Span, Vector
from zettel.protocols.growth import (
    Arrival,
    AskingPolicy,
    AskingRule,
    Candidate,
    Encounter,
    LinkRule,
    Policy,
    Question,
    Rewrite,
)
from zettel.protocols.scoring import Column, Columns, Posting, Query, Scan, Signal
from zettel.protocols.storage import Draft, Passages, Reader, Store, TopicRow
from zettel.protocols.transcripts import Entry, Transcript, TranscriptFormat

__all__ = [
    "Analysis",
    "Analyzer",
    "Arrival",
    "AskingPolicy",
    "AskingRule",
    "Candidate",
    "CandidateSource",
    "Column",
    "Columns",
    "Draft",
    "Embedder",
    "Encounter",
    "Entry",
    "LinkRule",
    "PassageEmbedder",
    "Passages",
    "Policy",
    "Posting",
    "Query",
    "Question",
    "Reader",
    "Replica",
    "Rewrite",
    "Scan",
    "Signal",
    "Span",
    "Store",
    "TopicRow",
    "Transcript",
    "TranscriptFormat",
    "Utterance",
    "Vector",
]
