"""On return one report and no toast again; the bell; no audio before somebody wants sound."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Tavern, Visitor

MOMENTS = ("quest_completed", "hero_level_up", "new_champion")
COUNTED = """
  window.audio = { contexts: 0, sounds: [] };
  const Real = window.AudioContext;
  window.AudioContext = class extends Real {
    constructor(...given) {
      super(...given);
      window.audio.contexts += 1;
    }
    createBufferSource() {
      window.audio.sounds.push(1);
      return super.createBufferSource();
    }
  };
  Object.defineProperty(document, "hidden", { get: () => window.isAway ?? false });
  const now = Date.now;
  Date.now = () => now() + (window.later ?? 0);
"""
TURN = "(away) => { window.isAway = away; document.dispatchEvent(new Event('visibilitychange')); }"
HIT = "(loss) => document.dispatchEvent(new CustomEvent('realm:hit', { detail: { loss, mean: 2 } }))"
SOUNDS = "() => window.audio.sounds.length"


@pytest.fixture
def watched(tavern: Tavern, visitor: Visitor) -> Iterator[Page]:
    tavern.do("status", state="training")
    tavern.do("begin", name="alpaca", total=400)
    tavern.do("steps", count=120)
    page = visitor.page
    page.add_init_script(COUNTED)
    with page.expect_response("**/away/seen"):
        page.goto(tavern.address)
    expect(page.locator("#pill")).to_contain_text("Live")
    yield page
    assert visitor.complaints == []


def milestones(tavern: Tavern) -> None:
    for kind in MOMENTS:
        tavern.do("event", kind=kind, message=f"{kind} while nobody looked")


def test_ten_minutes_away_are_one_report_and_no_toast(tavern: Tavern, watched: Page) -> None:
    with watched.expect_response("**/away/seen"):
        watched.evaluate(TURN, True)
    milestones(tavern)
    expect(watched.locator("#unread")).to_have_text("3")
    expect(watched).to_have_title("(3) ✓ Quest complete · Realm")
    expect(watched.locator(".toast")).to_have_count(0)

    watched.evaluate("() => { window.later = 600000; }")
    watched.evaluate(TURN, False)
    dialog = watched.get_by_role("dialog", name="While you were away")
    expect(dialog.locator("[data-row]")).not_to_have_count(0)
    expect(dialog).to_contain_text("new_champion while nobody looked")
    expect(watched.locator(".toast")).to_have_count(0)
    dialog.get_by_role("button", name="Hide New champions for good").click()
    expect(dialog.locator("[data-row=champions]")).to_have_count(0)
    dialog.get_by_role("button", name="Go on").click()
    expect(dialog).to_be_hidden()

    watched.locator("#bell").click()
    panel = watched.locator("#bell-panel")
    expect(panel.locator(".unread-one")).to_have_count(3)
    panel.get_by_role("link", name="Champions").click()
    expect(panel.locator(".news li")).to_have_count(1)
    panel.get_by_role("button", name="Mark all read").click()
    expect(watched.locator("#unread")).to_be_hidden()
    expect(watched).to_have_title(re.compile(r"^✓|^\d"))

    # No audio was opened in all this; it is once somebody wants it, and then what is heard is bounded.
    watched.keyboard.press("Escape")
    watched.evaluate(HIT, 2)
    assert watched.evaluate("window.audio.contexts") == 0
    watched.keyboard.press("m")
    watched.evaluate("async () => { while (!window.audio.sounds.length) await new Promise(requestAnimationFrame); }")
    assert watched.evaluate("window.audio.contexts") == 1
    watched.evaluate(f"() => [2, 3, 4].forEach({HIT})")
    assert watched.evaluate(SOUNDS) == 2, "two blows a second at most"
    watched.evaluate(TURN, True)
    watched.evaluate("document.dispatchEvent(new CustomEvent('realm:moment', { detail: { kind: 'level' } }))")
    assert watched.evaluate(SOUNDS) == 2, "nobody listens"
    pitches = "async (pairs) => { const { pitchOf } = await import('/static/js/shared/sound.js'); return "
    pitches += "pairs.map(([loss, mean]) => pitchOf(loss, mean)); }"
    assert watched.evaluate(pitches, [[2, 2], [3, 2], [9, 2], [0.1, 2], [None, 2]]) == [1, 1.5, 2, 0.5, 2]


def test_twin_on_a_page_that_is_seen_each_is_a_toast(tavern: Tavern, watched: Page) -> None:
    milestones(tavern)
    expect(watched.locator(".toast")).to_have_count(3)
    expect(watched.get_by_role("dialog", name="While you were away")).to_be_hidden()
