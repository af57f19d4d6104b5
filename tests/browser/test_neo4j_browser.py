"""The style and the saved queries work: on a real server, and in the real Neo4j Browser."""

import itertools
import json
import re
from contextlib import ExitStack, closing
from urllib.parse import parse_qs, urlsplit

import lighthouse
import neo4j_place
import numpy as np
import pytest

from zettel import Config, registry, replication
from zettel.errors import InputError
from zettel.neo4j import browser as neo4j_browser
from zettel.neo4j import installation as neo4j_installation
from zettel.neo4j import server as neo4j_server
from zettel.neo4j.browser.pages import Pages
from zettel.neo4j.releases import RELEASES
from zettel.store.neo4j.schema import LINK_TYPES, UNIQUE

QUERIES = neo4j_browser.queries()
RULES = json.loads(neo4j_browser.style_command().removeprefix(":style "))
LABELS = {name.partition(".")[2]: rule for name, rule in RULES.items() if name.startswith("node.")}
TYPES = {name.partition(".")[2]: rule for name, rule in RULES.items() if name.startswith("relationship.")}
WRITES = re.compile(r"\b(CREATE|MERGE|SET|DELETE|DETACH|REMOVE|FOREACH|LOAD|DROP|ALTER)\b", re.IGNORECASE)

#: What a reader without red or green cones sees, of linear RGB (Machado, Oliveira & Fernandes 2009, severity 1).
WITHOUT_RED = [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
WITHOUT_GREEN = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]


def code(text):
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("//"))


# ------------------------------------------------------------- what needs no server


def test_every_query_has_a_title_an_explanation_and_one_line_to_edit():
    assert len(QUERIES) >= 15
    for name, query in QUERIES.items():
        title, explanation, *_ = query.text.splitlines()
        assert title == f"// {query.title}" and query.title, name
        assert explanation.startswith("// ") and len(explanation) > 20, name
        assert code(query.text).startswith('WITH "default" AS namespace'), name
    assert len({query.title for query in QUERIES.values()}) == len(QUERIES)


@pytest.mark.parametrize("name", QUERIES)
def test_outside_of_comments_queries_only_read(name):
    assert not WRITES.search(re.sub(r'"[^"]*"', "", code(QUERIES[name].text)))


@pytest.mark.parametrize("name", QUERIES)
def test_a_link_carries_the_whole_query(name):
    address = neo4j_browser.link("http://127.0.0.1:7474/browser/", QUERIES[name].text)
    assert parse_qs(urlsplit(address).query) == {"cmd": ["edit"], "arg": [QUERIES[name].text]}


@pytest.mark.parametrize("lost", ["MATCH (n:A&B) RETURN n", "RETURN '#'"])
def test_a_query_that_an_address_can_t_hold_is_refused(lost):
    with pytest.raises(InputError, match="paste the query"):
        neo4j_browser.link("http://127.0.0.1:7474/browser/", lost)


def test_the_style_has_a_rule_for_every_label_and_every_kind_of_link():
    assert set(LABELS) == {label for label, _ in UNIQUE}
    assert set(TYPES) >= set(LINK_TYPES.values())


def test_the_style_command_says_what_the_file_says():
    written = {
        (selector, *line.strip().rstrip(";").split(": "))
        for selector, body in re.findall(r"^([\w.]+) \{\n(.*?)^\}", neo4j_browser.style(), re.DOTALL | re.MULTILINE)
        for line in body.splitlines()
    }
    said = {(s, k, f'"{v}"' if k == "caption" else v) for s, rule in RULES.items() for k, v in rule.items()}
    assert said == written
    assert ";" not in neo4j_browser.style_command() and "\n" not in neo4j_browser.style_command()


def linear(color):
    levels = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)


@pytest.mark.parametrize("selector", [name for name in RULES if "text-color-internal" in RULES[name]])
def test_the_words_on_a_color_can_be_read(selector):
    weights = np.array([0.2126, 0.7152, 0.0722])
    dark, light = sorted(float(linear(RULES[selector][k]) @ weights) for k in ("color", "text-color-internal"))
    assert (light + 0.05) / (dark + 0.05) >= 3.0


