"""The history in a real browser: a state that follows the arena, battles chosen and compared, a phone, no scripts."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.conftest import Tavern, Visitor

pytestmark = pytest.mark.slow
NARROWEST = 320
TWICE = """() => {
  const form = document.createElement("form");
  form.method = "post";
  document.body.append(form);
  const sent = () => form.dispatchEvent(new SubmitEvent("submit", { bubbles: true, cancelable: true }));
  return [sent(), sent()];
}"""


def test_battles_follow_the_arena_and_are_compared(tavern: Tavern, visitor: Visitor, chromium: Browser) -> None:
    for name in ("first", "second"):
        tavern.do("begin", name=name, total=40)
        tavern.do("steps", count=20)
        if name == "first":
            tavern.do("end", state="completed")
    page = visitor.page
    page.goto(f"{tavern.address}/battles")
    fights = page.locator(".fight")
    expect(fights).to_have_count(2)
    fights.nth(1).get_by_role("checkbox").check()
    expect(page.locator("[data-chosen]")).to_have_text("(1)")
    tavern.do("end", state="completed")
    tavern.do("event", kind="battle_completed", message="It is over")
    expect(fights.first).to_contain_text("completed")
    expect(fights.nth(1).get_by_role("checkbox")).to_be_checked()
    fights.first.get_by_role("checkbox").check()
    page.get_by_role("button", name="Compare").click()
    expect(page.locator(".verdict-line")).to_contain_text("not ranked")
    expect(page.locator(".curve-board .uplot").first).to_be_visible()
    assert page.evaluate(TWICE) == [True, False], "a form that posts is sent once"
    page.set_viewport_size({"width": NARROWEST, "height": 844})
    addresses = [page.url, f"{tavern.address}/battles", f"{tavern.address}/battles/efficiency"]
    for address in addresses:
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROWEST, address
    assert visitor.complaints == []
    context = chromium.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto(f"{tavern.address}/battles")
    plain.locator(".fight a").first.click()
    expect(plain.locator(".curve-box .line")).to_have_count(1)
    plain.get_by_label("Tags").fill("good")
    plain.get_by_role("button", name="Keep").click()
    expect(plain.locator("#notices")).to_contain_text("The notes are kept.")
    context.close()
