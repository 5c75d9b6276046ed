"""The list of keys, what the log groups as it comes, and the line of curl, on one page that is open."""

from __future__ import annotations

import json

from playwright.sync_api import expect

from tests.e2e.conftest import Tavern, Visitor


def test_by_keys_and_in_the_log(tavern: Tavern, visitor: Visitor) -> None:
    tavern.do("status", state="training")
    tavern.do("begin", name="alpaca", total=400)
    page = visitor.page
    page.goto(tavern.address)
    expect(page.locator("#pill")).to_have_attribute("data-pill", "live")

    # What a checkpoint brings becomes one row, and a flood another.
    scores = {"skill": "bin", "level": 3, "correct": 25, "total": 25, "accuracy": 1.0}
    tavern.do("event", kind="checkpoint_saved", message="Checkpoint 600 saved", data={"name": "c-600"}, step=600)
    tavern.do("event", kind="evaluated", message="BIN level 3: 25 of 25 right", data=scores, step=600)
    for number in range(3):
        tavern.do("event", kind="quest_arrived", message=f"{number}.jsonl arrived", step=0)
    tavern.do("event", kind="skill_level_up", message="BIN level 3 is won", data={"skill": "bin", "level": 4}, step=600)
    groups = page.locator("#entries > .group > details > summary")
    expect(groups).to_have_count(2)
    expect(groups.nth(0)).to_contain_text("2.jsonl arrived ×3")
    expect(groups.nth(1)).to_contain_text("Checkpoint 600: BIN 3: 25 of 25 right, BIN 3 won")
    page.locator("#log-topic").select_option("checkpoints")
    expect(groups.nth(0)).to_be_hidden()
    page.reload()
    expect(page.locator("#log-topic")).to_have_value("checkpoints")
    expect(groups.nth(1)).to_contain_text("Checkpoint 600: BIN 3: 25 of 25 right, BIN 3 won")
    expect(page.locator(".rail [data-place=quests] .spark")).to_have_count(1)

    # By keys to the list of keys, and on to the board, where the rows to paste give their line of curl.
    page.keyboard.press("?")
    expect(page.locator("#keys-help")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("q")
    expect(page).to_have_url(f"{tavern.address}/quests")
    expect(page.locator(".rail [data-place=quests] .spark")).to_have_count(0)
    page.goto(f"{tavern.address}/quests?template=adapter")
    page.locator("#paste [name=name]").fill("it's mine")
    page.locator("#paste .curl summary").click()
    line = page.locator("#paste .curl code")
    expect(line).to_contain_text("it'\\''s mine")
    body = json.loads(line.inner_text().split(" -d '", 1)[1][:-1].replace("'\\''", "'"))
    assert body["recipe"] == {"mode": "lora", "lora_rank": 8, "epochs": 5}
    assert visitor.complaints == []
