"""The Tavern in a real browser, on the real web server."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from realm.world import CHECKOUT
from tests.e2e.conftest import Tavern, Visitor

CASES = Path(__file__).parent.parent / "tavern" / "number_cases.json"

# Pairs of texts, pictures and buttons that lie on each other, and texts that stick out of their panel.
OVERLAPPING_TEXTS = """() => {
  const cut = (box, node) => {
    const by = node.getBoundingClientRect();
    return { left: Math.max(box.left, by.left), right: Math.min(box.right, by.right), top: Math.max(box.top, by.top),
      bottom: Math.min(box.bottom, by.bottom) };
  };
  const apart = ".plot, .scroll, .unseen, .rail, dialog, .skip, .scene, .toasts";
  const seen = (node) => node.checkVisibility() && !node.closest(apart);
  const boxes = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const text = texts.currentNode;
    if (!text.data.trim() || !seen(text.parentElement)) continue;
    const range = document.createRange();
    range.selectNodeContents(text);
    const panel = text.parentElement.closest(".stat, .panel, .stage, .top");
    for (let box of range.getClientRects()) {
      for (let node = text.parentElement; node; node = node.parentElement) {
        if (getComputedStyle(node).overflowX === "hidden") box = cut(box, node);
      }
      boxes.push([text.data.trim(), box, panel?.getBoundingClientRect(), text]);
    }
  }
  for (const node of document.querySelectorAll(".strip .bar, .stat .icon, .portrait, .who .bar, .purse .icon")) {
    if (seen(node)) boxes.push([node.getAttribute("class"), node.getBoundingClientRect(), null, node]);
  }
  const within = (low, high, other, end) => low < end - 1 && other < high - 1;
  const meet = (a, b) => within(a.left, a.right, b.left, b.right) && within(a.top, a.bottom, b.top, b.bottom);
  const out = (box, panel) => panel && (box.left < panel.left - 1 || box.right > panel.right + 1
    || box.top < panel.top - 1 || box.bottom > panel.bottom + 1);
  const pairs = boxes.flatMap(([name, box, , from], at) => boxes.slice(at + 1)
    .filter(([, other, , of]) => from !== of && meet(box, other)).map(([other]) => [name, other]));
  return [...pairs, ...boxes.filter(([, box, panel]) => out(box, panel)).map(([name]) => [name, "sticks out"])];
}"""


@pytest.fixture
def battle(tavern: Tavern) -> Tavern:
    tavern.do("status", state="training")
    tavern.do("begin", name="alpaca", total=400)
    tavern.do("steps", count=100)
    tavern.do("event", kind="battle_started", message="Battle begins")
    return tavern


def live(page: Page, key: str) -> Any:
    return page.locator(f"[data-live={key}]").first


def go_live(visitor: Visitor, tavern: Tavern) -> Page:
    visitor.page.goto(tavern.address)
    expect(visitor.page.locator("#pill")).to_have_attribute("data-pill", "live")
    return visitor.page


def logged(page: Page) -> list[int]:
    """The seq of each row of the log, oldest first."""
    seqs = page.locator("#entries .entry").evaluate_all("rows => rows.map((row) => Number(row.dataset.seq))")
    return list(reversed(seqs))


def test_numbers_follow_the_battle(battle: Tavern, visitor: Visitor) -> None:
    page = go_live(visitor, battle)
    expect(live(page, "quest-step")).to_have_text("100")
    battle.do("steps", count=23)
    expect(live(page, "quest-step")).to_have_text("123")
    expect(live(page, "percent")).to_have_text("30.7%")
    expect(live(page, "xp")).to_have_text("123")
    expect(page).to_have_title(re.compile(r"^30% · \d\.\d+ · Realm$"))
    expect(page.locator("[data-bar=progress]")).to_have_attribute("aria-valuenow", re.compile(r"^3[01]$"))
    battle.do("event", kind="validated", message="Validation loss 2.5000", data={"val_loss": 2.5})
    expect(page.locator("#entries .entry").first).to_contain_text("Validation loss 2.5000")
    expect(live(page, "val")).to_have_text("2.500")
    page.get_by_text("Data table").click()
    expect(page.locator("#loss-rows tr")).to_have_count(20)
    expect(page.locator("#loss-rows tr").first).to_contain_text("123")
    assert visitor.complaints == []


def test_hero_card_is_drawn_anew_after_a_checkpoint(battle: Tavern, visitor: Visitor) -> None:
    page = go_live(visitor, battle)
    battle.do("steps", count=100, loss=2.0)
    expect(page.locator("[data-stat=attack]")).to_have_text("50.0")  # from the steps, before any checkpoint
    battle.do("checkpoint", train_loss=2.0, val_loss=2.5)
    battle.do("evaluation", skill="bin", level=1, correct=31, total=50)
    battle.do("event", kind="checkpoint_saved", message="Checkpoint saved")
    page.mouse.move(300, 300)  # somebody is there, else the card waits for its turn
    expect(page.locator("[data-stat=attack]")).to_have_text("50.0")
    expect(page.locator("[data-stat=defense]")).to_have_text("40.0")
    expect(page.locator("[data-stat=accuracy]")).to_have_text("62.0%")
    page.locator("#meaning summary").click()
    battle.do("steps", count=100, loss=1.0)
    battle.do("checkpoint", train_loss=1.0, val_loss=2.5)
    battle.do("event", kind="checkpoint_saved", message="Checkpoint saved")
    page.mouse.move(310, 310)
    expect(page.locator("[data-stat=attack]")).to_have_text("100.0")
    expect(page.locator("#meaning")).to_have_attribute("open", "")
    expect(page.locator("[data-stat=attack] + .delta")).to_have_text("▲ 50.0")


def test_web_server_stopped_and_started_loses_no_event(battle: Tavern, visitor: Visitor) -> None:
    page = go_live(visitor, battle)
    before = logged(page)
    page.evaluate("window.sameDocument = true")
    for step in range(2):
        battle.close()
        expect(page.locator("#pill")).to_have_attribute("data-pill", "offline")
        for number in range(4):
            battle.do("steps", count=5)
            battle.do("event", kind="checkpoint_saved", message=f"Checkpoint {step}.{number}")
        battle.open()
        battle.do("status", state="training")  # on a busy machine all this takes longer than a status stays fresh
        expect(page.locator("#pill")).to_have_attribute("data-pill", "live")
        battle.do("event", kind="validated", message=f"After {step}", data={"val_loss": 2.0})
        expect(page.locator("#entries .entry").first).to_contain_text(f"After {step}")
    first = before[-1]
    assert logged(page) == list(range(before[0], first + 10 + 1))
    expect(live(page, "quest-step")).to_have_text("140")
    assert page.evaluate("window.sameDocument") is True


def test_without_its_since_the_page_would_miss_events(battle: Tavern, visitor: Visitor) -> None:
    """Sabotage twin: shows that the check above sees a loss."""
    script = (CHECKOUT / "static/js/shared/socket.js").read_text(encoding="utf-8")
    assert "?since=${this.seq}" in script
    body = script.replace("?since=${this.seq}", "")
    visitor.page.route("**/js/shared/socket.js", lambda route: route.fulfill(body=body, content_type="text/javascript"))
    page = go_live(visitor, battle)
    before = logged(page)
    battle.close()
    expect(page.locator("#pill")).to_have_attribute("data-pill", "offline")
    battle.do("event", kind="checkpoint_saved", message="Missed")
    battle.open()
    battle.do("status", state="training")
    expect(page.locator("#pill")).to_have_attribute("data-pill", "live")
    battle.do("event", kind="validated", message="After", data={"val_loss": 2.0})
    expect(page.locator("#entries .entry").first).to_contain_text("After")
    assert logged(page) == [*before, before[-1] + 2]


def test_chart_has_every_step_after_the_server_was_away(battle: Tavern, visitor: Visitor) -> None:
    page = go_live(visitor, battle)
    battle.close()
    battle.do("steps", count=50, nan_at=120)
    battle.open()
    expect(live(page, "quest-step")).to_have_text("150")
    page.get_by_text("Data table").click()
    expect(page.locator("#loss-rows tr").first).to_contain_text("150")
    steps = page.locator("#loss-rows td:first-child").all_inner_texts()
    assert steps == [str(step) for step in range(150, 130, -1)]


def test_another_battle_takes_the_stage(battle: Tavern, visitor: Visitor) -> None:
    page = go_live(visitor, battle)
    battle.do("end", state="completed")
    battle.do("event", kind="quest_completed", message="Quest complete! alpaca, +100 gold", data={"gold": 100})
    expect(page.locator(".toast")).to_contain_text("Quest complete! alpaca, +100 gold")
    expect(page.locator("#said-politely")).to_have_text("Quest complete! alpaca, +100 gold")
    expect(live(page, "gold")).to_have_text("100")
    battle.do("begin", name="stories", total=50)
    battle.do("steps", count=2)
    expect(page.locator(".hud-foe .name")).to_contain_text("of stories")
    expect(live(page, "subject")).to_have_text("stories")
    expect(live(page, "total")).to_have_text("50")
    assert visitor.complaints == []


COUNT_SLIDES = """() => {
  window.slides = 0;
  document.querySelector("#strip .bar-progress").addEventListener("transitionrun", () => (window.slides += 1));
}"""


def slides_to_another_battle(battle: Tavern, page: Page) -> int:
    """How often the strip's bar slides while a battle at its end gives way to another one."""
    battle.do("steps", count=299)
    expect(page.locator("[data-live=quest-step]")).to_have_text("399")
    battle.do("status", state="idle")
    battle.do("end", state="completed")
    expect(page.locator("[data-live=battle-state]")).to_have_text("completed")
    page.wait_for_timeout(1000)
    page.evaluate(COUNT_SLIDES)
    battle.do("begin", name="stories", total=50)
    battle.do("event", kind="battle_started", message="Battle begins")
    battle.do("status", state="preparing")
    expect(page.locator("#strip [data-live=subject]")).to_have_text("stories")
    expect(page.locator("#strip .bar-progress")).to_have_attribute("aria-valuenow", "0")
    page.wait_for_timeout(300)
    return int(page.evaluate("window.slides"))


