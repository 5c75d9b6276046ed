"""The vault in a real browser: chests chosen, deleted and put back, questions before orders, a phone, no scripts."""

from __future__ import annotations

import contextlib
import re

import pytest
from playwright.sync_api import Browser, Error, Page, Route, expect

from tests.e2e.conftest import Tavern, Visitor
from tests.e2e.waiting import wait_until

pytestmark = pytest.mark.slow
NARROWEST = 320
PAGES = ("/vault", "/vault/champions", "/vault/zones", "/vault/room?plan=1")


def test_chests_are_chosen_deleted_put_back_protected_and_found(tavern: Tavern, visitor: Visitor) -> None:
    tavern.do("status", state="idle")
    tavern.do("hoard", steps=[100, 200, 300, 400])
    page = visitor.page
    page.goto(f"{tavern.address}/guild")
    page.keyboard.press("g")
    page.keyboard.press("v")
    chests = page.locator(".chest")
    expect(chests).to_have_count(4)
    expect(chests.first).to_contain_text("newest")
    expect(page.locator("#batch")).to_be_hidden()
    for step in ("100", "200", "400"):
        page.locator(f"input[value^='DIO/checkpoint-{step}-']").check()
    expect(page.locator("[data-chosen]")).to_have_text("3")
    page.locator("#batch").get_by_role("button", name="Delete").click()
    question = page.get_by_role("dialog")
    expect(question).to_contain_text("2 checkpoints")
    expect(question).to_contain_text("it is the newest whole one of the active branch")
    question.get_by_role("button", name="Delete").click()
    expect(page.locator("#notices")).to_contain_text("Deleted: 2 checkpoints")
    expect(chests).to_have_count(2)
    page.locator("#notices").get_by_role("button", name="Undo").click()
    expect(page.locator("#notices")).to_contain_text("Back on the shelf")
    expect(chests).to_have_count(4)
    old = page.locator(".chest").last
    old.get_by_label("Orders for").click()
    old.get_by_role("button", name="Protect").click()
    expect(old).to_contain_text("protected")
    expect(old.get_by_role("button", name="Unprotect")).to_be_visible()
    old.get_by_role("link", name="Delete").click()
    question = page.get_by_role("dialog")
    expect(question).to_contain_text("it is protected since")
    expect(question.get_by_role("button", name="Delete")).to_have_count(0)
    page.keyboard.press("Escape")
    old.get_by_role("button", name="Verify").click()
    expect(page.locator("#jobs")).to_contain_text("Verify step 100")
    expect(page.locator("#jobs")).to_contain_text("The vault's process is not running")
    page.get_by_role("button", name="Cancel verify step 100").click()
    expect(page.locator("#jobs")).to_contain_text("cancelled")
    page.get_by_label("Show").select_option("protected")
    expect(page.locator(".chest")).to_have_count(1)
    assert "show=protected" in page.url
    page.set_viewport_size({"width": NARROWEST, "height": 844})
    chest = page.locator(".chest .called a").first.get_attribute("href")
    for address in (*PAGES, chest):
        page.goto(f"{tavern.address}{address}")
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROWEST, address
    assert visitor.complaints == []


def show_while_the_shelf_is_drawn_anew(page: Page, show: str) -> None:
    """The shelf is being asked for as one chooses what it shows, and both are answered in that order."""
    held: list[Route] = []
    page.route(re.compile(r"/vault\?"), lambda route: held.append(route))
    with page.expect_request(re.compile(r"/vault\?")):
        page.evaluate("htmx.trigger(document.body, 'realm:shelf')")
    with page.expect_request(re.compile(rf"/vault\?.*show={show}(&|$)")):
        page.get_by_label("Show").select_option(show)
    wait_until(page, lambda: len(held) == 2)
    for route in held:
        with contextlib.suppress(Error):  # the first one was given up
            route.fulfill(response=route.fetch())
    page.unroute_all()


def test_what_one_chooses_is_not_undone_by_a_refresh_under_way(tavern: Tavern, visitor: Visitor) -> None:
    tavern.do("status", state="idle")
    tavern.do("hoard", steps=[100, 200, 300])
    page = visitor.page
    page.goto(f"{tavern.address}/vault")
    expect(page.locator("#pill")).to_have_attribute("data-pill", "live")
    show_while_the_shelf_is_drawn_anew(page, "protected")
    expect(page.locator(".chest")).to_have_count(0)
    show_while_the_shelf_is_drawn_anew(page, "")
    expect(page.locator(".chest")).to_have_count(3)


def test_all_of_it_works_without_scripts(tavern: Tavern, chromium: Browser) -> None:
    tavern.do("status", state="idle")
    tavern.do("hoard", steps=[100, 200, 300])
    context = chromium.new_context(java_script_enabled=False, viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto(f"{tavern.address}/vault?sort=step")
    page.locator("input[value^='DIO/checkpoint-100-']").check()
    page.locator("#batch").get_by_role("button", name="Delete").click()
    expect(page.locator("section.question")).to_contain_text("Delete step 100?")
    page.get_by_role("button", name="Delete").click()
    assert page.url.endswith("/vault?sort=step")
    expect(page.locator(".chest")).to_have_count(2)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#notices")).to_contain_text("Back on the shelf")
    expect(page.locator(".chest")).to_have_count(3)
    page.goto(f"{tavern.address}/vault/champions")
    page.get_by_role("link", name="train loss").click()
    page.get_by_role("button", name="Promote step 200").click()
    expect(page.locator("#notices")).to_contain_text("is the champion of branch 1 until it is unpinned")
    expect(page.get_by_role("button", name="Unpin")).to_be_visible()
    context.close()
