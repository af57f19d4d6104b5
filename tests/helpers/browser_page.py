"""The real Neo4j Browser in a Chromium without a window: connect, paste a query, run it, look at what it draws."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from playwright.sync_api import Locator, Page, expect, sync_playwright

_FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
_PATIENCE_MS = 30_000
_DROP = """
({name, content}) => {
    const carried = new DataTransfer();
    carried.items.add(new File([new Uint8Array(content)], name));
    const drop = new DragEvent('drop', {dataTransfer: carried, bubbles: true, cancelable: true});
    document.querySelector('.filedrop').dispatchEvent(drop);
}"""
_BUTTONS = 40  # their width, in pixels
_STILL = """
() => {
    const places = [...document.querySelectorAll('[data-testid="frame"] g.node')].map(n => n.getAttribute('transform'));
    const now = places.join(';'), same = now === window.zettelPlaces;
    window.zettelPlaces = now;
    return same;
}"""


def chromium() -> str | None:
    """Where a Chromium is; None where there is none."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@dataclass(frozen=True)
class Drawn:
    """What came of a command: how many nodes are drawn, and the error if there is one."""

    nodes: int
    error: str


class Browser:
    """A page of the Neo4j Browser that is connected to a server."""

    def __init__(self, page: Page) -> None:
        self._page = page

    @property
    def _frame(self) -> Locator:
        """The newest result."""
        return self._page.locator('[data-testid="frame"]').first

    @property
    def editor(self) -> str:
        """What stands in the editor."""
        lines = self._page.locator('[data-testid="activeEditor"] .view-line').all_inner_texts()
        return "\n".join(lines).replace("\xa0", " ")

    def fills(self) -> set[str]:
        """The colors of the nodes that the newest result draws, as "#RRGGBB"."""
        circles = self._frame.locator("g.node circle.b-outline")
        return {str(fill).upper() for fill in circles.evaluate_all("found => found.map(c => c.getAttribute('fill'))")}

    def run(self, command: str) -> Drawn:
        """Paste a command into the editor, run it, and wait until the drawing stands still."""
        page = self._page
        page.evaluate("text => navigator.clipboard.writeText(text)", command)
        page.locator('[data-testid="activeEditor"] .view-lines').first.click()
        page.keyboard.press("Control+A")
        page.keyboard.press("Control+V")
        page.locator('[data-testid="editor-Run"]').click()
        return self._wait(command.split("\n", 1)[0])

    def drop(self, name: str, content: bytes) -> None:
        """Drop a file onto the window."""
        self._page.evaluate(_DROP, {"name": name, "content": list(content)})

    def favorites(self, folder: str) -> list[str]:
        """The titles of the saved queries in a folder."""
        self._page.locator('[data-testid="navigationFavorites"]').click()
        self._page.locator(f'[data-testid="expandFolder-{folder}"]').click()
        titles = self._page.locator('[data-testid^="scriptTitle-"]')
        titles.first.wait_for(timeout=_PATIENCE_MS)
        return titles.all_inner_texts()

    def _wait(self, beginning: str) -> Drawn:
        frame = self._frame
        frame.filter(has_text=beginning).wait_for(timeout=_PATIENCE_MS)
        if not beginning.startswith(":"):
            came = frame.locator('g.node, [data-testid="cypherFrameErrorMessage"]').or_(frame.get_by_text("no records"))
            came.first.wait_for(timeout=_PATIENCE_MS)
        self._page.wait_for_function(_STILL, polling=400, timeout=_PATIENCE_MS)
        wrong = frame.locator('[data-testid="cypherFrameErrorMessage"]')
        return Drawn(frame.locator("g.node").count(), wrong.inner_text() if wrong.count() else "")

    def close(self) -> None:
        """Take the newest result away."""
        frames = self._page.locator('[data-testid="frame"]')
        left = frames.count() - 1
        self._frame.locator('button[title="Close"]').click()
        expect(frames).to_have_count(left)

    def fullscreen(self) -> None:
        """Give the newest result the whole window, or take it back again."""
        self._frame.locator('button[title="Fullscreen"], button[title="Close fullscreen"]').click()

    def fold_overview(self) -> None:
        """Fold the list of labels and types away, or out again."""
        self._frame.locator('button[title$="the node properties display"]').click()

    def fit(self) -> None:
        """Have the drawing fill the place beside the overview, which the Browser's own button lays it beneath."""
        self._frame.locator('button[aria-label="zoom-to-fit"]').click()
        self._settle()
        room, drawing = self._room(), self._extent()
        if drawing[1] - drawing[0] > room[1] - room[0]:
            self._frame.locator('button[aria-label="zoom-out"]').click()
            self._settle()
            drawing = self._extent()
        x, y = room[0] + 6, self._top() + 6  # a corner of the canvas, where no node is
        self._page.mouse.move(x, y)
        self._page.mouse.down()
        self._page.mouse.move(x + (sum(room) - sum(drawing)) / 2, y, steps=5)
        self._page.mouse.up()
        self._page.mouse.move(room[0], 20)
        self._settle()

    def _settle(self) -> None:
        self._page.wait_for_timeout(700)  # the Browser moves its camera by an animation that nothing tells the end of

    def _room(self) -> tuple[float, float]:
        """Left and right end of the canvas that neither the overview nor the buttons beside it cover, in pixels."""
        canvas = self._frame.locator("svg:has(g.node)").bounding_box()
        assert canvas is not None
        overview = self._frame.locator('[data-testid="vizInspector"]')
        covered = overview.bounding_box() if overview.is_visible() else None
        return canvas["x"], (covered["x"] if covered else canvas["x"] + canvas["width"]) - _BUTTONS

    def _top(self) -> float:
        canvas = self._frame.locator("svg:has(g.node)").bounding_box()
        assert canvas is not None
        return canvas["y"]

    def _extent(self) -> tuple[float, float]:
        """Left and right end of what is drawn."""
        boxes = [box for node in self._frame.locator("g.node").all() if (box := node.bounding_box())]
        return min(box["x"] for box in boxes), max(box["x"] + box["width"] for box in boxes)

    def await_guide(self) -> str:
        """Wait for the guide beside the editor; the words on its first page."""
        guide = self._page.locator('[data-testid="guidesDrawer"]')
        guide.locator("pre").first.wait_for(timeout=_PATIENCE_MS)
        return guide.inner_text()

    def toggle_guide(self) -> None:
        """Fold the guide away, for the results to have its place, or out again."""
        self._page.locator('[data-testid="navigationGuides"]').click()

    def run_from_guide(self, pages: int) -> Drawn:
        """Turn some pages of the guide, click the query that is there, and run what is in the editor then."""
        for _ in range(pages):
            self._page.locator('[data-testid="guideNextSlide"]').click()
        while self._page.locator('[data-testid="frame"]').count():
            self.close()
        self._page.locator('[data-testid="guidesDrawer"] pre').first.click()
        beginning = self.editor.split("\n", 1)[0]
        self._page.locator('[data-testid="editor-Run"]').click()
        return self._wait(beginning)

    def window_picture(self, path: Path) -> None:
        """Save what the whole window looks like."""
        self._page.screenshot(path=path)

    def picture(self, path: Path) -> None:
        """Save what the newest result looks like."""
        self._frame.screenshot(path=path)


