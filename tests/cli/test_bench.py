"""`zettel bench` measures, and leaves nothing behind."""

import json
from pathlib import Path

import zettel.samples

SAMPLE = Path(zettel.samples.__file__).with_name("lighthouse.txt")


def test_bench_tells_times_and_ratios(cli):
    result = cli("bench", str(SAMPLE), "--embedder", "hashing", "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["notes"] == 200 and report["again_commits"] == 0
    assert report["ingest_ratio"] == report["ingest_s"] / report["embed_s"] > 1
    assert 0 < report["again_share"] < 1
    assert report["add_ratio"] == report["add_ms"] / report["add_embed_ms"] > 1
    shown = cli("bench", str(SAMPLE), "--embedder", "hashing").stdout
    assert "200 notes" in shown and "x embedding the question" in shown


def test_bench_of_nothing_says_so(cli, tmp_path):
    (tmp_path / "empty.txt").write_text("nothing here\n")
    result = cli("bench", str(tmp_path / "empty.txt"), "--embedder", "hashing")
    assert result.exit_code == 1 and "can be used" in result.stderr
