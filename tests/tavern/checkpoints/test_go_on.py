"""That the hero goes on from an older checkpoint, asked on pages and by programs, and how pages show branches."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.test import Client

from arena import branch_orders
from realm.checkpoints import branches, sidecar
from realm.world import World
from tavern.guild.grid import read_grid
from tavern.guild.skill_views import curve
from tavern.oracle import asking
from tavern.oracle.page import choices
from tests.support.checkpoints import make_checkpoint
from tests.support.pages import in_one_line
from tests.support.tavern_guild import answered, skill_folder
from vault.index import scan

__all__ = ["skill_folder"]  # a fixture

pytestmark = pytest.mark.django_db
ADDRESS = "/checkpoints/go-on"
NEW = "checkpoint-3-20260101-1240"


def save(world: World, step: int, branch: str = "", *, at: str = "1230") -> Path:
    return make_checkpoint(world.heroes, step, branch=branch, name=f"checkpoint-{step}-20260101-{at}")


@pytest.fixture
def hero(world: World) -> Path:
    """Steps 1 to 3 on the first branch, 3 on the second from 2 on, and a third branch from the base model."""
    first = [save(world, step) for step in (1, 2, 3)]
    for start in (sidecar.read(first[1]), None):
        branches.go_on_from(first[0].parent, start, moment=datetime.now(UTC))
        if start:
            save(world, 3, "2", at="1240")
    scan(world)
    return first[0].parent


def orders(world: World) -> list[str]:
    return [order.name for _, order in branch_orders.MAILBOX.waiting(world)]


def test_a_form_an_htmx_request_and_a_program_ask_the_same(world: World, hero: Path, client: Client) -> None:
    name = "checkpoint-2-20260101-1230"
    page = client.post(ADDRESS, {"checkpoint": f"2 {name}"}, headers={"referer": "http://testserver/oracle"})
    assert (page.status_code, page["Location"]) == (302, "http://testserver/oracle")
    notice = client.post(ADDRESS, {"checkpoint": "2"}, headers={"hx-request": "true"})
    assert "Nothing is deleted" in notice.content.decode()
    program = client.post(ADDRESS, {"checkpoint": 2}, content_type="application/json")
    assert program.json()["checkpoint"] == name
    named = client.post(f"{ADDRESS}?name={name}", {"step": 3}, content_type="application/json")
    assert named.status_code == 200
    assert orders(world) == [name] * 4


@pytest.mark.parametrize(
    ("asked", "status", "words"),
    [
        ({"checkpoint": 3}, 409, "several others have it: name one of checkpoint-3-20260101-1240 (branch 2)"),
        ({"checkpoint": 9}, 404, "no checkpoint of step 9"),
        ({"checkpoint": "../../secrets"}, 404, "no checkpoint"),
        ({"checkpoint": "2", "hero": "../.."}, 404, "no hero"),
        ({"checkpoint": "base", "hero": "../heroes/DIO"}, 404, "no hero"),
        ({"checkpoint": 1, "hero": "EVA"}, 404, "no hero EVA"),
        ({"checkpoint": "base", "hero": "EVA"}, 409, "EVA stands at its base model already"),
        ({"checkpoint": "base"}, 409, "stands at its base model already"),
        ({"step": 0}, 409, "stands at its base model already"),
        ({"checkpoint": ["2"]}, 400, "checkpoint is required"),
        ({}, 400, "checkpoint is required"),
        (["2"], 400, "no mapping"),
        ("{", 400, "no JSON"),
    ],
)
def test_what_cannot_be_is_refused_in_words(
    world: World, hero: Path, client: Client, asked: object, status: int, words: str
) -> None:
    answer = client.post(ADDRESS, asked, content_type="application/json")
    assert (answer.status_code, answer.json()["success"]) == (status, False)
    assert words in answer.json()["error"]
    assert orders(world) == []


def test_an_ambiguous_step_is_loaded_by_nobody_and_a_name_decides(hero: Path, client: Client) -> None:
    for address in ("/oracle/load", "/oracle/chat", "/oracle/unload"):
        asked = {"step": 3, "message": "1+1"} if address.endswith("chat") else {"step": 3}
        answer = client.post(address, asked, content_type="application/json")
        assert (answer.status_code, answer.json()["success"]) == (409, False), address
        assert "name one of checkpoint-3-20260101-1240 (branch 2)" in answer.json()["error"]
    named = client.post(f"/oracle/load?name={NEW}", {"step": 3, "host": "nobody"}, content_type="application/json")
    assert (named.status_code, "nobody" in named.json()["error"]) == (404, True)  # no longer ambiguous
    assert f'value="3 {NEW}" selected' in in_one_line(client.get(f"/oracle?name={NEW}").content.decode())
    branches.go_on_from(hero, sidecar.read(hero / "checkpoint-3-20260101-1230"), moment=datetime.now(UTC))
    assert asking._meant("DIO", 3) == "checkpoint-3-20260101-1230"
    branches.go_on_from(hero, sidecar.read(hero / "checkpoint-3-20260101-1240"), moment=datetime.now(UTC))
    assert asking._meant("DIO", 3) == "checkpoint-3-20260101-1240"


def test_grid_curve_and_picker_tell_branches_apart(world: World, hero: Path, skill_folder: Path) -> None:
    from guild.skills.registry import get_skill

    branches.go_on_from(hero, sidecar.read(hero / "checkpoint-3-20260101-1240"), moment=datetime.now(UTC))
    for step, branch, at in ((2, "", "1230"), (3, "", "1230"), (3, "2", "1240")):
        answered(step, step, checkpoint=f"checkpoint-{step}-20260101-{at}", branch=branch)
    lines = read_grid("DIO", get_skill("bits")).lines
    assert [(line.step, line.branch, line.left, line.lies_here) for line in lines] == [
        (3, "branch 2", False, True),
        (2, "branch 1", False, True),
        (3, "branch 1", True, True),
    ]
    assert curve("DIO", "bits")["branch"] == ["", "branch 1", ""]
    labels = [choice.label.split(" · ")[:2] for choice in choices()]
    assert labels[0] == ["Step 3", "branch 2"]
    assert labels[3:] == [["Step 3", "branch 1"], ["Base model", "step 0, untrained here"]]


def test_pages_offer_it(world: World, hero: Path, skill_folder: Path, client: Client) -> None:
    answered(2, 2, checkpoint="checkpoint-2-20260101-1230")
    for address in ("/guild/bits", "/oracle"):
        page = client.get(address).content.decode()
        assert "Go on from here" in page
        assert f'action="{ADDRESS}"' in page
