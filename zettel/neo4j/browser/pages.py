"""A web server on the loopback address, from which the Neo4j Browser loads the style and the saved queries."""

from __future__ import annotations

import html
import threading
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from zettel.neo4j import browser

_HOST = "127.0.0.1"
_BEGIN = (  # the first heading is shown above all pages
    "<h3>A memory as a graph</h3><p>A page for each saved query: a click puts it into the editor. The first line that"
    " is no comment is the one to edit.</p>"
)


class Pages:
    """A web server for the two files that the Browser loads when it connects: the style sheet and the guide.

    Use it in a ``with`` statement. A Neo4j server with its ``settings`` makes its Browser load them. The queries of the
    guide are about the memory ``namespace``.
    """

    def __init__(self, namespace: str = "default") -> None:
        texts = {"/style.grass": browser.style(), "/guide.html": guide(namespace)}
        self._server = ThreadingHTTPServer((_HOST, 0), _handler(texts))

    @property
    def settings(self) -> dict[str, str]:
        """Lines of ``neo4j.conf``."""
        address = f"http://{_HOST}:{self._server.server_address[1]}"
        return {
            "browser.post_connect_cmd": f"style {address}/style.grass; guide {address}/guide.html",
            "browser.remote_content_hostname_whitelist": f"{_HOST},localhost",
        }

    def __enter__(self) -> Self:
        """Start answering."""
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()


def guide(namespace: str = "default") -> str:
    """The saved queries as a guide of the Browser: one page each; a click copies the query into the editor."""
    slides = [
        f"<h3>{html.escape(query.title)}</h3>"
        f'<pre mode="cypher" class="highlight pre-scrollable code runnable">{html.escape(query.text)}</pre>'
        for query in browser.queries(namespace).values()
    ]
    slides[0] = f"{_BEGIN}{slides[0]}"
    wrapped = "".join(f'<slide class="row-fluid"><div class="col-sm-12">{slide}</div></slide>' for slide in slides)
    return f'<article class="guide"><carousel class="deck container-fluid">{wrapped}</carousel></article>'


def _handler(texts: Mapping[str, str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_OPTIONS(self) -> None:
            self.send_response(HTTPStatus.NO_CONTENT)
            self._allow()

        def do_GET(self) -> None:
            text = texts.get(self.path)
            self.send_response(HTTPStatus.NOT_FOUND if text is None else HTTPStatus.OK)
            self.send_header("Content-Type", "text/html; charset=utf-8" if "html" in self.path else "text/plain")
            self._allow()
            self.wfile.write((text or "").encode())

        def _allow(self) -> None:
            # The Browser is a page of another origin. It may read everything here: every copy of zettel has the same.
            self.send_header("Access-Control-Allow-Origin", "*")
            self.send_header("Access-Control-Allow-Headers", "*")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Print nothing: the terminal belongs to the command."""

    return Handler
