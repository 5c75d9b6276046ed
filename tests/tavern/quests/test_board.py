"""The quest board without a browser: what stands where, and which order each button leaves."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest
from django.test import Client

from arena import orders as control
from arena import quest_orders
from arena import status as arena_status
from arena.gate import report as reports
from arena.models import Quest
from arena.quest_orders import Act
from realm.disk import durable
from realm.world import World
from tavern.quests import board
from tests.support.pages import in_one_line
from tests.support.tavern_quests import HOSTILE, State, make_quest, orders, path_of
from tests.watchtower import factories

pytestmark = pytest.mark.django_db


def shown(html: str, name: str) -> list[str]:
    """Names of the cards of a list, as they follow each other."""
    (section,) = re.findall(rf'<section class="quest-list panel list-{name}.*?</section>', html, re.DOTALL)
    return re.findall(r'data-name="([^"]*)"', section)


def give(client: Client, do: str, **fields: Any) -> str:
    response = client.post("/quests/orders", {"do": do} | fields, headers={"hx-request": "true"})
    assert response.status_code == 200, response.content
    return response.content.decode()


def targets(order: dict[str, Any]) -> list[str]:
    return [target["name"] for target in order["quests"]]


def test_bare_board_tells_how_to_post_the_first_quest(world: World, client: Client) -> None:
    html = client.get("/quests").content.decode()
    assert "The board is bare" in html
    assert str(world.inbox) in html
    example = client.get("/quests/example")
    assert "attachment" in example.headers["Content-Disposition"]
    assert all(isinstance(json.loads(line), dict) for line in example.content.splitlines())
    make_quest(world, "first")
    assert "The board is bare" not in client.get("/quests").content.decode()


def test_lanes_stand_in_the_order_in_which_they_are_fought(world: World, client: Client) -> None:
    for name, priority, position in (("a", "low", 0), ("c", "high", 2), ("b", "high", 1), ("d", "normal", 5)):
        make_quest(world, name, priority=priority, position=position)
    html = client.get("/quests").content.decode()
    assert [shown(html, lane) for lane in ("high", "normal", "low")] == [["b", "c"], ["d"], ["a"]]


@pytest.mark.parametrize(
    ("state", "name"),
    [
        (State.BATTLING, "battling"),
        (State.ARRIVED, "arriving"),
        (State.INSPECTED, "held"),
        (State.COMPLETED, "done"),
        (State.FAILED, "failed"),
        (State.CANCELLED, "cancelled"),
    ],
)
def test_each_state_has_its_list(world: World, client: Client, state: str, name: str) -> None:
    make_quest(world, "mine", state)
    html = client.get("/quests").content.decode()
    assert {kind: shown(html, kind) for kind in board.KINDS if shown(html, kind)} == {name: ["mine"]}
    assert shown(client.get(f"/quests/lists/{name}").content.decode(), name) == ["mine"]


@pytest.mark.parametrize("state", list(State))
def test_buttons_are_those_that_make_sense(world: World, client: Client, state: str) -> None:
    quest = make_quest(world, "mine", state, refusal="duplicate" if state == State.FAILED else "")
    html = client.get("/quests").content.decode()
    offered = {act for act in Act if f'value="{act} {quest.pk}"' in html}
    assert offered == set(quest_orders.acts_for(quest)) - {Act.MOVE}
    assert (f'value="low {quest.pk}"' in html) == (Act.MOVE in quest_orders.acts_for(quest))


@pytest.mark.parametrize(
    ("state", "act"),
    [
        (State.QUEUED, Act.HOLD),
        (State.INSPECTED, Act.RELEASE),
        (State.QUEUED, Act.CANCEL),
        (State.FAILED, Act.RETRY),
        (State.COMPLETED, Act.FORCE),
        (State.CANCELLED, Act.DISCARD),
    ],
)
def test_each_button_leaves_its_order(world: World, client: Client, state: str, act: Act) -> None:
    quest = make_quest(world, "mine", state)
    assert "Asked" in give(client, f"{act} {quest.pk}")
    (order,) = orders(world)
    assert (order["act"], targets(order), order["by"]) == (act, ["mine"], "quest board")
    assert [given.act for _, given in quest_orders.MAILBOX.waiting(world)] == [act]
    assert "asked" in client.get("/quests").content.decode()


@pytest.mark.parametrize(
    ("do", "before"),
    [("up 3", "b"), ("up 2", "a"), ("down 1", "c"), ("down 2", None), ("top 3", "a"), ("down 3", None)],
)
def test_arrows_say_in_front_of_whom(world: World, client: Client, do: str, before: str | None) -> None:
    quests = {number: make_quest(world, name, position=number) for number, name in enumerate("abc", 1)}
    verb, number = do.split()
    give(client, f"{verb} {quests[int(number)].pk}")
    (order,) = orders(world)
    assert (order["act"], order["priority"]) == (Act.MOVE, "normal")
    assert (order["before"]["name"] if order["before"] else None) == before


def test_drag_names_lane_and_neighbour(world: World, client: Client) -> None:
    moved, neighbour = make_quest(world, "a"), make_quest(world, "b", priority="high")
    give(client, f"move {moved.pk}", priority="high", before=neighbour.pk)
    give(client, f"move {moved.pk}", priority="low", before="")
    assert [(order["priority"], (order["before"] or {}).get("name")) for order in orders(world)] == [
        ("high", "b"),
        ("low", None),
    ]


def test_many_are_ordered_at_once_and_those_it_makes_no_sense_for_are_left_out(world: World, client: Client) -> None:
    queued = [make_quest(world, name) for name in "abc"]
    won = make_quest(world, "won", State.COMPLETED)
    said = give(client, "cancel", quest=[queued[2].pk, won.pk, queued[0].pk])
    assert "2 quests" in said
    assert "1 left out" in said
    assert [targets(order) for order in orders(world)] == [["c", "a"]]
    assert "makes no sense" in give(client, "release", quest=[won.pk])
    assert len(orders(world)) == 1


def test_a_whole_list_is_ordered_beyond_the_page(world: World, client: Client) -> None:
    for number in range(60):
        make_quest(world, f"bulk-{number:02d}", position=number)
    make_quest(world, "other")
    give(client, "hold", all_of="normal", q="bulk")
    (order,) = orders(world)
    assert targets(order) == [f"bulk-{number:02d}" for number in range(60)]


def test_stopped_arena_lets_orders_wait_and_says_so(world: World, client: Client) -> None:
    quest = make_quest(world, "mine")
    assert "waits until it is started" in give(client, f"hold {quest.pk}")
    assert "1 order waits" in in_one_line(client.get("/quests/summary").content.decode())
    factories.say_status(world, "idle")
    with factories.daemon_lock(world):
        assert "waits until" not in give(client, f"hold {quest.pk}")
        assert "not carried out yet" in client.get("/quests/summary").content.decode()


@pytest.mark.parametrize(
    "form",
    [
        {"do": "dance 1"},
        {"do": "hold x"},
        {"do": "hold 99999"},
        {"do": "hold " + "9" * 30},
        {"do": "move 1"},
        {"do": "hold", "quest": "1; drop"},
        {"do": "hold", "all_of": "nothing"},
    ],
)
def test_forms_of_nobody_change_nothing(world: World, client: Client, form: dict[str, str]) -> None:
    quest = make_quest(world, "mine")
    assert quest.pk is not None
    response = client.post("/quests/orders", form, headers={"hx-request": "true"})
    assert response.status_code == 400
    assert orders(world) == []


def test_an_order_needs_a_post_with_the_pages_token(world: World, client: Client) -> None:
    quest = make_quest(world, "mine")
    assert client.get(f"/quests/orders?do=cancel+{quest.pk}").status_code == 405
    strict = Client(enforce_csrf_checks=True)
    for address in ("orders", "uploads", "uploads/" + "0" * 32, "paste", f"{quest.pk}/mend"):
        assert strict.post(f"/quests/{address}", {"do": f"cancel {quest.pk}"}).status_code == 403
    assert orders(world) == []


def test_without_scripts_an_order_leads_back_to_its_page(world: World, client: Client) -> None:
    quest = make_quest(world, "mine")
    response = client.post("/quests/orders", {"do": f"hold {quest.pk}"}, follow=True)
    assert response.redirect_chain == [("/quests", 302)]
    assert "Asked: hold mine." in response.content.decode()
    response = client.post("/quests/orders", {"do": f"hold {quest.pk}", "page_of": quest.pk})
    assert response.headers["Location"] == f"/quests/{quest.pk}"


def test_long_lists_come_in_pages_with_true_counts(world: World, client: Client) -> None:
    for number in range(120):
        make_quest(world, f"q{number:03d}", position=number)
    html = client.get("/quests?normal=2").content.decode()
    assert shown(html, "normal") == [f"q{number:03d}" for number in range(50, 100)]
    assert 'data-count="120"' in html
    assert f'data-after="{Quest.objects.get(name="q100").pk}"' in html
    assert shown(client.get("/quests/lists/normal?page=99").content.decode(), "normal")[-1] == "q119"
    assert shown(client.get("/quests?q=Q11").content.decode(), "normal") == [f"q{number}" for number in range(110, 120)]


def test_a_page_costs_the_same_for_ten_thousand(
    world: World, client: Client, django_assert_max_num_queries: Any
) -> None:
    first = make_quest(world, "first")
    rows = [
        Quest(name=f"q{n}", sha256=str(n), file=f"normal/{n}.jsonl", position=n + 1, arrived_at=first.arrived_at)
        for n in range(10_000)
    ]
    Quest.objects.bulk_create(rows)
    with django_assert_max_num_queries(40):
        response = client.get("/quests")
    assert len(shown(response.content.decode(), "normal")) == board.PER_PAGE
    assert 'data-count="10001"' in response.content.decode()


def test_a_row_that_is_held_out_is_not_refused(world: World, client: Client) -> None:
    make_quest(world, "mine", taken=1, held_out=1)
    page = client.get("/quests").content.decode()
    assert ">1 held out</span>" in page
    assert " refused</span>" not in page
    Quest.objects.update(held_out=0)  # the twin
    assert " refused</span>" in client.get("/quests").content.decode()


def test_a_refused_quest_says_line_kind_and_what_to_do(world: World, client: Client) -> None:
    quest = make_quest(world, "bad", State.FAILED, reason="not JSON: Expecting value", refusal="bad-rows")
    reports.write_reason(path_of(world, quest), reason=quest.reason, line=17, kind="bad-rows")
    html = client.get("/quests/lists/failed").content.decode()
    for said in ("Line 17:", "not JSON: Expecting value", "bad-rows", "mend the refused rows", "Fight it anyway"):
        assert said in html


def test_the_gate_shows_how_far_it_is_and_what_lies_in_the_inbox(world: World, client: Client) -> None:
    said = {"quest": "large.jsonl", "rows": 1234, "bytes": 30, "of_bytes": 120, "time": time.time()}
    durable.write_json(world.status / "gate.json", said)
    make_quest(world, "large", State.ARRIVED)
    (world.inbox / "table.csv").write_text("a,b\n")
    html = client.get("/quests/lists/arriving").content.decode()
    for shown_part in ("large.jsonl", "1,234 rows read", 'aria-valuenow="25"', "table.csv", "does not end in .jsonl"):
        assert shown_part in html


@pytest.mark.parametrize(
    "said",
    ["{", "[]", "null", '{"quest": 1}', '{"quest": "old.jsonl", "rows": 1, "bytes": 1, "of_bytes": 2, "time": 5}',
     '{"quest": "of a clock set back", "rows": 1, "bytes": 1, "of_bytes": 2, "time": 32503680000}'],
)  # fmt: skip
def test_old_or_broken_news_of_the_gate_is_none(world: World, client: Client, said: str) -> None:
    (world.status / "gate.json").write_text(said)
    assert 'class="looking"' not in client.get("/quests/lists/arriving").content.decode()


def test_hostile_words_stay_words(world: World, client: Client) -> None:
    for state in State:
        make_quest(world, HOSTILE + state, state, reason=HOSTILE, refusal="json", data_format=HOSTILE[:40])
    (world.inbox / "<img src=x onerror=alert(3)>.csv").write_text("x")
    durable.write_json(
        world.status / "gate.json", {"quest": HOSTILE, "rows": 1, "bytes": 1, "of_bytes": 2, "time": time.time()}
    )
    html = client.get("/quests", {"q": "<script>"}).content.decode() + client.get("/quests").content.decode()
    assert "<script>alert" not in html
    assert "<img" not in html
    assert html.count("&lt;script&gt;alert(1)") >= 2 * len(State)


def test_unescaped_names_would_be_found(world: World, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sabotage of the test above: a name that claims to be safe reaches the page as markup."""
    from django.utils.safestring import mark_safe

    monkeypatch.setattr(Quest, "__getattribute__", _trusting(mark_safe))
    make_quest(world, HOSTILE)
    assert "<script>alert" in client.get("/quests").content.decode()


