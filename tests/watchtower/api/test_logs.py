"""`/api/logs`: services, their lines page by page, and from what on they log."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from realm.logs.daily_file import DailyFile
from realm.logs.levels import chosen_levels
from realm.world import World

pytestmark = pytest.mark.slow  # it loads every address

DAY = "2026-03-01"


@pytest.fixture(autouse=True)
def five_lines(world: World) -> None:
    lines = DailyFile(world.logs / "arena", "arena")
    for number in range(5):
        level = "error" if number == 2 else "info"
        value = {"time": f"{DAY}T00:00:0{number}.000+00:00", "level": level, "message": f"line {number}", "n": number}
        lines.append(json.dumps(value).encode(), day=DAY)


def numbers(reply: Any) -> list[int]:
    return [line["fields"]["n"] for line in reply["items"]]


def test_lines_come_page_by_page_and_filtered(client: Client) -> None:
    page = client.get("/api/logs/arena", {"limit": 2}).json()
    assert numbers(page) == [3, 4]
    assert numbers(client.get("/api/logs/arena", {"limit": 9, "before": page["older"]}).json()) == [0, 1, 2]
    assert numbers(client.get("/api/logs/arena", {"level": "warning"}).json()) == [2]
    assert numbers(client.get("/api/logs/arena", {"search": "LINE 4"}).json()) == [4]
    assert numbers(client.get("/api/logs/arena", {"since": f"{DAY}T01:00:03+01:00"}).json()) == [3, 4]


def test_services_are_listed(client: Client) -> None:
    (told,) = client.get("/api/logs").json()["items"]
    assert (told["service"], told["level"], told["last"]["message"]) == ("arena", "info", "line 4")


def test_a_level_is_set(client: Client, world: World) -> None:
    body = {"service": "arena", "level": "debug"}
    assert client.put("/api/logs/level", body, content_type="application/json").json()["success"]
    assert chosen_levels(world) == {"arena": "debug"}
    assert client.put("/api/logs/level", {"service": "arena"}, content_type="application/json").status_code == 200
    assert chosen_levels(world) == {}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/logs/nobody", 404), ("/api/logs/..%2Farena", 404), ("/api/logs/arena?level=loud", 422),
        ("/api/logs/arena?before=x", 422), ("/api/logs/arena?since=2026", 422), ("/api/logs/arena?limit=0", 422),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(client: Client, path: str, status: int) -> None:
    reply = client.get(path)
    assert (reply.status_code, reply.json()["success"]) == (status, False)
