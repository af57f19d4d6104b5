"""Writes ``neo4j-*.png``: the sample conversation in the real Neo4j Browser, one saved query a picture.

    python docs/images/make.py [QUERY ...]

Needs Java and Maven, or a Neo4j (see ``zettel.neo4j.installation``), Chromium, and the packages playwright and pillow.
"""

# ruff: noqa: INP001, E402 -- a script; what it shares with the tests is found by its folder

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "helpers"))

import browser_page
import lighthouse

from zettel import open_memory
from zettel.neo4j.browser.pages import Pages
from zettel.neo4j.installation import find
from zettel.neo4j.server import Server

FOLDER = Path(__file__).parent
SIZE = (1320, 800)

_GUIDED = 5  # pages of the guide that are turned over
#: The queries that have a picture, each with what is edited in it.
SHOWN: dict[str, tuple[str, str] | None] = {
    "topics": None,
    "neighborhood": ('"" AS id', '"z1be49" AS id'),  # "Three tins of paint ..."
    "entity": None,
    "person": ('date("0001-01-01")', 'date("2025-11-01")'),
    "session": ('"" AS id', '"2025-07" AS id'),
    "bridges": None,
    "disputes": None,
    "evolution": None,
    "commit": None,
    "removed": None,
}


def main(names: list[str]) -> None:
    """Start a server, have it hold the sample conversation, and take the pictures."""
    installation = find(ROOT / ".neo4j", "2026.08")
    with (
        tempfile.TemporaryDirectory() as home,
        Pages() as pages,
        Server(
            installation, Path(home, "server"), password=None, ports=(0, 0), settings=pages.settings
        ) as server,
    ):
        with open_memory(server.uri) as memory:
            lighthouse.tell(memory, Path(home))
            lighthouse.live(memory)
        with browser_page.opened(server.browser_url, server.uri, None, SIZE) as browser:
            browser.await_guide()
            if not names or "guide" in names:
                guide(browser)
            browser.toggle_guide()
            for name in [name for name in SHOWN if not names or name in names]:
                picture(browser, name)


def guide(browser: browser_page.Browser) -> None:
    """The whole window: the guide, from which a saved query was clicked into the editor and run."""
    browser.run_from_guide(_GUIDED)
    browser.fold_overview()
    browser.fit()
    path = FOLDER / "neo4j-guide.png"
    browser.window_picture(path)
    shrink(path)
    browser.fold_overview()


def picture(browser: browser_page.Browser, name: str) -> None:
    """Run a saved query, give its result the whole window, and keep what it looks like."""
    text = browser.queries()[name].text
    if (edit := SHOWN[name]) is not None:
        text = text.replace(*edit)
    drawn = browser.run(text)
    if drawn.error:
        raise SystemExit(f"{name}: {drawn.error}")
    browser.fullscreen()
    browser.fit()
    path = FOLDER / f"neo4j-{name}.png"
    browser.picture(path)
    browser.close()
    shrink(path)
    sys.stdout.write(f"{path.name}: {drawn.nodes} nodes, {path.stat().st_size // 1000} KB\n")


def shrink(path: Path) -> None:
    """Keep 128 colors: enough for a drawing in a few flat ones."""
    with Image.open(path) as image:
        reduced = image.convert("RGB").quantize(128, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    reduced.save(path, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1:])
