"""Every page in both themes: nothing serious for axe-core 4.14.1, no sideways scroll at 320 px, a quiet console."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.e2e.conftest import Tavern, Visitor

AXE = (Path(__file__).parent / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
"""Of the npm package axe-core 4.14.1, sha256 29348999450c…, MPL-2.0: see the LICENSE beside it."""
SUBPAGES = (
    "/log", "/keys", "/quests?template=chat", "/quests?open=add", "/quests/sources", "/quests/1",
    "/guild/bin", "/vault/room", "/vault/zones", "/vault/champions", "/vault/compare", "/notices",
)  # fmt: skip
SERIOUS = """async (rules) => {
  const { violations } = await axe.run(document, { resultTypes: ["violations"], ...rules });
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id} (${nodes.length}): ${nodes.slice(0, 3).map((node) => node.target).join(", ")}`);
}"""
COLOURS = {"runOnly": ["color-contrast"]}


def addresses(tavern: Tavern, page: Page) -> list[str]:
    page.goto(tavern.address)
    links = page.locator(".rail [data-place]").evaluate_all("nodes => nodes.map((node) => node.getAttribute('href'))")
    assert len(set(links)) >= 8
    return [*dict.fromkeys(links), *SUBPAGES]


def faults(page: Page) -> list[str]:
    """Of the page that is open, in both themes and at 320 px."""
    page.set_viewport_size({"width": 1440, "height": 900})
    page.evaluate(AXE)
    found: list[str] = page.evaluate(SERIOUS, {})
    page.evaluate("document.documentElement.dataset.theme = 'parchment'")
    in_parchment: list[str] = page.evaluate(SERIOUS, COLOURS)
    found += [f"parchment {fault}" for fault in in_parchment]
    page.set_viewport_size({"width": 320, "height": 700})
    width: Any = page.evaluate("document.documentElement.scrollWidth")
    return found + ([f"{width} px wide at 320"] if width > 320 else [])


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_page_in_both_themes(tavern: Tavern, visitor: Visitor) -> None:
    tavern.do("status", state="training")
    tavern.do("begin", name="alpaca", total=400, skill="bin", level=3)
    tavern.do("steps", count=100)
    tavern.do("checkpoint", train_loss=1.0, val_loss=1.2)
    tavern.do("evaluation", skill="bin", level=3, correct=20, total=25)
    for kind in ("battle_started", "checkpoint_saved", "validated", "quest_arrived", "quest_arrived", "fault"):
        tavern.do("event", kind=kind, message=f"{kind} of a battle", data={"val_loss": 1.2})
    page, found = visitor.page, {}
    for address in addresses(tavern, page):
        answer = page.goto(f"{tavern.address}{address}")
        assert answer is not None
        assert answer.ok, f"{address}: {answer.status}"
        if here := faults(page):
            found[address] = here
    assert found == {}
    assert visitor.complaints == []


def test_twin_a_picture_without_words_and_a_wide_row_are_found(visitor: Visitor) -> None:
    visitor.page.set_content("<!DOCTYPE html><html lang=en><title>x</title><img src=data:,><p style='width:50rem'>x")
    assert [fault.split(" (")[0] for fault in faults(visitor.page)] == ["image-alt", "808 px wide at 320"]
