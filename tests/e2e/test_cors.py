"""Other programs' pages in a real browser: those of a listed origin read the API alone, other pages nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Browser, Page

from tests.e2e.conftest import Tavern

pytestmark = pytest.mark.slow

ASK = """([url, headers]) => fetch(url, {headers, credentials: 'include'}).then(r => r.text(), e => 'refused')"""
READ = """([url, headers]) => fetch(url, {headers}).then(r => r.text(), error => 'refused')"""
STREAM = """url => new Promise(done => {
    const source = new EventSource(url);
    source.onerror = () => { source.close(); done('refused'); };
    source.onopen = () => { source.close(); done('opened'); };
})"""
SOCKET = """url => new Promise(done => {
    const socket = new WebSocket(url);
    socket.onerror = () => done('refused');
    socket.onopen = () => { socket.close(); done('opened'); };
})"""


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<title>another program</title>")

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@contextmanager
def page_of_port(chromium: Browser, port: int) -> Iterator[Page]:
    """A page of another program, at 127.0.0.1."""
    server = ThreadingHTTPServer(("127.0.0.1", port), _Page)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    page = chromium.new_page()
    try:
        page.goto(f"http://127.0.0.1:{server.server_address[1]}/")
        yield page
    finally:
        page.close()
        server.shutdown()
        server.server_close()
        thread.join()


def read(page: Page, tavern: Tavern) -> dict[str, str]:
    api, token = f"{tavern.address}/api/dashboard/stats", {"Authorization": "Bearer rot_x"}
    return {
        "plain": page.evaluate(READ, [api, {}])[:1],
        "asked before": page.evaluate(READ, [api, token])[:1],
        "stream": page.evaluate(STREAM, f"{tavern.address}/api/system/metrics/stream"),
        "with cookies": page.evaluate(ASK, [api, {}]),
        "page": page.evaluate(READ, [f"{tavern.address}/", {}]),
        "socket": page.evaluate(SOCKET, f"ws://127.0.0.1:{tavern.port}/ws/battle/"),
    }


REFUSED = {"with cookies": "refused", "page": "refused", "socket": "refused"}


def test_a_page_of_a_listed_origin_reads_the_api_and_nothing_else(chromium: Browser, tavern: Tavern) -> None:
    with page_of_port(chromium, tavern.neighbours_port) as page:
        assert read(page, tavern) == {"plain": "{", "asked before": "{", "stream": "opened"} | REFUSED


def test_a_page_of_another_port_reads_nothing(chromium: Browser, tavern: Tavern) -> None:
    with page_of_port(chromium, 0) as page:
        assert read(page, tavern) == {"plain": "r", "asked before": "r", "stream": "refused"} | REFUSED
