"""Pictures of each state of the scene and of each page, in each width and theme, for eyes to look at."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.e2e.conftest import CHROMIUM_NAMES, CHROMIUM_OPTIONS, Tavern
from tests.e2e.states import MOMENTS, STANCES

WIDTHS = (1440, 1024, 390)
THEMES = ("lamplit", "parchment")
PAGES = (
    "quests", "quests/sources", "battles", "heroes", "achievements", "oracle", "guild", "vault", "scheduler",
    "watchtower", "patrol", "notices", "settings",
)  # fmt: skip
BRING_THEME = "addEventListener('DOMContentLoaded', () => {{ document.documentElement.dataset.theme = '{}'; }})"
"""Only once the server's page is there, which comes with the theme of who looks."""
SETTLED_MS = 700


def main() -> None:
    options = argparse.ArgumentParser(prog="scripts/screenshots.sh", description=__doc__)
    options.add_argument("folder", nargs="?", type=Path, default=Path("screenshots"))
    options.add_argument("--only", default="", help="states and pages whose name has this in it")
    given = options.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home, opened(Path(home) / "world") as tavern, chromium() as browser:
        for theme in THEMES:
            for width in WIDTHS:
                context = browser.new_context(viewport={"width": width, "height": 900})
                context.add_init_script(BRING_THEME.format(theme))
                take_all(tavern, context.new_page(), given.folder / f"{theme}-{width}", only=given.only)
                context.close()


def take_all(tavern: Tavern, page: Page, folder: Path, *, only: str = "") -> None:
    """`scene-<state>.png` and `page-<name>.png`; a page that there is not is passed over."""
    folder.mkdir(exist_ok=True)
    for state in [*MOMENTS, *STANCES]:
        if only in state:
            bring(tavern, page, state)
            page.wait_for_timeout(SETTLED_MS)
            page.screenshot(path=folder / f"scene-{state}.png")
    wake(tavern)
    for name in PAGES:
        if only in name:
            answer = page.goto(f"{tavern.address}/{name}")
            if answer and answer.ok:
                page.screenshot(path=folder / f"page-{name.replace('/', '-')}.png", full_page=True)


def bring(tavern: Tavern, page: Page, state: str) -> None:
    """The Tavern's page into a state of the scene, as the arena would."""
    wake(tavern)
    page.goto(tavern.address)
    page.wait_for_selector("#pill[data-pill=live]")
    act, key = (STANCES[state], "state") if state in STANCES else (MOMENTS[state], "moment")
    act(tavern)
    page.wait_for_selector(f".page[data-{key}={state}]")


def wake(tavern: Tavern) -> None:
    """Also after the state in which nobody is there."""
    if tavern.arena is None:
        tavern.wake_arena()
        tavern.do("go_on")
    tavern.do("status", state="training")


@contextmanager
def opened(home: Path) -> Iterator[Tavern]:
    tavern = Tavern(home)
    tavern.wake_arena()
    try:
        tavern.open()
        tavern.do("begin", name="alpaca", total=400)
        tavern.do("steps", count=120)
        tavern.do("hoard", steps=[60, 120])
        yield tavern
    finally:
        tavern.close()
        tavern.stop_arena()


@contextmanager
def chromium() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if path is None:
        sys.exit(f"no browser: none of {', '.join(CHROMIUM_NAMES)} is installed; install the package `chromium`")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_OPTIONS)
        try:
            yield browser
        finally:
            browser.close()


if __name__ == "__main__":
    main()
