"""The heroes over REST; refusals say what the page says."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from guild.work import matches, trials
from guild.work.trials import Cell, Column, TrialResult
from realm.world import World
from tests.support.checkpoints import make_checkpoint
from vault.index import scan

pytestmark = pytest.mark.django_db


def sent(client: Client, address: str, **body: Any) -> tuple[int, dict[str, Any]]:
    answer = client.post(address, body, content_type="application/json")
    return answer.status_code, answer.json()


def test_heroes_are_listed_made_and_switched(world: World, client: Client, skills_folder: object) -> None:
    make_checkpoint(world.heroes, 5200)
    scan(world)
    assert client.get("/api/heroes/check?name=knight").json()["free"]
    status, made = sent(client, "/api/heroes", name="KNIGHT")
    assert (status, made["success"], made["base_model"]) == (201, True, None)
    assert sent(client, "/api/heroes", name="knight")[0] == 422
    assert sent(client, "/api/heroes", name="SON", checkpoint="newest", parent="NOBODY")[0] == 404
    status, branched = sent(client, "/api/heroes", name="SON", checkpoint="newest")
    assert (status, branched["parent"]["step"]) == (201, 5200)
    assert client.get(f"/api/jobs/{branched['job']}").status_code == 200
    status, refused = sent(client, "/api/heroes/SON/switch")
    assert (status, refused["success"]) == (409, False)
    assert sent(client, "/api/heroes/DIO/retire")[0] == 409
    assert sent(client, "/api/heroes/KNIGHT/switch")[1]["before"] == "DIO"
    found = client.get("/api/heroes").json()
    assert [hero["name"] for hero in found["heroes"]] == ["KNIGHT", "DIO", "SON"]
    one = client.get("/api/heroes/DIO").json()
    assert (one["title"], one["card"]["level_xp"], one["active"]) == ("Knight", 200, False)
    assert client.get("/api/heroes/NOBODY").status_code == 404
    status, asked = sent(client, "/api/heroes/matches", first="DIO", second="KNIGHT", second_checkpoint="base")
    assert status == 202
    assert client.get("/api/heroes/matches").json()["matches"][0]["run"] == asked["run"]
    assert sent(client, "/api/heroes/matches", first="DIO", second="DIO")[0] == 409


def column(hero: str, *cells: tuple[int, int, int]) -> Column:
    made = tuple(Cell(skill="bin", level=level, correct=right, total=of) for level, right, of in cells)
    return Column(hero=hero, checkpoint="checkpoint-5-20260101-1230", step=5, cells=made)


def test_a_match_counts_what_both_answered_and_reads_no_noise_as_victory() -> None:
    close = matches.score(TrialResult(columns=(column("A", (1, 40, 50), (2, 9, 10)), column("B", (1, 43, 50)))))
    assert close
    assert (close.first_correct, close.second_correct, close.total) == (40, 43, 50)
    assert close.verdict == "no clear difference"
    clear = matches.score(TrialResult(columns=(column("A", (1, 10, 50)), column("B", (1, 45, 50)))))
    assert clear
    assert clear.verdict == "B at step 5 is better"
    assert matches.score(TrialResult(columns=(column("A", (1, 1, 5)), column("B", (1, 1, 6))))) is None


def test_by_shares_alone_noise_would_be_a_victory() -> None:
    """The twin of the test above."""
    result = TrialResult(columns=(column("A", (1, 40, 50)), column("B", (1, 43, 50))))
    (level,) = trials.compare(TrialResult(columns=result.columns[:1]), TrialResult(columns=result.columns[1:]))
    assert level.after_correct / level.after_total > level.before_correct / level.before_total


@pytest.mark.parametrize("path", ["..", "DIO/../DIO", "."])
def test_a_path_is_no_hero(world: World, client: Client, skills_folder: object, path: str) -> None:
    make_checkpoint(world.heroes, 5200)
    scan(world)
    assert "there is no hero" in sent(client, "/api/heroes/matches", first=path, second="DIO")[1]["detail"]
    branch = {"name": "SON", "parent": path, "checkpoint": "newest"}
    assert "there is no hero" in sent(client, "/api/heroes", **branch)[1]["detail"]
