"""The invariant of derived state, as code: it is of one head, and has nothing that is not in the store."""

from __future__ import annotations

from typing import Any

import numpy as np

from zettel.index.exact import ExactIndex
from zettel.index.state import IndexState
from zettel.index.tree import TopicTree


def assert_same(kept: IndexState, fresh: IndexState) -> None:
    """Compare the state that an open memory keeps with one that was just built from the store.

    Raises:
        AssertionError: they differ; the message names the first difference.
    """
    assert kept.head == fresh.head, f"it is of commit {kept.head}, the store of {fresh.head}"  # noqa: S101 -- see Raises
    for what, (mine, its) in {
        "index": (_index(kept.index), _index(fresh.index)),
        "tree": (_tree(kept.tree), _tree(fresh.tree)),
        "materials": (_materials(kept), _materials(fresh)),
    }.items():
        for key in sorted({*mine, *its}, key=repr):
            assert mine.get(key) == its.get(key), f"{what}, {key}: {mine.get(key)} instead of {its.get(key)}"  # noqa: S101


def _index(index: ExactIndex) -> dict[Any, Any]:
    """Everything in an index, in an order that does not depend on how the index was made."""
    arrays, texts = index.packed()
    ids = texts["ids"]
    ends = [*arrays["first"].tolist()[1:], len(arrays["vectors"])]
    found: dict[Any, Any] = {}
    for row, note_id in enumerate(ids):
        cells = {
            name: _plain(values[row])
            for name, values in arrays.items()
            if len(values) == len(ids) and name not in ("first", "windows", "speaker", "sessions", "vectors", "entries")
        }
        found[note_id] = {
            **cells,
            "windows": [ids[other] if other >= 0 else None for other in arrays["windows"][row].tolist()],
            "speaker": texts["speakers"][arrays["speaker"][row]] if arrays["speaker"][row] >= 0 else None,
            "session": tuple(texts["sessions"][arrays["sessions"][row]]) if arrays["sessions"][row] >= 0 else None,
            "vectors": arrays["vectors"][arrays["first"][row] : ends[row]].tobytes(),
            "tags": texts["tags"][row], "metadata": texts["metadata"].get(str(row)),
        }  # fmt: skip
    for term in texts["terms"]:
        posting = index.posting(term)
        found["term", term] = sorted(
            (index.ids[row], text, noted)
            for row, text, noted in zip(
                posting.rows.tolist(), posting.text.tolist(), posting.annotations.tolist(), strict=True
            )
        )
    return found


def _plain(value: Any) -> Any:
    """A value of a column in a form that equals itself, which NaN does not."""
    return "nan" if isinstance(value, np.floating) and np.isnan(value) else np.asarray(value).tolist()


def _tree(tree: TopicTree) -> dict[Any, Any]:
    """Everything in a tree."""
    leaves = tree.leaves()
    means = {topic_id: mean.tobytes() for topic_id, mean in zip(leaves.ids.tolist(), leaves.means, strict=True)}
    rows = tree.rows()
    return {
        **{topic_id: (row, sorted(tree.notes_in(topic_id)), means.get(topic_id)) for topic_id, row in rows.items()},
        "last topic": tree.last_topic, "words": tree.counted(),
    }  # fmt: skip


def _materials(state: IndexState) -> dict[Any, Any]:
    """The words of every note that topics may be named by."""
    return {note_id: state.material(note_id) for note_id in state.index.ids if note_id}
