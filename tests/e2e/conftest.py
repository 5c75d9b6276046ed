from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from realm.world import CHECKOUT, World
from tests.support.servers import answers, environment, free_port, migrate, migrated_database

CHROMIUM_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")  # as in scripts/test.sh
CHROMIUM_OPTIONS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
expect.set_options(timeout=20_000)  # a busy machine shows late; what is there already costs no wait
ANSWERS_WITHIN_SECONDS = 40
EMPTY_WITHIN_SECONDS = 40
"""More than a socket stays whose pings nobody answers."""
PINGS = ("--ping-interval", "10", "--ping-timeout", "15")
"""As the Tavern's service has them."""


def chromium_path() -> str | None:
    return next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)


class Tavern:
    """The real web server, with a world of its own and an arena that the test moves by hand."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = free_port()
        self.neighbours_port = free_port()
        """Pages of this origin may ask the API."""
        self.environment = environment(
            World(home),
            REALM_PORT=self.port,
            REALM_ALLOWED_ORIGINS=f"http://127.0.0.1:{self.neighbours_port}",
            PYTHONPATH=CHECKOUT,
        )
        self.web: subprocess.Popen[bytes] | None = None
        self.arena: subprocess.Popen[str] | None = None
        world = World(home)
        world.create()
        migrate(world)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def open(self) -> None:
        command = [
            sys.executable, "-m", "daphne", "-b", "127.0.0.1", "-p", str(self.port), *PINGS, "realm.asgi:application",
        ]  # fmt: skip
        with open(self.home / "logs" / "web.log", "ab") as log:
            self.web = subprocess.Popen(command, cwd=CHECKOUT, env=self.environment, stdout=log, stderr=log)
        self._wait_until_it_answers()

    def _wait_until_it_answers(self) -> None:
        assert self.web is not None
        for _ in range(ANSWERS_WITHIN_SECONDS * 10):
            try:
                urllib.request.urlopen(f"{self.address}/", timeout=5).close()
                return
            except urllib.error.HTTPError:
                break
            except (urllib.error.URLError, ConnectionError, TimeoutError):  # a busy machine starts slowly
                if self.web.poll() is not None:
                    break
                try:
                    self.web.wait(0.1)
                except subprocess.TimeoutExpired:
                    continue
        raise AssertionError((self.home / "logs" / "web.log").read_text()[-3000:])

    def close(self) -> None:
        """As the kernel would: no farewell to the browsers."""
        if self.web is not None:
            self.web.kill()
            self.web.wait()
            self.web = None

    def wake_arena(self) -> None:
        self.arena = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.stand_in_arena"], cwd=CHECKOUT, env=self.environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def do(self, verb: str, **arguments: Any) -> None:
        """Let the arena do something; on return it is on disk."""
        assert self.arena is not None
        assert self.arena.stdin is not None
        assert self.arena.stdout is not None
        self.arena.stdin.write(json.dumps([verb, arguments]) + "\n")
        self.arena.stdin.flush()
        assert self.arena.stdout.readline() == "done\n"

    def stop_arena(self) -> None:
        if self.arena is not None:
            self.arena.communicate()
            self.arena = None

    def reset(self) -> None:
        """As it was before anybody came, whatever a test has stopped meanwhile."""
        if self.arena is None:
            self.wake_arena()
        if self.web is None:
            self.open()
        else:
            self._empty_it()
        self.do("reset", empty=str(migrated_database()))

    def _empty_it(self) -> None:
        """Browsers have closed their connections; what the server does for one who left it does before it answers.

        A connection that a browser forgot to close goes with its server.
        """
        assert self.web is not None
        server = psutil.Process(self.web.pid)
        end = time.monotonic() + EMPTY_WITHIN_SECONDS
        while any(each.raddr and each.laddr.port == self.port for each in server.net_connections("inet")):
            if time.monotonic() > end:
                self.close()
                self.open()
                return
            time.sleep(0.05)
        assert answers(self.port)


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tavern]:
    place = Tavern(tmp_path_factory.mktemp("tavern") / "world")
    place.wake_arena()
    place.open()
    yield place
    place.close()
    place.stop_arena()


@pytest.fixture
def tavern(place: Tavern) -> Iterator[Tavern]:
    """One server for all tests of a worker, each with a world that is empty again."""
    yield place
    place.reset()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    path = chromium_path()
    if path is None:
        pytest.skip(f"no browser: none of {', '.join(CHROMIUM_NAMES)} is installed; install the package `chromium`")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_OPTIONS)
        yield browser
        browser.close()


class Visitor:
    """A page and all that its console complained about: script errors, refused resources, CSP violations."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.text} ({message.location.get('url')})")


@pytest.fixture
def visitor(chromium: Browser) -> Iterator[Visitor]:
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    yield Visitor(context.new_page())
    context.close()