@pytest.mark.parametrize("eyes", [np.eye(3), np.array(WITHOUT_RED), np.array(WITHOUT_GREEN)], ids=str)
def test_colors_or_sizes_tell_the_kinds_of_nodes_apart_for_every_reader(eyes):
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    white = to_xyz @ np.ones(3)

    def lab(color):
        x, y, z = np.cbrt(to_xyz @ np.clip(eyes @ linear(color), 0, 1) / white)
        return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])

    for a, b in itertools.combinations(LABELS, 2):
        apart = np.linalg.norm(lab(LABELS[a]["color"]) - lab(LABELS[b]["color"]))
        sizes = [int(LABELS[label]["diameter"].removesuffix("px")) for label in (a, b)]
        assert apart >= 10 or max(sizes) >= 1.25 * min(sizes), (a, b, apart)


# --------------------------------------------------------------- on a real server


@pytest.fixture(scope="module", params=neo4j_place.releases())
def place(request):
    if why := neo4j_place.why_none():
        pytest.skip(why)
    with ExitStack() as stack:
        if request.param not in RELEASES:
            yield stack.enter_context(neo4j_place.server(request.param))
            return
        pages = stack.enter_context(Pages())
        installation = neo4j_installation.find(neo4j_place.INSTALLATIONS, request.param)
        home = request.getfixturevalue("tmp_path_factory").mktemp("neo4j")
        running = neo4j_server.Server(
            installation, home, password="only-for-tests", ports=(0, 0), settings=pages.settings
        )
        stack.enter_context(running)
        yield neo4j_place.Place(running.uri, neo4j_server.USER, "only-for-tests", running)


@pytest.fixture(scope="module")
def driver(place, analyzer, tmp_path_factory):
    """Connected to a server that holds the sample conversation, and beside it a memory of another namespace."""
    neo4j = pytest.importorskip("neo4j")
    with pytest.MonkeyPatch.context() as environment, neo4j.GraphDatabase.driver(place.uri, auth=place.auth) as driver:
        environment.setenv("NEO4J_USERNAME", place.user)
        if place.password is not None:
            environment.setenv("NEO4J_PASSWORD", place.password)
        neo4j_place.wipe(driver)
        options = {"embedder": "hashing", "analyzer": analyzer}
        with registry.open_memory(place.uri, namespace="other", **options) as memory:
            memory.add_many(["The boat is blue.", "Silas kept the light.", "Safi, the boat is red now."])
        with registry.open_memory(place.uri, **options) as memory:
            lighthouse.tell(memory, tmp_path_factory.mktemp("sample"))
            lighthouse.live(memory)
        driver.execute_query("CALL db.awaitIndexes(60)")
        yield driver
        neo4j_place.wipe(driver)


def run(driver, query):
    with driver.session(default_access_mode="READ") as session:
        result = session.run(query)
        return result.graph(), result.consume()


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_draws_something_of_its_own_namespace(driver, name):
    graph, summary = run(driver, QUERIES[name].text)
    assert 1 <= len(graph.nodes) <= 60
    assert {node["namespace"] for node in graph.nodes} == {"default"}
    assert all(node["caption"] for node in graph.nodes)
    assert summary.query_type == "r"


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_warns_of_nothing(driver, name):
    _, summary = run(driver, QUERIES[name].text)
    told = [status.status_description for status in summary.gql_status_objects if status.is_notification]
    assert told == []


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_finds_nothing_in_an_empty_memory_and_does_not_fail(driver, name):
    graph, _ = run(driver, neo4j_browser.queries('no "body", \\ no one')[name].text)
    assert len(graph.nodes) == 0


def test_queries_can_be_about_another_namespace(driver):
    graph, _ = run(driver, neo4j_browser.queries("other")["session"].text)
    assert len(graph.nodes) == 0  # its notes stand alone
    graph, _ = run(driver, neo4j_browser.queries("other")["editing"].text)
    assert {node["namespace"] for node in graph.nodes} == {"other"}


def test_a_note_a_topic_and_a_commit_can_be_named(driver):
    (note_id,), *_ = driver.execute_query(
        "MATCH (n:Note {namespace: 'default'}) WHERE n.text STARTS WITH 'Harbour Blue it is' RETURN n.id"
    ).records
    graph, _ = run(driver, QUERIES["neighborhood"].text.replace('"" AS id', f'"{note_id[:8]}" AS id'))
    assert any(node["id"] == note_id for node in graph.nodes)
    graph, _ = run(driver, QUERIES["topic"].text.replace('"" AS address', '"2" AS address'))
    assert [node["address"] for node in graph.nodes if "Topic" in node.labels] == ["2"]
    graph, _ = run(driver, QUERIES["commit"].text.replace("0 AS number", "3 AS number"))
    assert [node["id"] for node in graph.nodes if "Commit" in node.labels] == [3]


