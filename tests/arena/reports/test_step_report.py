"""One step as page, API and command tell it: its rows by line, and what was told at it."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from arena import worst_rows
from arena.models import Battle
from arena.protocol import REHEARSAL_FILE
from arena.reports import step_report as reports
from arena.reports.step_report import NoSuchStep, step_report
from arena.worst_rows import WorstRows
from realm.world import World
from tests.watchtower.factories import append_steps, make_battle, record, tell

pytestmark = pytest.mark.django_db

WORST = WorstRows.of(5, 9, lines=[2, -1, 7], losses=[4.0, 3.5, 1.25])


@pytest.fixture
def battle(world: World) -> Battle:
    battle = make_battle(world)
    path = world.queue / battle.quest.file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps({"text": f"row {line}"}) + "\n" for line in range(1, 5)))
    folder = world.battles / battle.battle_id
    (folder / REHEARSAL_FILE).write_text(json.dumps({"text": "rehearsed"}) + "\n")
    (folder / worst_rows.WORST_ROWS_FILE).write_bytes(WorstRows.of(4, 1, [1], [9.0]).pack() + WORST.pack())
    append_steps(world, battle.battle_id, [record(step) for step in range(1, 8)])
    tell(battle.battle_id, 1, kind="checkpoint_saved", step=5)
    tell(f"{battle.battle_id}:skill_level_lost", 1, kind="skill_level_lost", step=5)
    tell("b10", 1, kind="checkpoint_saved", step=5)
    return battle


def check(world: World, battle: Battle) -> None:
    found = step_report(world, battle, 5)
    assert (found.loss, found.rows, found.previous, found.next) == (pytest.approx(0.2), 9, 4, 6)
    assert [(row.line, row.rehearsed, row.loss, row.text) for row in found.worst_rows] == [
        (2, False, 4.0, "row 2"), (1, True, 3.5, "rehearsed"), (7, False, 1.25, ""),
    ]  # fmt: skip
    assert [moment.kind for moment in found.moments] == ["checkpoint_saved", "skill_level_lost"]


def test_its_rows_and_moments_are_its_own(world: World, battle: Battle) -> None:
    check(world, battle)


def test_of_a_battle_with_very_many_moments_a_step_has_all_of_its_own(
    world: World, battle: Battle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "MOST_MOMENTS", 3)
    for seq, step in enumerate((4, 5, 6), start=2):
        tell(battle.battle_id, seq, kind="validated", step=step)
    assert len(reports.moments(battle)) == 2
    found = step_report(world, battle, 5).moments
    assert [moment.kind for moment in found] == ["checkpoint_saved", "skill_level_lost", "validated"]


def _line_as_index(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(reports, "row_file", lambda world, battle, rehearsed: world.queue / battle.quest.file)


def _all_moments(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(reports, "moments", lambda battle, step: [])


@pytest.mark.parametrize("sabotage", [_line_as_index, _all_moments])
def test_twins_rows_of_another_file_and_lost_moments_are_seen(
    world: World, battle: Battle, sabotage: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sabotage(monkeypatch)
    with pytest.raises(AssertionError):
        check(world, battle)


def test_a_step_of_an_older_release_has_no_rows_and_one_that_is_none_is_named(world: World, battle: Battle) -> None:
    (world.battles / battle.battle_id / worst_rows.WORST_ROWS_FILE).unlink()
    assert step_report(world, battle, 5).rows is None
    with pytest.raises(NoSuchStep, match="b1 has no step 99; it has steps 1 to 7 of the hero"):
        step_report(world, battle, 99)


@pytest.mark.slow
def test_api_command_and_page_tell_the_same(world: World, battle: Battle, client: Client) -> None:
    told = client.get("/api/training/runs/b1/steps/5").json()
    out = io.StringIO()
    call_command("battle", "step", "b1", "5", "--json", stdout=out)
    assert json.loads(out.getvalue()) == told
    assert told["worst_rows"][0] == {"line": 2, "rehearsed": False, "loss": 4.0, "text": "row 2"}
    out = io.StringIO()
    call_command("battle", "step", "b1", "5", stdout=out)
    assert "row 2" in out.getvalue()
    page = client.get("/battles/b1/steps/5").content.decode()
    assert 'class="seen-tokens"' in page
    assert f"/quests/{battle.quest.pk}/rows/2" in page
    assert "<html" in page
    panel = client.get("/battles/b1/steps/5", headers={"HX-Request": "true"}).content.decode()
    assert 'class="seen-tokens"' in panel
    assert 'hx-get="/battles/b1/steps/6"' in panel
    assert "<html" not in panel
    sliced = client.get("/api/training/runs/b1/steps?from=3&to=5&limit=2").json()
    assert ([step["step"] for step in sliced["steps"]], sliced["next"]) == ([3, 4], 5)
    for address in ("/api/training/runs/b1/steps/99", "/api/training/runs/none/steps", "/battles/b1/steps/99"):
        assert client.get(address).status_code == 404
    assert client.get("/api/training/runs/b1/steps?limit=999999").status_code == 422
    replay = client.get("/battles/b1/replay").content.decode()
    assert ('min="1"' in replay, 'max="7"' in replay, "skill_level_lost 1" in replay) == (True, True, True)
    with pytest.raises(CommandError, match="has no step 99"):
        call_command("battle", "step", "b1", "99")


def test_a_row_of_a_level_that_went_is_still_told(world: World, battle: Battle) -> None:
    """A file that cannot be read costs the texts alone."""
    (world.queue / battle.quest.file).unlink()
    found = step_report(world, battle, 5)
    assert [row.text for row in found.worst_rows] == ["", "rehearsed", ""]
