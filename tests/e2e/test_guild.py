"""The Guild Hall and the scheduler in a real browser: live runs, orders, keys, a phone, all of it without scripts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from realm.world import CHECKOUT
from tests.e2e.conftest import Tavern, Visitor

PERFORM_SECONDS = 90


def perform(tavern: Tavern, run: int) -> None:
    """As the Task Master would."""
    command = [sys.executable, "manage.py", "perform", str(run)]
    subprocess.run(command, cwd=CHECKOUT, env=tavern.environment, check=True, timeout=PERFORM_SECONDS)


def ask_for_a_forge(page: Page, *, levels: str = "1", count: str = "40") -> None:
    work = page.locator("#ask-forge")
    if work.get_attribute("open") is None:
        work.locator("summary").first.click()
    work.get_by_label("Skill").select_option("bin")
    work.get_by_label("Levels").fill(levels)
    work.get_by_label("Rows").fill(count)
    work.get_by_role("button", name="Forge").click()


def test_a_run_is_asked_for_watched_opened_and_deleted(tavern: Tavern, visitor: Visitor) -> None:
    tavern.do("status", state="idle")
    page = visitor.page
    page.goto(f"{tavern.address}/guild")
    ask_for_a_forge(page)
    expect(page.locator("#notices")).to_contain_text("40 problems of bin level 1")
    expect(page.locator("#master")).to_contain_text("No Task Master lives")
    expect(page.locator("#run-1")).to_contain_text("waiting")
    perform(tavern, 1)
    page.mouse.move(300, 300)  # somebody is there, else the list waits for its turn
    expect(page.locator("#run-1")).to_contain_text("completed")
    assert list((tavern.home / "inbox").glob("forge-bin-*.jsonl"))
    page.locator("#run-1 a").click()
    expect(page.locator("#run")).to_contain_text("What was forged")
    page.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Delete 40 problems of bin level 1?")
    dialog.get_by_role("button", name="Keep it").click()
    expect(page.locator("#run")).to_be_visible()
    page.get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(page.locator("#notices")).to_contain_text("is deleted")
    expect(page.locator("#runs")).to_contain_text("No run yet")
    assert visitor.complaints == []


def test_orders_leave_the_page_where_it_is(tavern: Tavern, visitor: Visitor) -> None:
    tavern.do("status", state="idle")
    page = visitor.page
    page.goto(f"{tavern.address}/guild")
    ask_for_a_forge(page)
    expect(page.locator("#notices")).to_contain_text("40 problems of bin level 1")  # its row is drawn anew with it
    page.get_by_role("button", name="Stop 40 problems").press("Enter")
    expect(page.locator("#run-1 .state")).to_have_text("stopped")
    expect(page.locator("#notices")).to_contain_text("stopped before it began")
    page.locator("#ask-sparring summary").first.click()
    page.locator("#ask-sparring").get_by_label("Problems").fill("77")
    page.get_by_role("button", name="Again 40 problems").press("Enter")
    expect(page.locator("#run-1 .state")).to_have_text("waiting")
    expect(page.locator("#ask-sparring").get_by_label("Problems")).to_have_value("77")
    assert visitor.complaints == []


def test_two_keys_lead_from_place_to_place(tavern: Tavern, visitor: Visitor) -> None:
    tavern.do("status", state="idle")
    page = visitor.page
    page.goto(f"{tavern.address}/guild")
    page.keyboard.press("g")
    page.keyboard.press("s")
    expect(page.get_by_role("heading", name="Scheduler")).to_be_visible()
    page.get_by_label("single keys").uncheck()
    page.keyboard.press("g")
    page.keyboard.press("u")
    page.get_by_label("single keys").check()
    expect(page.get_by_role("heading", name="Scheduler")).to_be_visible()
    page.locator("main").focus()
    page.keyboard.press("g")
    page.keyboard.press("u")
    expect(page.get_by_role("heading", name="Guild Hall")).to_be_visible()
    assert visitor.complaints == []


def test_a_skill_shows_its_problems_by_itself(tavern: Tavern, visitor: Visitor) -> None:
    tavern.do("status", state="idle")
    page = visitor.page
    page.goto(f"{tavern.address}/guild/bin")
    expect(page.locator("#samples dt").first).to_contain_text("NOT")
    page.get_by_label("Level", exact=True).first.select_option("2")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#samples")).to_contain_text("level 2")
    expect(page.locator("#skill-curve")).to_have_attribute("data-empty", "Nothing measured yet")
    assert visitor.complaints == []


@pytest.fixture
def phone(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(viewport={"width": 390, "height": 844})
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("width", [390, 320])
def test_no_page_is_wider_than_a_phone(tavern: Tavern, phone: Page, width: int) -> None:
    tavern.do("status", state="idle")
    phone.set_viewport_size({"width": width, "height": 844})
    phone.goto(f"{tavern.address}/guild")
    ask_for_a_forge(phone)
    for address in ("/", "/guild", "/guild/bin", "/guild/runs/1", "/scheduler"):
        phone.goto(f"{tavern.address}{address}")
        assert phone.evaluate("document.documentElement.scrollWidth") <= width, address
    more = phone.locator(".more-places summary")
    more.click()
    phone.get_by_role("link", name="Guild").last.click()
    expect(phone.get_by_role("heading", name="Guild Hall")).to_be_visible()


def test_all_of_it_works_without_scripts(tavern: Tavern, chromium: Browser) -> None:
    context = chromium.new_context(java_script_enabled=False, viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto(f"{tavern.address}/guild")
    ask_for_a_forge(page, levels="0")
    expect(page.locator("#ask-forge")).to_contain_text("is no range of levels")
    expect(page.locator("#ask-forge").get_by_label("Levels")).to_have_value("0")
    ask_for_a_forge(page)
    expect(page.locator("#notices")).to_contain_text("Asked")
    page.get_by_role("button", name="Stop 40 problems").click()
    expect(page.locator("#run-1")).to_contain_text("stopped")
    page.get_by_role("link", name="Priorities and what is forged by itself").click()
    page.get_by_role("group", name="Binary Alchemy").get_by_label("Priority").fill("2")
    page.get_by_role("button", name="Save", exact=True).first.click()
    expect(page.locator("#notices")).to_contain_text("Saved for bin")
    page.get_by_role("button", name="Run now Check the realm's health").click()
    expect(page.locator("#task-health_check")).to_contain_text("asked for")
    context.close()
