"""E1 in Chromium: pages of other sites try all that a page can do, at each of six servers that listen."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.campaigns.report import Figure, none_of
from tests.support.six_servers import digest, prepare

FOREIGN = ("127.0.0.1", "evil.example", "localhost.evil.example")
"""Hosts of the foreign page; all are this machine, as after a rebinding. The first is another port of the same site."""
NAMES = "MAP evil.example 127.0.0.1, MAP *.evil.example 127.0.0.1"
_OPTIONS = (
    f"--host-resolver-rules={NAMES}",
    "--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests",
)
"""Chromium itself would hold back some: what is tried is the servers."""
_TRIES = """
async ([address, rebound]) => {
  const read = [];
  const bounded = (promise) => Promise.race([promise, new Promise((end) => setTimeout(end, 1500))]);
  const get = async (name, url, options) => {
    try {
      const answer = await fetch(url, options);
      const text = answer.type === "opaque" ? "" : await answer.text();
      if (text && answer.ok) read.push(`${name} ${url} ${text.slice(0, 60)}`);
    } catch { /* refused, as it should be */ }
  };
  const json = { "Content-Type": "application/json" };
  for (const base of [address, rebound]) {
    const order = `${base}/api/training/control`;
    const body = '{"command": "pause"}';
    for (const path of ["/health", "/", "/api/stats", "/skill", "/assets", "/v1/models"]) {
      await bounded(get("cors", base + path, {}));
      await bounded(get("cookie", base + path, { credentials: "include" }));
      await bounded(get("no-cors", base + path, { mode: "no-cors" }));
    }
    for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
      await bounded(get(method, order, { method, body, headers: json }));
      await bounded(get(method, order, { method, body }));
    }
    await bounded(get("no-cors", order, { method: "POST", body, mode: "no-cors" }));
    navigator.sendBeacon(order, body);
    navigator.sendBeacon(order, new Blob([body], { type: "application/json" }));
    for (const [tag, key] of [["img", "src"], ["script", "src"], ["iframe", "src"], ["embed", "src"]]) {
      const element = document.createElement(tag);
      const loaded = new Promise((end) => { element.onload = () => end(true); element.onerror = () => end(false); });
      element[key] = `${base}/api/stats`;
      document.body.append(element);
      if (await bounded(loaded) && tag !== "iframe" && tag !== "embed") read.push(`${tag} ${base}`);
      try { if (element.contentDocument?.body.textContent) read.push(`frame ${base}`); } catch { /* its own */ }
    }
    await bounded(new Promise((end) => {
      const socket = new WebSocket(`${base.replace("http", "ws")}/ws/battle/`);
      socket.onopen = () => { read.push(`websocket ${base}`); end(); };
      socket.onerror = end;
    }));
    await bounded(new Promise((end) => {
      const stream = new EventSource(`${base}/api/system/metrics/stream`, { withCredentials: true });
      stream.onopen = () => { read.push(`stream ${base}`); end(); };
      stream.onerror = () => { stream.close(); end(); };
    }));
    const frame = Object.assign(document.createElement("iframe"), { name: `f${Math.random()}` });
    document.body.append(frame);
    const form = Object.assign(document.createElement("form"), { action: order, method: "post", target: frame.name });
    form.enctype = "text/plain";
    const field = Object.assign(document.createElement("input"), { name: '{"command": "pause", "a": "', value: '"}' });
    form.append(field);
    document.body.append(form);
    form.submit();
  }
  await new Promise((end) => setTimeout(end, 300));
  return read;
}
"""


WRITTEN = ("control", "queue", "models", "data", "config.yaml")
"""Where an order would show. All else is written by those who serve, whoever asks."""


def run(folder: Path, *, seed: int, quick: bool, count: int | None, **variables: str) -> list[Figure]:
    """`variables` of the servers' environment are for those who try the campaign itself."""
    return figures(prepare(folder / "world"), folder, names=("pages",) if quick else (), **variables)


def figures(home: Path, folder: Path, *, names: Sequence[str] = (), **variables: str) -> list[Figure]:
    """Over a world that is prepared. `names` of servers; none: all."""
    read: list[str] = []
    with ExitStack() as running:
        ports = [running.enter_context(listening(home, folder, name, variables)) for name in names or _COMMANDS]
        site = running.enter_context(_site())
        before = digest(home, within=WRITTEN)
        for host in FOREIGN:
            read += _try(f"http://{host}:{site}", ports)
        changed = before != digest(home, within=WRITTEN)
    told = len(ports) * len(FOREIGN)
    return [
        none_of("E1", "answers that a page of another site could read, in Chromium", read, told),
        none_of("E1", "changes in database and files by such a page", ["the world"] if changed else [], told),
    ]


_COMMANDS: dict[str, tuple[str, ...]] = {
    "pages": ("-m", "daphne", "-b", "127.0.0.1", "-p", "{port}", "--no-server-name", "realm.asgi:application"),
    "vault": ("-m", "watchtower.api", "--port", "{port}"),
    "officer": ("-m", "vault.officer", "--zone", "3090", "--base-dir", "{folder}", "--port", "{port}"),
    "oracle": ("-m", "arena.oracle", "--port", "{port}"),
    "trainer": ("manage.py", "trainer", "binary", "--port", "{port}"),
    "trainer of another": ("manage.py", "trainer", "binary", "--port", "{port}"),
}


@contextmanager
def listening(home: Path, folder: Path, name: str, variables: dict[str, str]) -> Iterator[int]:
    """The port of a real server, which answers."""
    from realm.world import CHECKOUT, World
    from tests.support.servers import answers, environment, free_port, wait_until

    port = free_port()
    shelf = folder / "shelf"
    shelf.mkdir(exist_ok=True)
    command = [sys.executable, *(each.format(port=port, folder=shelf) for each in _COMMANDS[name])]
    with open(folder / f"{name}.log", "ab") as log:
        process = subprocess.Popen(
            command, cwd=CHECKOUT, env=environment(World(home), REALM_PORT=port, **variables), stdout=log, stderr=log
        )
    try:
        wait_until(lambda: process.poll() is not None or answers(port))
        assert process.poll() is None, (folder / f"{name}.log").read_text()
        yield port
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _site() -> Iterator[int]:
    """The port of somebody else's page."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><body>a page of another site")

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=partial(server.serve_forever, 0.02))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _try(site: str, ports: list[int]) -> list[str]:
    """What the page could read."""
    from playwright.sync_api import sync_playwright

    from tests.e2e.conftest import CHROMIUM_NAMES, CHROMIUM_OPTIONS

    read: list[str] = []
    path = next(filter(None, map(shutil.which, CHROMIUM_NAMES)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*CHROMIUM_OPTIONS, *_OPTIONS])
        page = browser.new_page()
        for port in ports:
            page.goto(site)
            addresses = [f"http://127.0.0.1:{port}", f"http://evil.example:{port}"]
            read += [f"{site}: {each}" for each in page.evaluate(_TRIES, addresses)]
        browser.close()
    return read
