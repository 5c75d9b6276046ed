"""The bell: every toast is a stored notice, unread until somebody has read it."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from arena.models import ChronicleEntry
from realm.world import CHECKOUT, World
from tavern.bell import news
from tavern.bell.kinds import GROUPS, KINDS
from tavern.log_looks import LOOKS
from tavern.models import Visitor
from tests.watchtower.factories import make_battle, tell

pytestmark = pytest.mark.django_db

HX = {"HX-Request": "true"}
TOASTS = (CHECKOUT / "static/js/shared/toasts.js").read_text(encoding="utf-8")


def groups_of_script(script: str) -> dict[str, tuple[str, ...]]:
    table = script[script.index("const GROUPS") : script.index("const GROUP_OF")]
    return {
        name: tuple(re.findall(r'"(\w+)"', kinds)) for name, kinds in re.findall(r"(\w+): \[(.*?)\]", table, re.DOTALL)
    }


def test_what_is_shown_as_a_toast_is_kept_in_the_bell() -> None:
    assert groups_of_script(TOASTS) == GROUPS
    assert [kind for kind in KINDS if kind not in LOOKS] == []


def test_twin_a_toast_that_is_not_kept_is_found() -> None:
    assert groups_of_script(TOASTS.replace('"finding"', '"finding", "unheard_of"')) != GROUPS


def unread(client: Client) -> int:
    return int(client.post("/away/seen", headers=HX).json()["unread"])


def test_new_notices_are_unread_until_read_one_by_one_or_all(client: Client, world: World) -> None:
    tell("b0", 1, kind="quest_completed")
    assert unread(client) == 0, "what was told before one came is no news"
    first = tell("b1", 1, kind="quest_completed")
    tell("b1", 2, kind="fault")
    tell("b1", 3, kind="checkpoint_saved")
    assert unread(client) == 2
    assert client.post("/bell/read", {"seq": first.id}, headers=HX).json() == {"unread": 1}
    page = client.get("/bell", headers=HX).content.decode()
    assert page.count("unread-one") == 1
    assert "fault 2" in page
    assert "checkpoint_saved 3" not in page
    assert client.post("/bell/read", headers=HX).json() == {"unread": 0}
    assert client.post("/bell/read", {"seq": "x"}).status_code == 400


def test_its_page_filters_and_works_without_a_script(client: Client, world: World) -> None:
    tell("b1", 1, kind="quest_completed")
    tell("b1", 2, kind="new_champion")
    assert "The nearest achievements" in client.get("/bell").content.decode()
    page = client.get("/bell?group=champions").content.decode()
    assert "new_champion 2" in page
    assert "quest_completed 1" not in page
    assert client.post("/bell/read").headers["Location"] == "/bell"
    assert Visitor.objects.get().read_seq == ChronicleEntry.objects.latest("id").id


def test_the_last_fifty_are_shown_and_a_hundred_counted(client: Client, world: World) -> None:
    unread(client)
    ChronicleEntry.objects.bulk_create(
        ChronicleEntry(source="b1", source_seq=n, kind="fault", time="2026-01-01T00:00Z", message="m")
        for n in range(150)
    )
    assert unread(client) == news.MOST_COUNTED
    assert client.get("/bell", headers=HX).content.decode().count("data-seq") == news.MOST_SHOWN
    assert "99+" in client.get("/bell").content.decode()
    assert len(client.get("/api/notifications?most=7").json()["items"]) == 7
    assert client.get("/api/notifications?group=nonsense").status_code == 422


def questions(client: Client) -> int:
    with CaptureQueriesContext(connection) as asked:
        client.get("/bell", headers=HX)
    return len(asked)


def test_more_notices_are_no_more_questions_to_the_database(client: Client, world: World) -> None:
    make_battle(world)
    counts = []
    for numbers in (range(1, 3), range(3, 12)):
        for number in numbers:
            tell("b1", number, kind="fault", step=number)
        counts.append(questions(client))
    assert counts[0] == counts[1]
    assert 'href="/battles/b1/replay#step=11"' in client.get("/bell", headers=HX).content.decode()
    lost = tell("gone", 1, kind="fault")
    address = f"/log?before={lost.id + 1}#entry-{lost.id}"
    assert f'href="{address}"' in client.get("/bell", headers=HX).content.decode()
    assert f'id="entry-{lost.id}"' in client.get(address.partition("#")[0]).content.decode()


def test_the_icon_closes_its_ring_with_the_battle(client: Client, world: World) -> None:
    answer = client.get("/favicon/cursed/29.svg")
    assert answer.headers["Content-Type"] == "image/svg+xml"
    assert 'stroke-dasharray="29 100"' in answer.content.decode()
    assert client.get("/favicon/cursed/101.svg").status_code == 404
    assert client.get("/favicon/hungry/1.svg").status_code == 404
