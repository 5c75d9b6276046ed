"""A battle played again in a real browser, and the dialog of one blow."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Route, expect

from tests.e2e.conftest import Tavern, Visitor

LAST = 1200


@pytest.fixture
def fought(tavern: Tavern) -> str:
    """A battle that takes more than two slices."""
    tavern.do("status", state="training")
    tavern.do("begin", name="alpaca", total=LAST)
    tavern.do("steps", count=LAST)
    for step in (5, 700, 700):
        tavern.do("event", kind="checkpoint_saved", message=f"Checkpoint {step} saved", step=step)
    tavern.do("event", kind="skill_level_lost", message="BIN 1 is lost", step=710, data={"skill": "bin", "level": 1})
    return f"{tavern.address}/battles/newest"


def check_played_to_its_end(visitor: Visitor, fought: str) -> None:
    """Every step once and in order, every moment at its step, and no more held than two slices."""
    page = visitor.page
    page.goto(f"{fought}/replay#step=3")
    said, scrub = page.locator("[data-said=step]"), page.locator("#scrub")
    expect(said).to_have_text("3", timeout=30_000)  # the API is read at the first request to it
    page.evaluate(
        """async () => {
          const { Scene } = await import("/static/js/home/scene/scene.js");
          const { Steps } = await import("/static/js/replay/steps.js");
          const { play } = Scene.prototype;
          const { take } = Steps.prototype;
          window.seen = { steps: [], moments: [], held: 0 };
          Scene.prototype.play = function (record, context) {
            seen.steps.push(record.step);
            seen.moments.push(...context.events.map((event) => [record.step, event.step]));
            return play.call(this, record, context);
          };
          Steps.prototype.take = function (slice) {
            take.call(this, slice);
            seen.held = Math.max(seen.held, this.held.length);
          };
        }"""
    )
    page.select_option("#speed", "fixed")
    page.fill("#pace", "400")
    page.locator("#pace").dispatch_event("change")
    page.locator("#main").focus()
    page.keyboard.press(" ")
    expect(page.locator("#play")).to_have_attribute("aria-pressed", "true")
    page.locator("#pace").fill("100000")
    page.locator("#pace").dispatch_event("change")
    expect(page.locator("#play")).to_have_attribute("aria-pressed", "false")
    expect(said).to_have_text("1,200")
    seen = page.evaluate("seen")
    assert seen["steps"] == sorted(set(seen["steps"]))
    assert [told for _, told in seen["moments"]] == [5, 700, 700, 710]
    assert all(played - told < 20 for played, told in seen["moments"])
    assert seen["held"] <= 1000
    scrub.focus()
    page.keyboard.press("ArrowLeft")
    expect(said).to_have_text("1,199")
    shield = page.locator("#stage")
    expect(shield).to_have_attribute("data-lost", "bin/1")
    page.locator("#told a").first.click()
    expect(said).to_have_text("5")
    expect(shield).to_have_attribute("data-lost", "")  # as the hero stood then, whatever was passed over
    scrub.fill("800")
    expect(shield).to_have_attribute("data-lost", "bin/1")
    page.locator("#told a").first.click()
    expect(said).to_have_text("5")


@pytest.mark.slow
def test_a_battle_is_played_to_its_end_and_a_blow_opens(fought: str, visitor: Visitor, tavern: Tavern) -> None:
    check_played_to_its_end(visitor, fought)
    page, dialog = visitor.page, visitor.page.locator("#blow")
    page.click("#open-blow")
    expect(dialog).to_contain_text("step 5")
    dialog.get_by_role("link", name="Step 6 →").click()
    expect(dialog).to_contain_text("step 6")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.set_viewport_size({"width": 320, "height": 700})
    page.reload()
    assert page.evaluate("[innerWidth, document.documentElement.scrollWidth]") == [320, 320]

    page.goto(tavern.address)
    expect(page.locator("#pill")).to_have_attribute("data-pill", "live")
    battle = page.locator("#stage").get_attribute("data-battle")
    page.evaluate(
        "detail => document.dispatchEvent(new CustomEvent('realm:blow', { detail }))", {"battle": battle, "step": 40}
    )
    expect(dialog).to_contain_text("step 40")
    assert visitor.complaints == []


@pytest.mark.slow
def test_twin_without_the_next_slice_it_would_end_early(fought: str, visitor: Visitor) -> None:
    def cut(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=json.dumps(answer.json() | {"next": None}))

    visitor.page.route("**/runs/*/steps?*", cut)
    with pytest.raises(AssertionError):
        check_played_to_its_end(visitor, fought)
