"""The curves in a real browser: how they are looked at, read and kept, and that nothing moves meanwhile."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Browser, Error, Page, expect

from tests.e2e.conftest import Tavern, Visitor
from tests.e2e.waiting import wait_until

pytestmark = pytest.mark.slow

SHIFTS = """() => {
  window.shifts = [];
  const moved = ({ sources }) => sources.map(({ node }) => node?.parentElement?.closest(".panel, .top")?.className);
  new PerformanceObserver((list) => list.getEntries().forEach((entry) => window.shifts.push(...moved(entry))))
    .observe({ type: "layout-shift" });
}"""

LABELS = """async (formats) => {
  const { xLabels, yLabels } = await import("/static/js/shared/charts/ticks.js");
  const { KINDS } = await import("/static/js/shared/charts/kinds.js");
  const { compact } = await import("/static/js/shared/format.js");
  const alike = (labels) => labels.some((label, at) => at && label && label === labels[at - 1]);
  const found = [];
  let seed = 7;
  const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
  for (let round = 0; round < 2000; round++) {
    const power = 10 ** Math.floor(random() * 16 - 9);
    const start = Math.floor(random() * 10 ** Math.floor(random() * 7)) * power;
    const splits = [0, 1, 2, 3, 4].map((at) => start + at * power * [1, 2, 2.5, 5][round % 4]);
    const whole = splits.map((value) => Math.round(value * 1e9));
    if (formats === "compact") {
      if (alike(whole.map(compact))) found.push(whole);
      continue;
    }
    for (const { axis } of Object.values(KINDS)) if (alike(yLabels(splits, axis))) found.push(splits);
    for (const mode of ["step", "tokens", "time"]) if (alike(xLabels(whole, mode))) found.push([mode, ...whole]);
    if (alike(xLabels(splits, "time"))) found.push(["time", ...splits]);
  }
  return found.slice(0, 3);
}"""

RUNS = """async () => {
  const { Run } = await import("/static/js/shared/charts/run.js");
  const { quantile } = await import("/static/js/shared/charts/clip.js");
  const run = new Run({ step: [1, 2, 3, 4, 3, 4, 5], loss: [9, 8, 7, 6, 5, 4, 3], tokens: [1, 2, 3, 4, 5, 6, 7] });
  const main = new Run({ step: [11, 12, 13], since: 11, tokens: [100, 200, 300], seconds: [1, 2, 3] });
  return {
    step: run.step, loss: run.loss, breaks: run.breaks, beside: run.beside(main, "step").slice(0, 2),
    tokens: run.beside(main, "tokens").slice(0, 2), at: main.at(12, "time"),
    p95: quantile([...Array(99).keys(), 1e9], 0.95),
  };
}"""


@pytest.fixture
def battle(tavern: Tavern) -> Tavern:
    tavern.do("status", state="training")
    tavern.do("begin", name="alpaca", total=4000)
    tavern.do("steps", count=1500, nan_at=700)
    tavern.do("end", state="completed")
    tavern.do("begin", name="stories", total=4000)
    tavern.do("steps", count=300)
    tavern.do("checkpoint", train_loss=1.0, val_loss=1.5)
    name = "checkpoint-1800-20240101-0000"
    tavern.do("event", kind="checkpoint_saved", message=f"Checkpoint {name} saved", data={"name": name})
    tavern.do("evaluation", skill="bin", level=1, correct=20, total=25)
    return tavern


def opened(visitor: Visitor, tavern: Tavern) -> Page:
    visitor.page.goto(tavern.address)
    expect(visitor.page.locator("[data-plot=loss] .u-over")).to_be_visible()
    expect(visitor.page.locator("#pill")).to_have_attribute("data-pill", "live")
    return visitor.page


def test_curves_are_looked_at_as_one_likes(battle: Tavern, visitor: Visitor) -> None:
    page = opened(visitor, battle)
    assert page.evaluate(LABELS, "all") == []
    assert page.evaluate(LABELS, "compact") != [], "twin: short numbers alone repeat themselves"
    assert page.evaluate(RUNS) == {
        "step": [1, 2, 3, 4, 5], "loss": [9, 8, 5, 4, 3], "breaks": [2], "beside": [12, 13], "tokens": [101, 102],
        "at": 2, "p95": 94,
    }  # fmt: skip

    page.keyboard.press("]")
    expect(page.locator("[data-smooth]")).to_have_text("0.65")
    page.locator("[name=clip]").select_option("p99")
    read_by_keyboard(page)
    zoom_by_dragging(page, battle)
    page.locator(".menu summary").click()  # not before: another battle's curve is longer, and comes when it comes
    page.locator("[data-rivals] input").check()
    page.keyboard.press("Escape")
    page.locator(".menu summary").click()
    assert re.search(r"smooth=0\.65&clip=p99&.*with=battle-\d+", page.url)
    page.reload()
    expect(page.locator("#range")).to_have_text(re.compile("^Paused at"))
    assert page.locator("[name=clip]").input_value() == "p99"
    page.locator("#whole").click()
    expect(page.locator("#range")).to_be_empty()
    assert "from=" not in page.url
    page.locator("[data-chooses-plot]").select_option("memory")
    expect(page.locator("[data-of=memory]")).to_have_text("500 MB")
    page.locator("[name=x]").select_option("tokens")
    expect(page.locator(".moments a.tone-blood").first).to_be_attached()
    assert visitor.complaints == []


def read_by_keyboard(page: Page) -> None:
    plot, reading = page.locator("[data-plot=loss]"), page.locator("#loss [data-reading]")
    plot.focus()
    page.keyboard.press("End")
    expect(reading).to_contain_text("step 1,800 · stories · raw ")
    page.keyboard.press("Shift+ArrowLeft")
    expect(reading).to_contain_text("step 1,790")
    tips = page.locator(".rate .tip")
    expect(tips).to_contain_text("step 1,790")
    page.keyboard.press("ArrowRight")
    expect(tips).to_contain_text("step 1,791")
    chest = page.locator("[data-plot=loss] .moments a").last
    expect(chest).to_have_attribute("href", "/vault/DIO/checkpoint-1800-20240101-0000")


def zoom_by_dragging(page: Page, battle: Tavern) -> None:
    box: Any = page.locator("[data-plot=loss] .u-over").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 60, steps=3)
    page.mouse.up()
    expect(page.locator("#range")).to_have_text(re.compile(r"^Paused at 1,4\d\d–1,6\d\d$"))
    page.locator("#follow").click()
    battle.do("steps", count=50)
    expect(page.locator("#range")).to_have_text(re.compile(r"^Following 1,6\d\d–1,850$"))
    page.locator("[data-plot=loss]").focus()
    page.keyboard.press("Escape")
    expect(page.locator("#whole")).to_be_hidden()
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 60, steps=3)
    page.mouse.up()
    expect(page.locator("#range")).to_have_text(re.compile("^Paused at"))


def stream(page: Page, battle: Tavern, steps: int) -> int:
    """Numbers of ever other lengths, after `steps` of them; how many there are now."""
    for count, loss, seconds in ((1, 0.5, 0.01), (7, 12.345, 1.5), (130, 1e-5, 0.2), (9, 123456.0, 0.003)):
        battle.do("steps", count=count, loss=loss, seconds_each=seconds)
        battle.do("status", state="training")
        steps += count
        expect(page.locator("[data-live=quest-step]").first).to_have_text(f"{steps:,}")
        expect(page.locator("[data-live=loss]").first).not_to_have_text("")
        page.evaluate("new Promise((drawn) => setTimeout(drawn, 300))")  # charts are drawn four times a second
    return steps


def test_nothing_moves_when_numbers_change(battle: Tavern, visitor: Visitor) -> None:
    page = opened(visitor, battle)
    page.evaluate(SHIFTS)
    steps = stream(page, battle, 300)
    scored = {"val_loss": 12.25, "val_set": {"name": "taught", "rows": 60, "sha256": "c" * 64}}
    battle.do("event", kind="validated", message="Validated", data=scored)
    expect(page.locator("#curves button")).to_have_count(1)
    for state in ("paused", "idle", "training"):
        battle.do("status", state=state)
        expect(page.locator(".page")).to_have_attribute("data-state", state)
    assert set(page.evaluate("window.shifts")) <= {"log panel"}, "a new entry pushes the older ones down"
    page.evaluate("document.styleSheets[1].insertRule('.legend b { width: auto !important }')")
    page.evaluate("window.shifts.length = 0")
    stream(page, battle, steps)
    assert "loss panel chart" in page.evaluate("window.shifts"), "twin: without fixed widths it does"


def test_what_was_last_seen_outlives_the_realm(battle: Tavern, visitor: Visitor, chromium: Browser) -> None:
    page = opened(visitor, battle)
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    page.reload()
    expect(page.locator("#pill")).to_have_attribute("data-pill", "live")
    kept = "async () => (await caches.has('last-seen')) && !!(await (await caches.open('last-seen')).match('/'))"
    wait_until(page, lambda: page.evaluate(kept))
    without = chromium.new_context(service_workers="block").new_page()
    without.goto(battle.address)
    battle.close()
    expect(page.locator("#last-seen")).to_contain_text("The realm is away")
    page.reload()
    expect(page.locator("#last-seen")).to_contain_text("last seen on")
    expect(page.locator("[data-live=quest-step]").first).to_have_text("300")
    expect(page.locator("[data-plot=loss] .u-over")).to_be_visible()
    with pytest.raises(Error, match="ERR_CONNECTION_REFUSED"):
        without.reload()  # twin: nothing keeps it
    without.context.close()
    battle.open()
    expect(page.locator("#last-seen")).to_be_hidden(timeout=20_000)
    expect(page.locator("html")).not_to_have_attribute("data-seen-at", re.compile("."))
