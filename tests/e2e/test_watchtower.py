"""The watchtower in a real browser: followed logs, filters in the address, old figures marked, phones, no scripts."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.conftest import Tavern, Visitor

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _no_lines_yet(tavern: Tavern) -> None:
    """Logs are kept from test to test."""
    (tavern.home / "logs" / "arena" / "arena.jsonl").unlink(missing_ok=True)


NARROWEST = 320
HOSTILE = "<img src=x onerror=\"document.title='driven'\">\u202e\x1b[2J"


def log(tavern: Tavern, message: str, level: str = "info") -> None:
    path = tavern.home / "logs" / "arena" / "arena.jsonl"
    path.parent.mkdir(exist_ok=True)
    line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "level": level, "message": message}
    with path.open("a") as file:
        file.write(json.dumps(line | {"event": "e", "fields": "x" * 400}) + "\n")


def test_the_log_is_followed_filtered_paused_and_old_figures_are_marked(tavern: Tavern, visitor: Visitor) -> None:
    tavern.do("status", state="idle")
    log(tavern, "the first line")
    page = visitor.page
    page.goto(f"{tavern.address}/guild")
    page.keyboard.press("g")
    page.keyboard.press("w")
    lines = page.locator("#lines > li")
    page.locator("#log-filter [name=service]").select_option("arena")
    expect(page.locator("#verdict")).to_contain_text("All is well")
    expect(lines).to_have_count(1)
    log(tavern, HOSTILE, "error")
    expect(lines).to_have_count(2)
    expect(lines.last).to_contain_text("onerror")
    page.get_by_label("at least").select_option("error")
    expect(lines).to_have_count(1)
    assert "level=error" in page.url
    page.get_by_label("at least").select_option("debug")
    expect(lines).to_have_count(2)
    page.get_by_label("holding").fill("FIRST")
    expect(lines).to_contain_text(["the first line"])
    expect(page).to_have_url(re.compile("text=FIRST"))
    page.reload()
    expect(page.get_by_label("holding")).to_have_value("FIRST")
    expect(lines).to_have_count(1)
    page.get_by_label("holding").fill("")
    expect(lines).to_have_count(2)
    page.get_by_role("button", name="Following").click()
    log(tavern, "written while nobody follows")
    expect(page.get_by_role("button", name="Paused")).to_be_visible()
    page.get_by_role("button", name="Paused").click()
    expect(lines).to_have_count(3)
    assert page.title() == "Watchtower · Realm"
    for width in (1440, NARROWEST):
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    foot = page.locator(".foot").bounding_box()
    assert foot is not None
    assert page.evaluate("document.documentElement.scrollHeight - scrollY") - foot["y"] - foot["height"] < 120
    assert visitor.complaints == []
    page.clock.install()
    page.clock.run_for(12_000)
    expect(page.locator("#machines")).not_to_have_attribute("data-stale", re.compile("."))
    tavern.close()
    page.clock.run_for(12_000)
    expect(page.locator("#machines")).to_have_attribute("data-stale", re.compile(r"as of \d+s ago"))


def test_it_works_without_scripts(tavern: Tavern, chromium: Browser) -> None:
    tavern.do("status", state="idle")
    log(tavern, "one")
    log(tavern, "two", "error")
    context = chromium.new_context(java_script_enabled=False, viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto(f"{tavern.address}/watchtower?service=arena")
    page.get_by_label("at least").select_option("error")
    page.get_by_role("button", name="Show").click()
    assert "level=error" in page.url
    expect(page.locator("#lines > li")).to_have_count(1)
    page.get_by_label("logs from").select_option("debug")
    page.get_by_role("button", name="Set").click()
    expect(page.locator("#notices")).to_contain_text("arena logs from debug on")
    page.get_by_role("link", name="train loss").click()
    expect(page.locator("#board-of-champions")).to_contain_text("Nothing was measured by it yet")
    context.close()