def test_the_bar_of_another_battle_does_not_slide_back(battle: Tavern, visitor: Visitor) -> None:
    assert slides_to_another_battle(battle, go_live(visitor, battle)) == 0


def test_without_its_rule_the_bar_would_slide_back(battle: Tavern, visitor: Visitor) -> None:
    sheet = (CHECKOUT / "static/css/shared/realm.css").read_text()
    rule = ".bar.at-once rect {\n  transition: none;\n}\n"
    assert rule in sheet
    css = sheet.replace(rule, "")
    visitor.page.route("**/realm*.css", lambda route: route.fulfill(body=css, content_type="text/css"))
    assert slides_to_another_battle(battle, go_live(visitor, battle)) > 0


def test_rest_and_retreat_act(battle: Tavern, visitor: Visitor) -> None:
    page = go_live(visitor, battle)
    page.keyboard.press("p")
    expect(page.locator("#order-pause")).to_have_text("Resting…")
    expect(page.locator("#order-pause")).to_be_disabled()
    battle.do("end", state="paused")
    battle.do("status", state="paused")
    expect(page.locator("#order-resume")).to_be_visible()
    expect(page.locator(".page")).to_have_attribute("data-state", "paused")
    page.locator("#order-stop").click()
    page.get_by_role("button", name="Fight on").click()
    page.locator("#order-stop").click()
    page.get_by_role("dialog").get_by_role("button", name="Retreat").click()
    expect(page.locator("#order-stop")).to_have_text("Retreating…")
    wishes = [json.loads(path.read_text())["wish"] for path in sorted((battle.home / "control").glob("*.command.json"))]
    assert wishes == ["pause", "stop"]
    assert visitor.complaints == []