def _trusting(mark_safe: Any) -> Any:
    def read(self: Quest, name: str) -> Any:
        value = object.__getattribute__(self, name)
        return mark_safe(value) if name == "name" and isinstance(value, str) else value

    return read


def test_unknown_lists_and_quests_are_not_found(world: World, client: Client) -> None:
    for address in (
        "lists/nothing",
        "99",
        "99/rows",
        "99/rows/1",
        "99/packed/1",
        "99/report",
        "99/quarantine",
        "99/estimate",
    ):
        assert client.get(f"/quests/{address}").status_code == 404, address


def test_the_rail_says_where_one_is(world: World, client: Client) -> None:
    quest = make_quest(world, "mine")
    for address, current in (
        ("/", "/"),
        ("/quests", "/quests"),
        (f"/quests/{quest.pk}", "/quests"),
        (f"/quests/{quest.pk}/rows", "/quests"),
    ):
        html = in_one_line(client.get(address).content.decode())
        rail = html.split("</nav>")[0]
        assert re.findall(r'href="([^"]*)" aria-current', rail) == [current], address


@pytest.mark.parametrize(("state", "rests"), [("resting", True), ("paused", True), ("idle", False)])
def test_rest_is_told_of_with_its_reason_and_a_way_out(
    world: World, client: Client, monkeypatch: pytest.MonkeyPatch, state: str, rests: bool
) -> None:
    monkeypatch.setattr(arena_status, "daemon_alive", lambda world: True)
    said = {"state": state, "message": "3 quests failed in a row", "waits": False, "quest": "the last one"}
    world.arena_status.write_text(json.dumps(said))
    html = client.get("/quests").content.decode()
    assert ("DIO rests" in html, 'value="resume"' in html) == (rests, rests)
    assert ("3 quests failed in a row" in html) == rests
    assert ("the last one" in html) == (state == "paused"), "a quest is named only while its battle goes on"
    answer = client.post("/quests/orders", {"do": "resume"}, follow=True)
    assert "Asked: resume" in answer.content.decode()
    ((_, order),) = control.MAILBOX.waiting(world)
    assert (order.wish, order.by) == ("resume", "quest board")