@contextmanager
def opened(
    browser_url: str, bolt: str, auth: tuple[str, str] | None, size: tuple[int, int] = (1300, 860), **arguments: str
) -> Iterator[Browser]:
    """The Browser at an address of the server's, connected to it; ``arguments`` go into the address ("cmd", "arg")."""
    parameters = {"dbms": bolt, "preselectAuthMethod": "NO_AUTH" if auth is None else "NATIVE", **arguments}
    with sync_playwright() as playwright:
        chromium_ = playwright.chromium.launch(executable_path=chromium(), args=_FLAGS)
        context = chromium_.new_context(
            viewport={"width": size[0], "height": size[1]}, permissions=["clipboard-read", "clipboard-write"]
        )
        page = context.new_page()
        page.goto(f"{browser_url}?{urlencode(parameters)}")
        if auth is not None:
            _log_in(page, auth)
        page.locator('[data-testid="frameCommand"]').filter(has_text=":play start").wait_for(timeout=_PATIENCE_MS)
        yield Browser(page)
        chromium_.close()


def _log_in(page: Page, auth: tuple[str, str]) -> None:
    page.locator('[data-testid="username"]').fill(auth[0])
    page.locator('[data-testid="password"]').fill(auth[1])
    page.locator('[data-testid="connect"]').click()
