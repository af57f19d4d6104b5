"""The files in docker/: read, not run."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from zettel.neo4j.releases import RELEASES

yaml = pytest.importorskip("yaml")

FOLDER = Path(__file__).parents[1] / "docker"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """What compose.yaml says."""
    return yaml.safe_load((FOLDER / "compose.yaml").read_text())


@pytest.fixture(scope="module")
def steps() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, with lines joined and comments left out."""
    lines = [line for line in (FOLDER / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(line.split()[0], line.split(maxsplit=1)[1].strip()) for line in joined.splitlines() if line.strip()]


def test_the_server_is_a_release_that_zettel_is_tested_with(compose):
    assert compose["services"]["neo4j"]["image"] == f"neo4j:{RELEASES['5.26'].version}"


def test_the_bases_of_the_image_are_pinned_to_a_version_and_are_one(steps):
    bases = {words.split()[0] for name, words in steps if name == "FROM"}
    assert len(bases) == 1
    assert re.fullmatch(r"python:3\.11-slim-bookworm", bases.pop())


def test_no_password_is_written_down_and_a_missing_one_is_told(compose, steps):
    text = "".join(file.read_text() for file in FOLDER.iterdir() if file.name in ("compose.yaml", "Dockerfile"))
    said = [line for line in text.splitlines() if re.search(r"password|auth|secret|token", line, re.IGNORECASE)]
    assert len(said) == 2
    assert all("${NEO4J_PASSWORD:?" in line for line in said)
    services = compose["services"]
    assert services["neo4j"]["environment"]["NEO4J_AUTH"].startswith("neo4j/${NEO4J_PASSWORD:?")
    assert services["zettel"]["environment"]["NEO4J_PASSWORD"].startswith("${NEO4J_PASSWORD:?")
    assert not [words for name, words in steps if name in ("ENV", "ARG") and "NEO4J" in words]


def test_only_this_machine_reaches_the_server(compose):
    ports = compose["services"]["neo4j"]["ports"]
    assert len(ports) == 2
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert "ports" not in compose["services"]["zettel"]


def test_the_server_is_waited_for_until_it_is_well(compose):
    services = compose["services"]
    assert "7474" in services["neo4j"]["healthcheck"]["test"][1]
    assert services["zettel"]["depends_on"] == {"neo4j": {"condition": "service_healthy"}}
    assert services["zettel"]["environment"]["NEO4J_URI"] == "bolt://neo4j:7687"


def test_what_the_server_keeps_outlives_its_container(compose):
    mounts = [mount.split(":") for mount in compose["services"]["neo4j"]["volumes"]]
    assert mounts == [["data", "/data"], ["logs", "/logs"]]
    assert compose["volumes"].keys() == {"data", "logs"}


def test_nothing_is_reported_to_anybody(compose):
    environment = compose["services"]["neo4j"]["environment"]
    assert environment["NEO4J_dbms_usage__report_enabled"] == "false"
    assert environment["NEO4J_client_allow__telemetry"] == "false"


def test_zettel_runs_only_when_asked_as_no_root_on_the_folder_of_memories(compose, steps):
    zettel = compose["services"]["zettel"]
    assert zettel["profiles"] == ["cli"]
    assert zettel["volumes"][0]["target"] == "/memories" == dict(steps)["WORKDIR"]
    assert dict(steps)["USER"] == "1000:1000"
    assert json.loads(dict(steps)["ENTRYPOINT"]) == ["zettel"]


def test_the_image_holds_the_model_and_then_stays_offline(steps):
    names = [name for name, _ in steps]
    fetched = next(i for i, (name, words) in enumerate(steps) if name == "RUN" and "zettel models get" in words)
    offline = next(i for i, (name, words) in enumerate(steps) if name == "ENV" and "HF_HUB_OFFLINE=1" in words)
    assert fetched < offline < names.index("ENTRYPOINT")
    assert names.index("USER") > fetched


def test_what_the_image_is_built_from_is_in_the_repository_and_let_into_the_build(compose, steps):
    build = compose["services"]["zettel"]["build"]
    root = (FOLDER / build["context"]).resolve()
    assert (root / build["dockerfile"]) == FOLDER / "Dockerfile"
    ignored = (FOLDER / "Dockerfile.dockerignore").read_text().splitlines()
    for name, words in steps:
        if name == "COPY":
            for source in shlex.split(words)[:-1]:
                assert (root / source).exists()
                assert f"!{source}" in ignored
