"""The releases of Neo4j that are known to work, and what each of them needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

#: Flags of the Java machine that every release needs.
FLAGS = tuple(
    f"--add-opens=java.base/{package}=ALL-UNNAMED"
    for package in ("java.nio", "java.io", "sun.nio.ch", "java.util.concurrent")
)

#: The lowest version, major and minor, of a Neo4j that is used although it was not installed here.
OLDEST = (5, 26)

#: The end of each message about what is missing.
REMEDY = "Install Java 17 or later and Maven, or a Neo4j 5.26 or later, or use a server that is running"


@dataclass(frozen=True, slots=True)
class Release:
    """A release of Neo4j that is known to work: its version, and that of the Browser that is installed with it.

    ``java`` is the lowest version of Java that runs it, ``main`` is its main class. ``flags`` of the Java machine and
    ``settings`` are those that it needs in addition to what every release needs.
    """

    version: str
    browser: str
    java: int
    main: str
    flags: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)


#: The releases by name, the newest last. Without the first setting of each, stopping takes ten seconds.
RELEASES = {
    "5.26": Release(
        version="5.26.30",
        browser="5.24.0",
        java=17,
        main="org.neo4j.server.CommunityEntryPoint",
        settings={"internal.dbms.bolt.netty_server_shutdown_quiet_period": "0"},
    ),
    "2026.08": Release(
        version="2026.08.1",
        browser="5.24.0",
        java=21,
        main="org.neo4j.server.Neo4jCommunity",
        flags=("--add-modules=jdk.incubator.vector",),
        settings={
            "internal.dbms.bolt.netty_server_shutdown_quiet_period_duration": "0s",
            "server.fleet_discovery.enabled": "false",  # it would look for other servers in the network
        },
    ),
}
