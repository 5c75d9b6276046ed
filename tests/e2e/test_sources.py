"""The data sources in a real browser: states that follow while ticks stay, and all of it without scripts."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from arena import source_orders
from arena.gate.messages import Answer, state_of
from arena.sources import records
from arena.sources.records import Record
from realm.world import World
from tests.e2e.conftest import Tavern, Visitor

ROW = '{"prompt": "what is two", "completion": "it is 2"}\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    (path / "talks").mkdir(parents=True)
    for name in ("a.jsonl", "talks/b.jsonl"):
        (path / name).write_text(ROW)
    return path


def test_states_follow_and_ticks_stay(tavern: Tavern, visitor: Visitor, folder: Path) -> None:
    tavern.do("status", state="idle")
    page, world = visitor.page, World(tavern.home)
    page.goto(f"{tavern.address}/quests/sources")
    page.get_by_label("Name", exact=True).fill("mine")
    page.get_by_label("Folder", exact=True).fill(str(folder))
    page.get_by_role("button", name="Register").click()
    expect(page.locator("#notices")).to_contain_text("is registered as mine")
    page.get_by_role("button", name="Look at a.jsonl").click()
    expect(page.locator("#pending")).to_contain_text("1 file to be looked at")
    ticked = page.get_by_label("choose talks/b.jsonl")
    ticked.check()
    ((path, _),) = source_orders.MAILBOX.waiting(world)
    seen = folder / "a.jsonl"
    answer = Answer(number=1, path=str(seen), seen=state_of(seen), unreadable="it is a mess")
    records.write(world, Record.of(answer, order=path.name, now=1000.0))
    path.unlink()
    expect(page.locator(".file-lines li").first).to_contain_text("it is a mess")
    expect(page.locator("#pending")).to_be_empty()
    expect(page.locator("#known")).to_contain_text("1 refused")
    expect(ticked).to_be_checked()


def test_all_of_it_works_without_scripts(tavern: Tavern, chromium: Browser, folder: Path) -> None:
    context = chromium.new_context(java_script_enabled=False, viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(f"{tavern.address}/quests")
    page.get_by_role("link", name="Sources").click()
    page.get_by_label("Name", exact=True).fill("mine")
    page.get_by_label("Folder", exact=True).fill(str(folder / "a.jsonl"))
    page.get_by_role("button", name="Register").click()
    expect(page.get_by_role("alert").filter(has_text="is a file")).to_be_visible()
    page.get_by_label("Folder", exact=True).fill(str(folder))
    page.get_by_role("button", name="Register").click()
    page.get_by_role("link", name="Preview a.jsonl").click()
    expect(page.locator("main")).to_contain_text("Line 1")
    page.get_by_role("link", name="mine").click()
    page.get_by_label("Priority").select_option("high")
    page.get_by_role("button", name="Queue talks/b.jsonl").click()
    expect(page.locator("#notices")).to_contain_text("b.jsonl copied to the gate, high priority")
    assert (tavern.home / "queue" / "high" / "b.jsonl").read_text() == ROW
    context.close()
