"""The quest board and the truth mirror in a real browser, on the real web server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, WebSocketRoute, expect

from arena.quest_orders import Act
from tests.e2e.conftest import Tavern, Visitor
from tests.e2e.waiting import wait_until

ROW = '{"prompt": "what is two", "completion": "it is 2"}\n'


@pytest.fixture
def board(tavern: Tavern, visitor: Visitor) -> Page:
    tavern.do("status", state="idle")
    for name in "abcd":
        tavern.do("quest", name=name)
    tavern.do("quest", name="urgent", priority="high")
    visitor.page.goto(f"{tavern.address}/quests")
    expect(visitor.page.locator("#pill")).to_have_attribute("data-pill", "live")
    expect(visitor.page.locator("#pill")).to_contain_text("Live")
    visitor.page.mouse.move(9, 9)  # to who is there all is shown at once
    return visitor.page


def cards(page: Page, lane: str) -> Locator:
    return page.locator(f"#list-{lane} .card")


def names(page: Page, lane: str) -> list[str]:
    return [str(name) for name in cards(page, lane).evaluate_all("cards => cards.map((card) => card.dataset.name)")]


def orders(tavern: Tavern) -> list[dict[str, Any]]:
    found = sorted((tavern.home / "control").glob("*.quests.json"))
    return [json.loads(path.read_text()) for path in found]


def wait_for_orders(page: Page, tavern: Tavern, count: int) -> list[dict[str, Any]]:
    wait_until(page, lambda: len(orders(tavern)) >= count)
    return orders(tavern)


def told(order: dict[str, Any]) -> tuple[str, list[str], str | None, str | None]:
    before = order["before"]["name"] if order["before"] else None
    return order["act"], [target["name"] for target in order["quests"]], order["priority"], before


def test_dropped_files_become_quests_and_others_are_refused(board: Page, tavern: Tavern, visitor: Visitor) -> None:
    large = ROW * 90_000  # two slices
    drop = """([large, row]) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([large], "large.jsonl"));
      transfer.items.add(new File([row], "../small.jsonl"));
      transfer.items.add(new File([row], "<b>table</b>.csv"));
      for (const type of ["dragenter", "drop"]) {
        document.body.dispatchEvent(new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true }));
      }
    }"""
    board.evaluate(drop, [large, ROW])
    expect(board.locator(".upload[data-state=refused] .said")).to_contain_text("<b>table</b>.csv is no quest")
    expect(board.locator(".upload[data-state=done]")).to_have_count(2)
    expect(board.locator(".upload[data-state=done] .bar").first).to_have_attribute("aria-valuenow", "100")
    lane = tavern.home / "queue" / "normal"
    assert (lane / "large.jsonl").read_text() == large
    assert (lane / "small.jsonl").read_text() == ROW
    assert visitor.complaints == []


def test_upload_shows_how_far_it_is_and_comes_back_after_a_break(board: Page, tavern: Tavern) -> None:
    held: list[Route] = []

    def hold_second_slice(route: Route) -> None:
        if "offset=0" in route.request.url or held:
            route.continue_()
        else:
            held.append(route)

    board.route("**/quests/uploads/**", hold_second_slice)
    board.get_by_role("button", name="Add quests").click()
    data = (ROW * 90_000).encode()
    board.locator("#add-form [name=files]").set_input_files(
        {"name": "mine.jsonl", "mimeType": "text/plain", "buffer": data}
    )
    board.locator("#add-form").get_by_text("high").click()
    board.get_by_role("button", name="Send", exact=True).click()
    wait_until(board, lambda: bool(held))
    expect(board.locator(".upload .said")).to_contain_text("% of 4.59 MB")
    expect(board.locator(".upload .bar")).to_have_attribute("aria-valuenow", "91")
    held[0].abort()
    expect(board.locator(".upload[data-state=done]")).to_have_count(1)
    assert (tavern.home / "queue" / "high" / "mine.jsonl").read_text().encode() == data


def test_pasted_rows_become_a_quest(board: Page, tavern: Tavern) -> None:
    board.get_by_role("button", name="Paste rows").click()
    board.get_by_label("Name", exact=True).fill("notes")
    board.get_by_role("textbox", name="Rows").fill("[1, 2")
    board.get_by_role("button", name="Post it").click()
    expect(board.locator("#paste .refusal")).to_contain_text("The array is no JSON")
    board.get_by_role("textbox", name="Rows").fill(f"[{ROW.strip()}]")
    board.get_by_role("button", name="Post it").click()
    expect(board.locator("#notices")).to_contain_text("notes.jsonl is at the gate")
    assert (tavern.home / "queue" / "normal" / "notes.jsonl").read_text() == ROW


def test_drag_moves_inside_and_between_lanes(board: Page, tavern: Tavern, visitor: Visitor) -> None:
    normal = cards(board, "normal")
    normal.nth(3).drag_to(normal.nth(1), target_position={"x": 60, "y": 3})
    assert names(board, "normal") == ["a", "d", "b", "c"]
    normal.nth(0).drag_to(cards(board, "high").first, target_position={"x": 60, "y": 3})
    assert names(board, "high") == ["a", "urgent"]
    normal.nth(0).drag_to(board.locator("#list-low"))
    assert (names(board, "low"), names(board, "normal")) == (["d"], ["b", "c"])
    given = wait_for_orders(board, tavern, 3)
    assert [told(order) for order in given] == [
        (Act.MOVE, ["d"], "normal", "b"),
        (Act.MOVE, ["a"], "high", "urgent"),
        (Act.MOVE, ["d"], "low", None),
    ]
    tavern.do("carry_out")
    expect(board.locator("#list-low .card .asked")).to_have_count(0)
    expect(cards(board, "low")).to_have_count(1)
    board.reload()
    assert (names(board, "high"), names(board, "normal"), names(board, "low")) == (["a", "urgent"], ["b", "c"], ["d"])
    assert visitor.complaints == []


def test_arrows_reorder_by_keyboard_keep_the_focus_and_are_told(board: Page, tavern: Tavern) -> None:
    arrow = cards(board, "normal").nth(3).get_by_role("button", name="one place up")
    arrow.focus()
    for place in ("3", "2", "1"):
        board.keyboard.press("Enter")
        expect(board.locator("#said-politely")).to_have_text(f"d: {place} of 4 in normal")
    board.keyboard.press("Enter")
    expect(board.locator("#said-politely")).to_have_text("d is the first already")
    given = wait_for_orders(board, tavern, 3)
    assert [told(order)[3] for order in given] == ["c", "b", "a"]
    tavern.do("carry_out")
    expect(board.locator("#list-normal .asked")).to_have_count(0)
    assert names(board, "normal") == ["d", "a", "b", "c"]
    assert board.evaluate("document.activeElement.getAttribute('aria-label')") == "d: one place up"


def test_many_are_cancelled_at_once_after_a_question(board: Page, tavern: Tavern) -> None:
    boxes = board.locator("#list-normal input[name=quest]")
    boxes.nth(0).check()
    boxes.nth(2).click(modifiers=["Shift"])
    expect(board.locator("[data-chosen]")).to_have_text("3")
    batch = board.get_by_role("group", name="What to do with the chosen quests")
    batch.get_by_role("button", name="Cancel").click()
    expect(board.locator("#ask-cancel")).to_contain_text("Cancel 3 quests?")
    expect(board.locator("#ask-cancel")).to_contain_text("The files stay, so that you can retry them.")
    board.get_by_role("button", name="Keep them").first.click()
    assert orders(tavern) == []
    batch.get_by_role("button", name="Cancel").click()
    board.get_by_role("button", name="Cancel the quest").click()
    expect(board.locator("#notices")).to_contain_text("Asked: cancel 3 quests")
    assert [told(order)[:2] for order in orders(tavern)] == [(Act.CANCEL, ["a", "b", "c"])]
    expect(board.locator("#list-normal .asked")).to_have_count(3)
    tavern.do("carry_out")
    expect(cards(board, "cancelled")).to_have_count(3)
    expect(cards(board, "normal")).to_have_count(1)


def test_a_drawn_list_keeps_ticks_menus_and_focus(board: Page, tavern: Tavern) -> None:
    card = cards(board, "normal").nth(1)
    card.locator("input[name=quest]").check()
    card.locator("summary").click()
    card.get_by_role("button", name="Hold").focus()
    tavern.do("quest", name="late")
    tavern.do("event", kind="quest_arrived", message="A quest arrived: late")
    expect(cards(board, "normal")).to_have_count(5)
    expect(card.locator("input[name=quest]")).to_be_checked()
    expect(card.get_by_role("button", name="Hold")).to_be_focused()


@pytest.mark.parametrize("width", [1440, 390])
def test_mirror_marks_what_is_trained(tavern: Tavern, visitor: Visitor, width: int) -> None:
    page = visitor.page
    page.set_viewport_size({"width": width, "height": 900})
    tavern.do("quest", name="mine")
    Path(tavern.home / "queue" / "normal" / "mine.jsonl").write_text(ROW)
    page.goto(f"{tavern.address}/quests/1/rows/1")
    page.locator("[data-tokens]").focus()
    page.keyboard.press("Home")
    expect(page.locator("[data-readout]")).to_contain_text("Token 0,")
    expect(page.locator("[data-readout]")).to_contain_text("masked, special")
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("[data-readout]")).to_contain_text("trained, special")
    underlined = page.locator(".tokens .t").evaluate_all(
        "found => found.filter((node) => getComputedStyle(node).textDecorationLine === 'underline')"
        ".map((node) => node.textContent).join('')"
    )
    assert underlined.replace("·", " ") == "it is 2<|im_end|>"
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert visitor.complaints == []


def test_rest_is_ended_from_the_board(board: Page, tavern: Tavern) -> None:
    tavern.do("status", state="resting", message="3 forged quests failed in a row")
    expect(board.locator(".rests")).to_contain_text("DIO rests 3 forged quests failed in a row")
    board.get_by_role("button", name="Resume").click()
    wait_until(board, lambda: bool(list((tavern.home / "control").glob("*-resume*"))))
    tavern.do("status", state="idle")
    expect(board.locator(".rests")).to_have_count(0)


def test_what_changes_before_the_first_snapshot_is_drawn_as_well(tavern: Tavern, visitor: Visitor) -> None:
    rested: list[bool] = []

    def opened(socket: WebSocketRoute) -> None:
        if rested:
            socket.connect_to_server()
        else:
            socket.close()

    tavern.do("status", state="idle")
    visitor.page.route_web_socket("**/ws/battle/**", opened)
    visitor.page.goto(f"{tavern.address}/quests")
    tavern.do("status", state="resting")
    rested.append(True)
    visitor.page.mouse.move(9, 9)  # to who is there it is shown at once
    expect(visitor.page.locator(".rests")).to_contain_text("DIO rests no battle begins until you say so")


def test_on_a_phone_what_is_over_is_folded_until_it_is_asked_for(board: Page, tavern: Tavern) -> None:
    board.set_viewport_size({"width": 390, "height": 844})
    board.locator("#list-normal input[name=quest]").first.check()
    batch = board.locator("#batch")
    shown = [button.bounding_box() for button in batch.get_by_role("button").all()]
    assert len(shown) == 6
    assert all(box and box["x"] >= 0 and box["x"] + box["width"] <= 390 for box in shown)
    batch.get_by_role("button", name="Cancel").click()
    board.get_by_role("button", name="Cancel the quest").click()
    wait_for_orders(board, tavern, 1)
    tavern.do("carry_out")
    fold = board.locator("#fold-cancelled summary")
    expect(fold).to_have_text("Show 1 of Cancelled")
    expect(cards(board, "cancelled")).to_be_hidden()
    fold.click()
    expect(cards(board, "cancelled")).to_be_visible()
    board.set_viewport_size({"width": 1440, "height": 900})
    expect(fold).to_be_hidden()
    expect(cards(board, "cancelled")).to_be_visible()