def changes(text):
    """The statements in the comments, with what each is for."""
    comments = "\n".join(line[2:] for line in text.splitlines() if line.startswith("//   "))
    parts = re.split(r"\n   (?=\S)", f"\n{comments}")[1:]
    return {part.partition("MATCH")[0].strip(): "".join(part.partition("MATCH")[1:]) for part in parts}


def test_the_changes_in_the_comments_come_back_as_edits(driver, place, opened):
    memory = opened(namespace="edited")
    a, b = memory.add_many(["The opening is on the sixth.", "The opening was to be on the first."])
    memory.link(a.id, b.id, "similar", reason="both speak of the opening")
    memory.update(b.id, tags=[*b.tags, "garden"])
    replica = registry.open_store(place.uri, namespace="edited", read_only=False, config=Config())
    with closing(replica):
        replication.push(memory._store, replica, origin="the test")
        for name, change in changes(neo4j_browser.queries("edited")["editing"].text).items():
            ids = iter([b.id] if name == "take a tag off" else [a.id, b.id])
            driver.execute_query(re.sub(r"\.\.\.", lambda _, ids=ids: next(ids), change))
        found = replication.find_edits(memory._store, replica)
    assert found.refused == ()
    edits = {(edit.note_id, edit.field): edit.graph for edit in found.edits}
    assert edits == {
        (a.id, "tags"): [*a.tags, "garden"],
        (b.id, "tags"): list(b.tags),
        (a.id, "keywords"): ["roof", "slates"],
        (a.id, "status"): "archived",
        (a.id, "supersedes"): {"weight": 1.0, "reason": "the date was moved"},
        (a.id, "similar"): None,
    }


def test_the_style_knows_all_that_is_in_the_graph_and_nothing_else(driver):
    labels = driver.execute_query("MATCH (n) UNWIND labels(n) AS label RETURN collect(DISTINCT label)").records
    types = driver.execute_query("MATCH ()-[r]->() RETURN collect(DISTINCT type(r))").records
    assert set(labels[0][0]) == set(LABELS)
    assert set(types[0][0]) == set(TYPES)


# ------------------------------------------------------------ in the real Browser


@pytest.fixture(scope="module")
def page():
    pytest.importorskip("playwright", reason="playwright, which drives the Browser, is not installed")
    import browser_page

    if browser_page.chromium() is None:
        pytest.skip("no Chromium is installed, and the Browser needs one")
    return browser_page


@pytest.fixture
def browser(page, place, driver):
    if place.server is None:
        pytest.skip(f"where the Browser of {place.uri} is, nobody said")
    with page.opened(place.server.browser_url, place.uri, place.auth) as opened:
        yield opened


def test_the_browser_draws_every_query_in_our_style(browser):
    assert QUERIES["topics"].title in browser.await_guide()
    colors = {rule["color"] for rule in LABELS.values()}
    for name, query in QUERIES.items():
        drawn = browser.run(query.text)
        assert drawn.error == "", name
        assert drawn.nodes >= 1, name
        assert browser.fills() <= colors, name
        browser.close()


def test_style_and_queries_can_be_pasted_or_dropped_and_a_wrong_query_is_seen_to_fail(browser):
    browser.await_guide()
    for apply in (
        lambda: browser.run(neo4j_browser.style_command()),
        lambda: browser.drop("zettel.grass", neo4j_browser.style().encode()),
    ):
        browser.run(":style reset")
        browser.run(QUERIES["topics"].text)
        assert LABELS["Topic"]["color"] not in browser.fills()
        apply()
        browser.run(QUERIES["topic"].text)
        assert LABELS["Topic"]["color"] in browser.fills()
    browser.drop("zettel.zip", neo4j_browser.favorites())
    assert sorted(browser.favorites("zettel")) == sorted(query.title for query in QUERIES.values())
    assert "Invalid input" in browser.run("MATCH (n RETURN n").error


def test_a_link_fills_the_editor_and_runs_nothing(page, place, driver):
    if place.server is None:
        pytest.skip(f"where the Browser of {place.uri} is, nobody said")
    address = neo4j_browser.link(place.server.browser_url, QUERIES["hubs"].text)
    arguments = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    with page.opened(place.server.browser_url, place.uri, place.auth, **arguments) as opened:
        assert opened.editor.startswith(f"// {QUERIES['hubs'].title}")
