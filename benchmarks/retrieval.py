"""How well `search` finds the turns that answer real questions: one namespace a conversation, default settings.

    python benchmarks/retrieval.py --eval DIR locomo realtalk beam qmsum [--keep DIR] [--weights dense=1,lexical=.5]

DIR holds `evaldata.py`, which loads the datasets, and `score_retrieval.py`, which defines the metrics; neither they nor
the data are part of zettel. Prints the scorer's own report, and the times of search and of embedding the question.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import zettel


def load_module(path: Path) -> ModuleType:
    """The module in a file."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"no module at {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def messages(conversation: Any) -> list[zettel.Message]:
    """A conversation of the dataset as messages."""
    return [
        zettel.Message(
            text=turn.text or "(nothing)", speaker=turn.speaker, time=turn.timestamp, conversation_id=conversation.id,
            session_id=turn.session, message_id=turn.id,
        )
        for turn in conversation.turns
    ]  # fmt: skip


def run(dataset: str, evaldata: ModuleType, folder: Path, config: zettel.Config, limit: int) -> list[dict[str, object]]:
    """Ask every question of a dataset; one row a question, and the medians printed."""
    rows, search_s, embed_s = [], [], []
    for conversation in evaldata.load(dataset)[:limit]:
        with zettel.open_memory(folder / f"{dataset}.zettel", namespace=conversation.id, config=config) as memory:
            memory.add_many(messages(conversation))
            memory.search("warm")
            for question in conversation.questions:
                start = time.perf_counter()
                memory.embedder.embed([question.text])
                middle = time.perf_counter()
                hits = memory.search(question.text, k=100)
                search_s.append(time.perf_counter() - middle)
                embed_s.append(middle - start)
                rows.append({"id": question.id, "ranked": [h.note.sources[0].message_id for h in hits]})
    print(f"{dataset}: {len(rows)} questions; medians: search (k=100) {1000 * statistics.median(search_s):.1f} ms,"
          f" embedding the question {1000 * statistics.median(embed_s):.1f} ms")  # fmt: skip
    return rows


def main() -> None:
    """Run the datasets named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", nargs="+")
    parser.add_argument("--eval", type=Path, required=True, help="folder of evaldata.py and score_retrieval.py")
    parser.add_argument("--keep", type=Path, help="folder for the memories, so that a second run need not embed")
    parser.add_argument("--weights", default="", help="weights in place of the default ones: dense=1,lexical=.5")
    parser.add_argument("--limit", type=int, help="only the first conversations")
    args = parser.parse_args()
    evaldata = load_module(args.eval / "evaldata.py")
    weights = {name: float(value) for name, _, value in (w.partition("=") for w in args.weights.split(",") if w)}
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for dataset in args.datasets:
            rows = run(dataset, evaldata, folder, zettel.Config(weights=weights), args.limit)
            path = Path(scratch) / f"{dataset}.jsonl"
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
            subprocess.run([sys.executable, args.eval / "score_retrieval.py", dataset, path], check=True)


if __name__ == "__main__":
    main()