def test_a_battle_that_waits_for_room_offers_no_resume(
    world: World, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arena_status, "daemon_alive", lambda world: True)
    said = {"state": "paused", "message": "the disk is full", "waits": True}
    world.arena_status.write_text(json.dumps(said))
    html = client.get("/quests").content.decode()
    assert "DIO waits" in html
    assert 'value="resume"' not in html


def test_the_ends_of_a_lane_go_no_further(world: World, client: Client) -> None:
    for name in "abc":
        make_quest(world, name)
    html = in_one_line(client.get("/quests/lists/normal").content.decode())
    cards = re.findall(r'<li class="card".*?</li>', html)
    ends = [[f'data-step="{step}" aria-disabled="true"' in card for step in ("up", "down")] for card in cards]
    assert ends == [[True, False], [False, False], [False, True]]


def test_the_counters_lead_to_their_lists(world: World, client: Client) -> None:
    html = client.get("/quests").content.decode()
    (counters,) = re.findall(r'<div id="summary".*?</dl>', html, re.DOTALL)
    found = re.findall(r'href="#([^"]+)"', counters)
    assert len(found) == 7
    assert all(f'id="{name}"' in html for name in found)


def test_what_was_looked_at_last_is_not_told_of_at_an_empty_gate(world: World, client: Client) -> None:
    said = {"quest": "mine", "rows": 7, "bytes": 5, "of_bytes": 10, "time": time.time()}
    (world.status / "gate.json").write_text(json.dumps(said))
    assert "rows read" not in client.get("/quests/lists/arriving").content.decode()
    make_quest(world, "mine", State.ARRIVED)
    assert "7 rows read" in client.get("/quests/lists/arriving").content.decode()


def test_times_say_of_what_they_are(world: World, client: Client) -> None:
    make_quest(world, "a")
    make_quest(world, "b", State.COMPLETED)
    html = client.get("/quests").content.decode()
    assert re.findall(r'<time[^>]*title="(\w+) \d', html) == ["arrived", "ended"]


def test_a_quest_at_whose_sight_the_gatekeepers_died_is_to_be_retried(world: World, client: Client) -> None:
    make_quest(world, "a", State.FAILED, reason="they died", refusal="gate-died")
    html = client.get("/quests/lists/failed").content.decode()
    assert "the gatekeepers died while they looked. Retry." in html
    assert "Mend what" not in html
