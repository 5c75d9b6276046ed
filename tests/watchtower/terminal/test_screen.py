"""The terminal shows the battle at any size, and nothing that a quest is called steers it."""

from __future__ import annotations

import io
import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from rich.cells import cell_len

from arena.models import Battle
from realm.machine.machine import Gpu, Machine
from realm.world import World
from tests.watchtower.factories import append_steps, make_battle, record, say_status, tell
from watchtower.snapshot import build_snapshot
from watchtower.terminal import screen
from watchtower.terminal.beside import Beside
from watchtower.terminal.scene import Scene
from watchtower.terminal.watching import Watching

pytestmark = pytest.mark.django_db

HOSTILE = "evil\x1b[2J\x1b]0;owned\x07\nname‮ [red]x[/red]"
BESIDE = Beside(
    waiting=5,
    next_quests=(HOSTILE, "second", "third"),
    checkpoint="checkpoint-12-20260101-1200",
    machine=Machine(
        time=0.0, cpu_percent=42.0, memory_total_bytes=8 * 10**9, memory_used_bytes=3 * 10**9,
        gpus=(Gpu(index=0, use_percent=97.0, temperature_celsius=61.0, power_watts=300.0),),
    ),
)  # fmt: skip


@pytest.fixture
def scene(world: World) -> Scene:
    battle = make_battle(world)
    battle.quest.name = HOSTILE
    battle.quest.save()
    append_steps(world, "b1", [record(step) for step in range(1, 61)])
    say_status(world, message=HOSTILE)
    tell("b1", 1)
    found = Scene()
    found.take(build_snapshot(world, "DIO"))
    return found


def lines(scene: Scene, width: int, height: int, *, ascii_only: bool = False) -> list[str]:
    shown = screen.render(scene, BESIDE, width=width, height=height, ascii_only=ascii_only, keys=True)
    return screen.text_of(shown, width=width).splitlines()


def check_size(found: list[str], width: int, height: int) -> None:
    assert len(found) <= height
    assert max(map(cell_len, found)) <= width


@pytest.mark.parametrize(("width", "height"), [(40, 12), (40, 24), (80, 24), (132, 43), (200, 60)])
def test_it_fits_and_says_what_matters(scene: Scene, width: int, height: int) -> None:
    found = lines(scene, width, height)
    check_size(found, width, height)
    text = "\n".join(found)
    assert "step 60 of 100 60%" in text
    assert f"loss {1 / 60:.4f}" in text
    assert re.search("[⠁-⣿]", text) or height < 20
    if height >= 24:
        assert "GPU 0 97% 61 C 300 W" in text
        assert "CPU 42%" in text


def test_ascii_is_enough(scene: Scene) -> None:
    found = lines(scene, 80, 24, ascii_only=True)
    del found[1]  # the quest's own name
    assert "*" in "".join(found)
    assert "#" in "".join(found)


def check_harmless(text: str) -> None:
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)


def test_names_steer_no_terminal(scene: Scene) -> None:
    text = "\n".join([*lines(scene, 200, 40), screen.one_line(scene)])
    check_harmless(text)
    assert "evil␛[2J" in text
    assert "[red]x[/red]" in text


def test_twin_unguarded_they_would(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screen, "visible", lambda text: text)
    with pytest.raises(AssertionError):
        check_harmless(screen.one_line(scene))


def test_before_the_first_battle(world: World) -> None:
    scene = Scene()
    scene.take(build_snapshot(world, "DIO"))
    found = lines(scene, 40, 24)
    check_size(found, 40, 24)
    assert "no battle was fought yet" in "\n".join(found)


def test_ticks_lead_where_a_fresh_look_does(world: World) -> None:
    """What the terminal has after many looks is what it would have if it began now."""
    make_battle(world)
    append_steps(world, "b1", [record(1)])
    watching, scene = Watching(world, "DIO"), Scene()
    for step in (2, 3, 4):
        for message in watching.messages():
            scene.take(message)
        append_steps(world, "b1", [record(step)])
        tell("b1", step)
    for message in watching.messages():
        scene.take(message)
    fresh = Scene()
    fresh.take(build_snapshot(world, "DIO"))
    assert scene.points() == fresh.points()
    assert [event["seq"] for event in scene.events] == [event["seq"] for event in fresh.events]
    assert scene.battle is not None
    assert fresh.battle is not None
    assert {**scene.battle, "elapsed_s": 0} == {**fresh.battle, "elapsed_s": 0}


def scry(*words: str) -> str:
    out = io.StringIO()
    call_command("scry", *words, stdout=out)
    return out.getvalue()


def test_a_pipe_gets_one_picture_and_programs_a_document(world: World, scene: Scene) -> None:
    assert "step 60 of 100" in scry()
    document: dict[str, Any] = json.loads(scry("--json"))
    assert (document["battle"]["quest_step"], document["beside"]["waiting"]) == (60, 1)


def test_a_past_battle_is_shown_by_its_id(world: World) -> None:
    past = make_battle(world, "b0", state=Battle.State.COMPLETED, ended_at=datetime.now(UTC))
    append_steps(world, "b0", [record(step) for step in range(1, 8)])
    tell("b0", 1, step=7)
    make_battle(world, "b1", first_step=7)
    shown = scry("--battle", past.battle_id)
    assert "quest-b0  completed" in shown
    assert "checkpoint_saved 1" in shown
    with pytest.raises(CommandError, match="there is no battle 'b9'"):
        scry("--battle", "b9")
