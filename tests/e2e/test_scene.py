"""The battle scene in a real browser: what it shows of the run, and that it moves only where it may."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Tavern, Visitor
from tests.e2e.states import STANCES
from tests.e2e.waiting import wait_until

LOOKS = [(1440, "contrast"), (1440, "parchment"), *((width, "lamplit") for width in (1440, 1024, 390, 320))]

# Words of the scene that lie on each other, on the hero, or outside of the stage.
MISPLACED = """() => {
  const stage = document.querySelector("#stage").getBoundingClientRect();
  const parts = ".hud-hero, .hud-foe, .caption, .last-blow, .pause-scene, .trouble, .remedies > *";
  const seen = (node) => node.checkVisibility({ visibilityProperty: true });
  const boxOf = (node) => [node.className, node.getBoundingClientRect()];
  const boxes = [...document.querySelectorAll(parts)].filter(seen).map(boxOf);
  const helm = document.querySelector(".dio-helm").getBoundingClientRect();
  const asleep = document.querySelector(".page").matches("[data-state=idle], [data-state=offline]");
  if (!asleep) boxes.push(["hero", helm]);
  const meet = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
  const out = (box) => box.left < stage.left - 1 || box.right > stage.right + 1 || box.top < stage.top - 1
    || box.bottom > stage.bottom + 1;
  return [
    ...boxes.flatMap(([name, box], at) =>
      boxes.slice(at + 1).filter(([, other]) => meet(box, other)).map(([other]) => [name, other])),
    ...boxes.filter(([name, box]) => name !== "hero" && out(box)).map(([name]) => [name, "sticks out"]),
  ];
}"""

# As the server would tell of `count` steps: through the page's own scene and store, without a server in between.
FEED = """async ([ticks, everyMs]) => {
  const { Scene } = await import("/static/js/home/scene/scene.js");
  const scene = new Scene(document);
  const seen = { blows: 0, steps: 0, nodes: new Set(), begun: performance.now() };
  document.addEventListener("realm:hit", ({ detail }) => { seen.blows++; seen.steps += detail.n; });
  const hero = { name: "DIO", level: 1, xp: 0 };
  const battle = { id: "b", quest: "q", state: "training", total: 1e6, quest_step: 0, first_step: 0, sps: 20, loss: 2 };
  const store = { hero, battle, curve: { step: [], loss: [] }, stance: "training", training: true, serverNow: 0 };
  scene.take({ type: "snapshot" }, store);
  for (let step = 1; step <= ticks; step++) {
    battle.quest_step = step;
    scene.take({ type: "tick", run: "b", points: [[step, 2 + Math.sin(step) / 9, 1e-3]] }, store);
    await new Promise((done) => setTimeout(done, everyMs));
    seen.nodes.add(document.querySelectorAll("#stage *").length);
  }
  return { ...seen, nodes: seen.nodes.size, seconds: (performance.now() - seen.begun) / 1000 };
}"""

# How many losses a blow is measured by where the curve has steps 1 to 60, and the battle begins after each of `firsts`.
KNOWN = """async (firsts) => {
  const { Scene } = await import("/static/js/home/scene/scene.js");
  const curve = { step: [...Array(60).keys()].map((at) => at + 1), loss: Array(60).fill(0.01) };
  return firsts.map((first_step, at) => {
    const battle = { id: `b${at}`, quest: "q", state: "training", total: 9, quest_step: 0, first_step };
    const scene = new Scene(document);
    scene.take({ type: "snapshot" }, { hero: { name: "DIO", level: 1, xp: 0 }, battle, curve, serverNow: 0 });
    return scene.blows.known;
  });
}"""

# Which moments are shown of those pushed while the first one lasts, and what blows are called.
RULES = """async ({ steps, pushed }) => {
  const { MomentQueue } = await import("/static/js/home/scene/queue.js");
  const { Blows } = await import("/static/js/home/scene/blows.js");
  const shown = [];
  const queue = new MomentQueue({ begin: ({ kind }) => shown.push(kind), end: () => {} });
  for (const [kind, priority] of pushed) queue.push({ kind, priority });
  while (queue.now) queue.finish();
  const blows = new Blows();
  const called = [];
  for (const [step, loss] of steps.entries()) {
    const how = blows.add({ step, loss });
    const blow = blows.take();
    called.push(blow?.crit ? "crit" : blow?.glance ? "glance" : how);
  }
  return { shown, last: called.slice(-4), hit: (blows.add({ step: 1, loss: 2.31 }), blows.take().hit) };
}"""


def at_the_battle(tavern: Tavern, visitor: Visitor) -> Page:
    tavern.do("status", state="training")
    tavern.do("begin", name="alpaca", total=400)
    tavern.do("steps", count=100)
    visitor.page.goto(tavern.address)
    expect(visitor.page.locator("#pill")).to_have_attribute("data-pill", "live")
    return visitor.page


@pytest.mark.slow
def test_words_of_each_state_keep_apart_in_each_width_and_theme(tavern: Tavern, visitor: Visitor) -> None:
    visitor.page.emulate_media(reduced_motion="reduce")
    page = at_the_battle(tavern, visitor)
    told = "the trainer cannot go on: no memory is left for the optimizer; resume tries again"
    for state in (*STANCES, "curse"):
        if state in STANCES and state != "offline":
            tavern.do("status", state=state, message=told if state == "resting" else "")
            expect(page.locator(".page")).to_have_attribute("data-state", state)
            expect(page.locator(".trouble")).to_have_text(told if state == "resting" else "")
        elif state == "curse":
            tavern.do("status", state="training")
            tavern.do("steps", count=1, loss=float("nan"))
            expect(page.locator(".page")).to_have_attribute("data-moment", "curse")
        for width, theme in LOOKS:
            page.set_viewport_size({"width": width, "height": 900})
            page.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", theme)
            assert (state, theme, width, page.evaluate(MISPLACED)) == (state, theme, width, [])
            assert page.evaluate("document.documentElement.scrollWidth") == width
    # A loss that is none: said once, no bar is spoilt.
    assert page.locator("#said-at-once").inner_text() == "Cursed: loss is NaN at step 101"
    assert "NaN" not in "".join(page.locator(".bar").evaluate_all("bars => bars.map((bar) => bar.outerHTML)"))
    # The twin: a caption on the hero is found.
    page.evaluate("document.querySelector('.remedies').style.transform = 'translate(-40px, -100px)'")
    page.set_viewport_size({"width": 1440, "height": 900})
    page.evaluate("""() => {
      const caption = document.querySelector(".said-moment");
      caption.hidden = false;
      caption.style.cssText = "position: absolute; left: 38%; bottom: 60%";
    }""")
    assert page.evaluate(MISPLACED) != []


@pytest.mark.slow
def test_blows_follow_the_steps_and_nothing_moves_where_it_must_not(tavern: Tavern, visitor: Visitor) -> None:
    page = at_the_battle(tavern, visitor)
    # Full motion: at most 2.3 blows a second, each step counted once, no node more than at the start.
    seen = page.evaluate(FEED, [60, 50])
    assert 3 <= seen["blows"] <= 2.3 * seen["seconds"] + 1
    assert seen["steps"] <= 60
    assert seen["nodes"] == 1
    # A blow is a step, and can be asked for.
    asked = page.evaluate(
        """() => new Promise((done) => {
          document.addEventListener("realm:blow", ({ detail }) => done(detail), { once: true });
          document.querySelector(".last-blow").click();
        })"""
    )
    assert asked["step"] > 0
    expect(page.locator("#blow")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#blow")).to_be_hidden()
    # Held still by the player, and by the system's wish: nothing runs, the last hit is told in words.
    page.locator(".pause-scene").click()
    expect(page.locator("#stage")).to_have_attribute("data-motion", "off")
    tavern.do("steps", count=3)
    expect(page.locator(".last-blow")).to_contain_text("step 103")
    for state in ("paused", "idle", "training"):
        tavern.do("status", state=state)
        expect(page.locator(".page")).to_have_attribute("data-state", state)
        wait_until(page, lambda: page.evaluate("document.getAnimations().length === 0"))
    # The twin: where it may move, it does.
    page.locator(".pause-scene").click()
    page.evaluate(
        "void (window.moved = new Promise((done) => document.addEventListener('realm:hit', "
        "() => done(document.getAnimations().length), { once: true })))"
    )
    tavern.do("steps", count=2)
    assert page.evaluate("window.moved") > 0
    # The fed battle is none that the server knows, so its blow is not found.
    assert [said for said in visitor.complaints if "/battles/b/steps/" not in said] == []


@pytest.mark.slow
def test_weightier_moments_interrupt_and_losses_say_what_a_blow_is(tavern: Tavern, visitor: Visitor) -> None:
    visitor.page.goto(tavern.address)
    even = [2.0 + (0.1 if step % 2 else -0.1) for step in range(60)]
    told = visitor.page.evaluate(
        RULES,
        {
            "steps": [*even, 1.6, 2.9, 60.0, None],
            "pushed": [["chest", 2], ["a", 2], ["b", 2], ["level", 4], ["c", 2], ["d", 2], ["e", 2], ["curse", 6]],
        },
    )
    assert told["last"] == ["crit", "glance", "spike", "nan"]
    assert told["hit"] == 43
    # The chest and the level are interrupted; of the five that waited the two oldest are dropped.
    assert told["shown"] == ["chest", "level", "curse", "c", "d", "e"]
    # A battle without a step of its own is not measured by the one before it: a new quest's loss is no curse.
    assert visitor.page.evaluate(KNOWN, [None, 0, 50, 60]) == [0, 60, 10, 0]
