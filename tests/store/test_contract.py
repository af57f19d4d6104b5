"""Every store in ``zettel/store/`` keeps the contract, Neo4j on each release that is tested."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import neo4j_place
import pytest

from zettel import plugins, registry
from zettel.config import Config
from zettel.protocols import Store
from zettel.testing import StoreContract
from zettel.testing.agreement import send, small
from zettel.testing.stores import Open

#: The stores, Neo4j by the releases that are tested.
PLACES = [name for name in plugins.names("store") if name != "neo4j"] + [f"neo4j {r}" for r in neo4j_place.releases()]


@pytest.fixture(params=PLACES, scope="session")
def places(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, neo4j_server: Any
) -> Iterator[Callable[[], Open]]:
    """Makes an empty place, as a function that opens stores in it; all are closed at the end.

    A server has one place: making it empty again ends what was in it before.
    """
    opened: list[Store] = []
    name, _, release = request.param.partition(" ")

    def make() -> Open:
        if name == "neo4j":
            place = neo4j_server(release)
            while opened:
                opened.pop().close()
            neo4j_place.empty(place)
            address = place.uri
        else:
            address = str(tmp_path_factory.mktemp("place") / "memory.zettel")

        def open_store(namespace: str = "default", *, read_only: bool = False) -> Store:
            config = Config(busy_timeout_s=5)
            store = registry.open_store(address, namespace=namespace, read_only=read_only, config=config)
            opened.append(store)
            return store

        return open_store

    yield make
    for store in opened:
        store.close()


class TestStores(StoreContract):
    @pytest.fixture
    def new_place(self, places: Callable[[], Open], request: pytest.FixtureRequest) -> Callable[[], Open]:
        self.n_examples = 6 if "neo4j" in request.node.name else 30  # a server takes a second for what takes a file ms
        return places

    def test_the_clock_may_go_back_but_commits_do_not(self, open_store: Open, monkeypatch: pytest.MonkeyPatch) -> None:
        store, world = open_store(), small(open_store())
        module = sys.modules[type(store).__module__]

        class Past(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> datetime:
                return datetime(2001, 1, 1, tzinfo=tz)

        monkeypatch.setattr(module, "datetime", Past)
        for _ in range(3):
            world.use("a")
            assert send(store, world, "use").at == world.commits[1].at
        assert [c.at for c in open_store().commits()] == [c.at for c in world.commits]
