"""The page of the heroes in a browser: a name as it is typed, a switch, and that nothing sticks out."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.e2e.conftest import Tavern, Visitor


def test_a_hero_is_named_made_and_switched_to(tavern: Tavern, visitor: Visitor) -> None:
    page = visitor.page
    page.goto(f"{tavern.address}/heroes")
    page.locator("#create-name").press_sequentially("Sir Läncelot!")
    expect(page.locator("#create-said .refusal")).to_contain_text("cannot be a hero's name")
    page.get_by_role("button", name="Sir-Lancelot", exact=True).click()
    expect(page.locator("#create-said")).to_contain_text("Sir-Lancelot is free")
    expect(page.locator("#create-name")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#notices")).to_contain_text("Sir-Lancelot is here")
    for width in (1440, 390, 320):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.get_by_role("button", name="Let Sir-Lancelot fight").click()
    expect(page.locator(".subject")).to_have_text("Sir-Lancelot fights")
    page.get_by_role("link", name="Tavern").first.click()
    expect(page.locator("#hero-name")).to_have_text("Sir-Lancelot")
    assert visitor.complaints == []
