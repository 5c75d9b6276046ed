"""The page of patrols and its API without a browser: findings, what to do, a patrol now, what the guardian did."""

from __future__ import annotations

import json
import re
from html import unescape

import pytest
from django.test import Client

from guild.tasks import run_requests
from guild.tasks.only_master import only_master
from realm.world import World
from sentinels.guardian.events import EventFile
from sentinels.inspector.finding import Finding
from sentinels.inspector.report import write_report
from sentinels.patrol_orders import TASK
from tavern.patrol.page import words
from tests.support.tavern_quests import HOSTILE

pytestmark = pytest.mark.django_db

FULL = Finding(
    what="disk", check="disk", verdict="trouble", sentence="0.1 GB are free", remedy="`rm -r x` makes room", path="/x"
)
OLD = Finding(what="clock", check="clock", verdict="warning", sentence="it was set back")
FINE = Finding(what="ledger", check="ledger", verdict="ok", sentence="as on disk")


def page(client: Client, address: str = "/patrol") -> str:
    response = client.get(address, headers={"host": "localhost"})
    assert response.status_code == 200, response.content[-2000:]
    return str(response.content.decode())


def read(html: str) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)))


def test_a_world_that_nobody_looked_at(client: Client, world: World) -> None:
    text = read(page(client))
    for said in ("Nobody has looked yet", "Patrol now", "It had nothing to do"):
        assert said in text


def test_findings_with_what_to_do(client: Client, world: World) -> None:
    write_report(world, [FULL, OLD, FINE])
    html = page(client)
    text = read(html)
    for said in ("1 in trouble, 1 to be looked at", "0.1 GB are free", "makes room", "What is well", "as on disk"):
        assert said in text
    assert "<code>rm -r x</code>" in html
    write_report(world, [FINE])
    assert "All clear" in read(page(client, "/patrol/panels/findings"))
    assert client.get("/patrol/panels/nothing", headers={"host": "localhost"}).status_code == 404


def test_what_stands_in_a_finding_is_text(client: Client, world: World) -> None:
    write_report(
        world, [Finding(what=HOSTILE, check="disk", verdict="trouble", sentence=HOSTILE, remedy=f"`{HOSTILE}`")]
    )
    assert HOSTILE not in page(client)


def test_what_the_guardian_did_with_last_lines(client: Client, world: World) -> None:
    events = EventFile(world)
    events.add("gave_up", "oracle", "oracle ended five times", ("Traceback", "<b>ValueError</b>"))
    events.flush()
    html = page(client)
    assert "oracle ended five times" in html
    assert "&lt;b&gt;ValueError" in html


def test_a_patrol_now_is_the_task_masters(client: Client, world: World) -> None:
    text = read(client.post("/patrol/now", follow=True, headers={"host": "localhost"}).content.decode())
    assert "no Task Master lives to begin it" in text
    assert list(run_requests.waiting(world)) == [TASK]
    again = client.post("/patrol/now", headers={"host": "localhost", "hx-request": "true"}).content.decode()
    assert "under way already" in again
    assert len(run_requests.waiting(world)[TASK]) == 1
    assert "disabled" in page(client, "/patrol/panels/findings")
    assert client.get("/patrol/now", headers={"host": "localhost"}).status_code == 405


def test_the_api_tells_and_asks(client: Client, world: World) -> None:
    def told() -> dict[str, object]:
        return dict(json.loads(page(client, "/api/system/patrol")))

    assert told() == {"under_way": False, "time": None, "verdict": None, "found": []}
    write_report(world, [FULL])
    assert (told()["verdict"], told()["under_way"]) == ("trouble", False)
    with only_master(world):
        answer = client.post("/api/system/patrol", headers={"host": "localhost"})
    assert (answer.status_code, answer.json()["success"]) == (202, True)
    assert told()["under_way"] is True


@pytest.mark.parametrize(
    ("sentence", "commands"), [("", []), ("no", []), ("`a b`, then `c`", ["a b", "c"]), ("open `a", ["a"])]
)
def test_commands_are_told_from_words(sentence: str, commands: list[str]) -> None:
    assert [piece.text for piece in words(sentence) if piece.is_command] == commands