@pytest.mark.parametrize("width", [390, 1440])
def test_skip_asks_and_acts_by_keyboard_alone(battle: Tavern, visitor: Visitor, width: int) -> None:
    visitor.page.set_viewport_size({"width": width, "height": 900})
    page = go_live(visitor, battle)
    page.locator("#order-pause").focus()
    page.keyboard.press("Tab")
    expect(page.locator("#order-skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("Skip this quest?")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert list((battle.home / "control").glob("*.command.json")) == []
    page.locator("#order-skip").press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Skip").press("Enter")
    expect(page.locator("#order-skip")).to_have_text("Skipping…")
    (path,) = (battle.home / "control").glob("*.command.json")
    assert json.loads(path.read_text())["wish"] == "skip"
    assert visitor.complaints == []


def test_a_battle_that_waits_for_room_says_so_and_offers_no_resume(battle: Tavern, visitor: Visitor) -> None:
    page = go_live(visitor, battle)
    said = "/data is full: 4.2 MB are needed to go on, 0.0 MB are free"
    battle.do("status", state="paused", message=said, waits=True)
    expect(page.locator(".trouble")).to_have_text(said)
    expect(page.locator(".page")).to_have_attribute("data-state", "paused")
    expect(page.locator("#order-pause")).to_be_visible()
    expect(page.locator("#order-resume")).to_have_count(0)
    battle.do("status", state="training")
    expect(page.locator(".trouble")).to_be_hidden()
    assert visitor.complaints == []


def test_single_keys_can_be_switched_off(battle: Tavern, visitor: Visitor) -> None:
    page = go_live(visitor, battle)
    page.keyboard.press("l")
    expect(page.locator("#log .scroll")).to_be_focused()
    page.locator("#keys").uncheck()
    page.keyboard.press("p")
    page.reload()
    expect(page.locator("#keys")).not_to_be_checked()
    assert list((battle.home / "control").glob("*.command.json")) == []


def test_states_are_shown_as_they_are(battle: Tavern, visitor: Visitor) -> None:
    page = go_live(visitor, battle)
    for state in ("paused", "resting", "idle", "preparing", "training"):
        battle.do("status", state=state)
        expect(page.locator(".page")).to_have_attribute("data-state", state)
    battle.do("status", state="training", message="the trainer does not start: no memory")
    expect(page.locator(".trouble")).to_have_text("the trainer does not start: no memory")
    battle.stop_arena()
    expect(page.locator(".page")).to_have_attribute("data-state", "offline")
    expect(page.locator("#pill")).to_have_text("Offline")
    expect(page.locator("#orders button")).to_have_count(0)


def test_hostile_words_from_the_socket_stay_text(battle: Tavern, visitor: Visitor) -> None:
    page = go_live(visitor, battle)
    hostile = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    battle.do("event", kind="battle_failed", message=hostile)
    expect(page.locator("#entries .entry").first).to_contain_text("<img src=x")
    expect(page.locator(".toast")).to_contain_text("<script>")
    expect(page.locator("#said-at-once")).to_contain_text("<img")
    assert page.locator("main img").count() == 0
    assert page.title() != "owned"
    assert visitor.complaints == []


@pytest.mark.parametrize("width", [320, 390, 1024, 1440])
def test_nothing_is_cut_off(battle: Tavern, visitor: Visitor, width: int) -> None:
    battle.do("quest", name="a-quest-with-a-name-that-is-far-too-long-for-any-line-" * 3)
    battle.do("event", kind="validated", message="w" * 300, data={"val_loss": 1.5})
    battle.do("steps", count=1, loss=0.0081071)
    visitor.page.set_viewport_size({"width": width, "height": 900})
    page = go_live(visitor, battle)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    cut = page.locator("main > section:not(.stage), .strip, .figures, .stat, .top").evaluate_all(
        "nodes => nodes.filter((node) => node.scrollWidth > node.clientWidth).map((node) => node.className)"
    )
    assert cut == []
    assert page.evaluate(OVERLAPPING_TEXTS) == []
    least = 44 if width < 900 else 40
    sizes = page.locator("button:visible, .rail a:visible").evaluate_all(
        "nodes => nodes.map((node) => [node.innerText, Math.round(node.getBoundingClientRect().height)])"
    )
    assert [size for size in sizes if size[1] < least] == []
    if width == 1440:
        page.get_by_role("button", name="Close for good").click()
        expect(page.locator("#first-steps")).to_have_count(0)
        bottoms = page.locator("main > section").evaluate_all(
            "nodes => nodes.map((node) => node.getBoundingClientRect().bottom)"
        )
        assert max(bottoms) <= 900
    assert visitor.complaints == []


@pytest.mark.slow
def test_large_numbers_and_long_names_keep_apart(tavern: Tavern, visitor: Visitor) -> None:
    """Each stat as wide as it gets, then as small."""
    tavern.do("status", state="training")
    tavern.do("begin", name="a-quest-whose-name-is-longer-than-any-line-of-a-phone-" * 2, total=1_234_567)
    tavern.do("steps", count=1)
    tavern.do("checkpoint", train_loss=100.0, val_loss=1e-9)
    page = go_live(visitor, tavern)
    tavern.do("skip_to", step=98_765_432)
    tavern.do("win", count=1500)
    for small, large, defense in ((1e-9, 100.0, "1.0"), (7.759e-4, 0.0138, "7,246")):
        tavern.do("checkpoint_again", train_loss=small, val_loss=large)
        tavern.do("event", kind="validated", message="Validated", data={"val_loss": large})
        page.reload()  # the card is drawn anew sparingly
        expect(live(page, "gold")).to_have_text("150.0k")
        expect(page.locator("[data-stat=gold]")).to_have_text("150.0k")
        expect(page.locator("[data-stat=defense]")).to_have_text(defense)
        expect(page.locator(".stat .delta:is(.better, .worse)")).to_have_count(3)
        assert max(map(len, page.locator("[data-stat]").all_inner_texts())) <= 6
        for width in (320, 390, 460, 600, 900, 1024, 1440):
            page.set_viewport_size({"width": width, "height": 900})
            assert (width, page.evaluate(OVERLAPPING_TEXTS)) == (width, [])
            assert page.evaluate("document.documentElement.scrollWidth") == width


def coloured(page: Page, plot: str, tone: str) -> list[int]:
    """Columns of the chart's canvas, in CSS pixels, that hold a pixel in exactly this colour of the palette."""
    found: list[int] = page.evaluate(
        """([plot, tone]) => {
          const canvas = document.querySelector(`[data-plot=${plot}] canvas`);
          const hex = getComputedStyle(document.documentElement).getPropertyValue(`--${tone}`).trim();
          const wanted = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
          const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
          copy.drawImage(canvas, 0, 0);
          const { data, width, height } = copy.getImageData(0, 0, canvas.width, canvas.height);
          const holds = (x) => Array.from({ length: height }, (_, y) => (y * width + x) * 4)
            .some((at) => wanted.every((part, channel) => data[at + channel] === part) && data[at + 3] === 255);
          return Array.from({ length: width }, (_, x) => x).filter(holds);
        }""",
        [plot, tone],
    )
    return found


def drawn(page: Page, plot: str, tone: str, holds: Callable[[list[int]], bool]) -> list[int]:
    """The coloured columns, as soon as `holds` is true of them: a chart is drawn a moment after the texts."""
    for _ in range(40):
        columns = coloured(page, plot, tone)
        if columns and holds(columns):
            return columns
        page.wait_for_timeout(250)
    raise AssertionError(f"{plot} in {tone}: columns {columns[:1]} to {columns[-1:]}")


def test_earlier_battles_stay_drawn_faintly(battle: Tavern, visitor: Visitor) -> None:
    page = go_live(visitor, battle)
    whole = drawn(page, "loss", "ember", lambda columns: columns[-1] - columns[0] > 200)
    battle.do("end", state="completed")
    battle.do("begin", name="stories", total=200)
    battle.do("steps", count=100)
    expect(live(page, "quest-step")).to_have_text("100")
    expect(live(page, "subject")).to_have_text("stories")
    middle = (whole[0] + whole[-1]) / 2
    now = drawn(page, "loss", "ember", lambda columns: columns[0] == pytest.approx(middle, abs=20))
    assert now[-1] == pytest.approx(whole[-1], abs=20)
    page.get_by_text("Data table").click()
    expect(page.locator("#loss-rows tr").first).to_contain_text("200")
    assert visitor.complaints == []


def test_accuracy_of_all_battles_is_one_line_for_each_level(battle: Tavern, visitor: Visitor) -> None:
    for level, correct in ((1, 10), (1, 20), (1, 25), (2, 5), (2, 10)):
        battle.do("steps", count=20)
        battle.do("evaluation", skill="bin", level=level, correct=correct, total=25)
    battle.do("end", state="completed")
    battle.do("begin", name="stories", total=200)
    page = go_live(visitor, battle)
    expect(live(page, "accuracy")).to_have_text("40.0%")
    columns = drawn(page, "accuracy", "moss", lambda columns: columns[-1] - columns[0] > 100)
    gaps = [(left, right) for left, right in pairwise(columns) if right - left > 20]
    assert len(gaps) == 1
    assert (gaps[0][0] - columns[0]) / (columns[-1] - columns[0]) == pytest.approx(0.5, abs=0.08)
    battle.do("steps", count=20)
    data = {"skill": "bin", "level": 2, "correct": 20, "total": 25, "accuracy": 0.8}
    battle.do("event", kind="evaluated", message="BIN level 2: 20 of 25 right", data=data)
    expect(live(page, "accuracy")).to_have_text("80.0%")


def test_log_axis_is_the_datas_then_the_players_choice(battle: Tavern, visitor: Visitor) -> None:
    page = go_live(visitor, battle)
    button = page.locator("#log-scale")
    expect(button).to_have_attribute("aria-pressed", "false")
    battle.do("steps", count=1, loss=0.01)
    expect(button).to_have_attribute("aria-pressed", "true")
    assert "log" not in page.url
    page.keyboard.press("y")
    expect(button).to_have_attribute("aria-pressed", "false")
    assert page.url.endswith("?log=0")
    button.click()
    assert page.url.endswith("?log=1")
    page.goto(battle.address)
    expect(button).to_have_attribute("aria-pressed", "true")
    page.goto(f"{battle.address}/?log=0")
    expect(button).to_have_attribute("aria-pressed", "false")
    assert visitor.complaints == []


def test_losses_without_a_logarithm_are_gaps(tavern: Tavern, visitor: Visitor) -> None:
    visitor.page.goto(tavern.address)
    linear, log = visitor.page.evaluate(
        """async () => {
          const { pictureOf } = await import("/static/js/shared/charts/kinds.js");
          const { Run } = await import("/static/js/shared/charts/run.js");
          const run = new Run({ step: [1, 2, 3, 4, 5], loss: [2, 0, -1, null, 2], starts: [4] });
          const validation = [{ key: "a", label: "taught, 6 rows", token: "sky", points: [[5, 0]], current: true }];
          const looked = { x: "step", smooth: 0.6, clip: "off" };
          return [false, true].map((log) => pictureOf("loss", { runs: [run], validation }, { ...looked, log }).columns);
        }"""
    )
    assert linear[1] == [2, 0, -1, None, 2]
    assert log[1] == [2, None, None, None, 2]
    assert (linear[3][-1], log[3][-1]) == (0, None)
    assert log[2][-1] == linear[2][-1] == 2, "smoothing begins anew with a battle"

    curves = visitor.page.evaluate(
        """async () => {
          const { addScores } = await import("/static/js/shared/scores.js");
          const over = (name, sha256) => ({ name, rows: 6, sha256 });
          const curves = [];
          const sets = { "bin/1": over("bin/1", "c") };
          addScores(curves, 1, { val_loss: 2, val_set: over("taught", "a"), losses: { "bin/1": 3 }, sets });
          addScores(curves, 2, { val_loss: 9, val_set: over("taught", "b"), losses: { "bin/1": 2 }, sets });
          addScores(curves, 2, { val_loss: 8, val_set: over("taught", "b"), losses: {}, sets: {} });
          return curves.map(({ set, sha256, points }) => [set, sha256, points]);
        }"""
    )
    assert curves == [
        ["taught", "a", [[1, 2]]], ["bin/1", "c", [[1, 3], [2, 2]]], ["taught", "b", [[2, 8]]],
    ], "values over different rows are never one line"  # fmt: skip


def test_guild_trouble_is_a_row_and_no_alarm(battle: Tavern, visitor: Visitor) -> None:
    page = go_live(visitor, battle)
    battle.do("event", kind="guild_trouble", message="configs/skills/bin.yaml: no such trainer")
    row = page.locator("#entries .entry").first
    expect(row).to_contain_text("no such trainer")
    expect(row.locator("use")).to_have_attribute("href", re.compile("#gi-cursed-star$"))
    expect(page.locator("#said-at-once")).to_be_empty()
    expect(page.locator(".toast")).to_have_count(0)
    page.reload()
    expect(row.locator("use")).to_have_attribute("href", re.compile("#gi-cursed-star$"))


@pytest.mark.parametrize(("right", "tone"), [(0, "plain"), (20, "moss")])
def test_only_a_good_evaluation_is_a_success(battle: Tavern, visitor: Visitor, right: int, tone: str) -> None:
    page = go_live(visitor, battle)
    said, data = f"BIN level 2: {right} of 25 right", {"accuracy": right / 25}
    battle.do("event", kind="evaluated", message=said, data=data)
    row = page.locator("#entries .entry").first
    expect(row).to_contain_text(said)
    expect(row).to_have_class(f"entry tone-{tone}")
    page.reload()
    expect(row).to_contain_text(said)
    expect(row).to_have_class(f"entry tone-{tone}")


def test_two_texts_on_each_other_are_found(battle: Tavern, visitor: Visitor) -> None:
    """Sabotage twin of the checks above."""
    page = go_live(visitor, battle)
    assert page.evaluate(OVERLAPPING_TEXTS) == []
    page.evaluate("document.querySelector('.stat .how').style.marginTop = '-20px'")
    assert [pair[1] for pair in page.evaluate(OVERLAPPING_TEXTS)] == ["100 / mean loss"]


def test_reduced_motion_moves_nothing(battle: Tavern, visitor: Visitor) -> None:
    visitor.page.emulate_media(reduced_motion="reduce")
    page = go_live(visitor, battle)
    battle.do("steps", count=10)
    expect(live(page, "quest-step")).to_have_text("110")
    assert page.evaluate("document.getAnimations().length") == 0


def test_browser_reads_numbers_as_the_server_does(tavern: Tavern, visitor: Visitor) -> None:
    visitor.page.goto(tavern.address)
    cases = json.loads(CASES.read_text(encoding="utf-8"))
    wrong = visitor.page.evaluate(
        """async (cases) => {
          const format = await import("/static/js/shared/format.js");
          const read = Object.entries(cases).flatMap(([name, rows]) =>
            rows.map(([value, expected]) => [name, value, expected, format[name](value)]));
          return read.filter(([, , expected, said]) => said !== expected);
        }""",
        cases,
    )
    assert wrong == []
    assert visitor.page.evaluate(
        "async () => { const f = await import('/static/js/shared/format.js'); return [f.loss(NaN), f.loss(Infinity)]; }"
    ) == ["NaN", "∞"]


def test_bar_never_goes_back_nor_past_what_may_be_true(tavern: Tavern, visitor: Visitor) -> None:
    visitor.page.goto(tavern.address)
    shown = visitor.page.evaluate(
        """async () => {
          const { smoothStep } = await import("/static/js/shared/smooth.js");
          const at = { step: 10, total: 20, sps: 2, done: false, tickSeconds: 0.5, sinceTick: 0 };
          return {
            moves: smoothStep({ ...at, sinceTick: 0.25 }),
            clamped: smoothStep({ ...at, sinceTick: 60 }),
            neverBack: smoothStep({ ...at, step: 9 }, 11),
            unfinished: smoothStep({ ...at, step: 19, sps: 100, sinceTick: 9 }),
            done: smoothStep({ ...at, step: 20, done: true }),
            noSpeed: smoothStep({ ...at, sps: null, sinceTick: 9 }),
          };
        }"""
    )
    assert shown == {
        "moves": 10.5, "clamped": 11.5, "neverBack": 11, "unfinished": 19, "done": 20, "noSpeed": 10,
    }  # fmt: skip


def test_smoothing_leaves_gaps_and_corrects_its_start(tavern: Tavern, visitor: Visitor) -> None:
    visitor.page.goto(tavern.address)
    values = visitor.page.evaluate(
        """async () => {
          const { smoothed } = await import("/static/js/shared/charts/smoothing.js");
          return smoothed([4, 2, null, 2], 0.6);
        }"""
    )
    assert values[:3] == [pytest.approx(4.0), pytest.approx((4 * 0.6 + 2) / 1.6), None]
    assert values[3] == pytest.approx((4 * 0.36 + 2 * 0.6 + 2) / (0.36 + 0.6 + 1))


@pytest.mark.parametrize("width", [390, 1440])
def test_an_idle_tavern_offers_what_comes_next(battle: Tavern, visitor: Visitor, width: int) -> None:
    """Both look like buttons: a link and a form's, of one height, each with its text in the middle."""
    battle.do("status", state="idle")
    visitor.page.set_viewport_size({"width": width, "height": 900})
    page = visitor.page
    page.goto(battle.address)
    offered = page.locator("#orders .button")
    expect(offered.first).to_have_text("Choose a quest")
    off_middle = offered.evaluate_all("""nodes => nodes.map((node) => {
        const text = document.createRange();
        text.selectNodeContents(node);
        const [inner, outer] = [text.getBoundingClientRect(), node.getBoundingClientRect()];
        return Math.abs((inner.top + inner.bottom) - (outer.top + outer.bottom)) / 2;
    })""")
    assert max(off_middle) < 3
    offered.first.click()
    expect(page).to_have_url(f"{battle.address}/quests")
