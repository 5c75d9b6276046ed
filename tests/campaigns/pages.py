"""E8: every page and the admin in Chromium, over a world whose texts are payloads: none runs, nothing is inline."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.campaigns.report import Figure, none_of
from tests.support.six_servers import prepare
from tests.support.xss_payloads import MARK, PAYLOADS, RAN

SERVER_FAULT = 500
QUICK = (
    "/", "/quests/1", "/quests", "/guild/runs/1", "/watchtower", "/watchtower/logs", "/scheduler", "/vault",
    "/admin/guild/run/", "/admin/vault/job/",
)  # fmt: skip
_WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
});
"""
_SEEN = f"[window.violations || [], Boolean(window.{RAN}), document.querySelectorAll('[{MARK}]').length]"
_ENDLESS = "/stream"
_WAIT_MILLISECONDS = 100
_EMPTY = ("Download is starting", "ERR_ABORTED", "ERR_HTTP_RESPONSE_CODE_FAILURE")
"""What Chromium says of an answer that is no page."""
_UNAVAILABLE = 503
"""What a page answers where somebody else must be asked, who is not there."""


@dataclass
class Found:
    pages: int = 0
    shown: int = 0
    """Pages that show a payload as the text that it is."""
    ran: list[str] = field(default_factory=list)
    markup: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


def run(folder: Path, *, seed: int, quick: bool, count: int | None, **variables: str) -> list[Figure]:
    """`variables` of the web server's environment are for those who try the campaign itself."""
    home = prepare(folder / "world")
    from realm.world import World
    from tests.support import hostile_rows, routes
    from tests.support.servers import free_port, web_server

    world = World(home)
    rows = hostile_rows.write_all(world)
    paths = [each.path for each in routes.of_django() if _ENDLESS not in each.path and "logout" not in each.path]
    paths = list(QUICK) if quick else [*paths, *_details()][:count]
    port, found = free_port(), Found()
    with web_server(world, port, **variables), visitor(port, _session()) as (page, heard):
        for path in paths:
            _visit(page, heard, f"http://127.0.0.1:{port}{path}", path, found)
    return figures(found, rows)


def _details() -> list[str]:
    """One page of each row that has one, for a few rows of each model."""
    from arena.models import Quest
    from guild.models import Run
    from tavern.models import Conversation

    quests = [f"/quests/{row.pk}{below}" for row in Quest.objects.all()[:40] for below in ("", "/rows", "/report")]
    runs = [f"/guild/runs/{row.pk}" for row in Run.objects.all()[:40]]
    return [*quests, *runs, *(f"/oracle/{row.pk}" for row in Conversation.objects.all()[:10])]


def _session() -> dict[str, str]:
    """The cookie of a keeper who is logged in."""
    from django.conf import settings
    from django.contrib.auth.models import User
    from django.test import Client

    client = Client()
    client.force_login(User.objects.create_superuser("keeper", password="of the vault"))
    return {settings.SESSION_COOKIE_NAME: client.cookies[settings.SESSION_COOKIE_NAME].value}


@contextmanager
def visitor(port: int, cookies: dict[str, str]) -> Iterator[tuple[Any, list[str]]]:
    """A page of Chromium, and what it complains about."""
    from playwright.sync_api import sync_playwright

    from tests.e2e.conftest import CHROMIUM_NAMES, CHROMIUM_OPTIONS

    heard: list[str] = []
    path = next(filter(None, map(shutil.which, CHROMIUM_NAMES)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_OPTIONS)
        context = browser.new_context()
        context.add_cookies(
            [{"name": name, "value": value, "url": f"http://127.0.0.1:{port}"} for name, value in cookies.items()]
        )
        context.add_init_script(_WATCH)
        page = context.new_page()
        page.on("console", lambda said: heard.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.on("dialog", lambda dialog: (heard.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        yield page, heard
        browser.close()


def _visit(page: Any, heard: list[str], url: str, path: str, found: Found) -> None:
    from playwright.sync_api import Error

    heard.clear()
    try:
        answer = page.goto(url, wait_until="load", timeout=20_000)
        page.wait_for_timeout(_WAIT_MILLISECONDS)  # for what a script of the page brings in later
        violations, ran, marked = page.evaluate(_SEEN)
    except Error as error:
        if not any(each in str(error) for each in _EMPTY):
            found.broken.append(f"{path}: {str(error).splitlines()[0]}")
        page.goto("about:blank")  # Chromium shows a page of its own, which would break into the next visit
        return
    found.pages += 1
    found.shown += RAN in page.content()
    if answer is not None and answer.status >= SERVER_FAULT and answer.status != _UNAVAILABLE:
        found.broken.append(f"{path}: {answer.status}")
    if ran or any(said.startswith("dialog") for said in heard):
        found.ran.append(path)
    if marked:
        found.markup.append(path)
    found.violations += [f"{path}: {each}" for each in violations]
    found.complaints += [f"{path}: {said[:200]}" for said in heard if "status of" not in said]


def figures(found: Found, rows: int) -> list[Figure]:
    def none(what: str, each: Sequence[str]) -> Figure:
        return none_of("E8", what, each, found.pages)

    return [
        Figure(promise="E8", what="payloads, in so many rows", figure=f"{len(PAYLOADS)} in {rows}"),
        Figure(
            promise="E8",
            what=f"of {found.pages} pages show one as text",
            figure=found.shown,
            wanted="> 0",
            kept=found.shown > 0,
        ),
        none("pages where one ran", found.ran),
        none("pages where one became markup", found.markup),
        none("violations of the Content-Security-Policy", found.violations),
        none("complaints of the console", found.complaints),
        none("answers of 5xx", found.broken),
    ]
