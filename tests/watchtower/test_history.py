from datetime import timedelta

import pytest
from django.utils import timezone

from arena.models import Battle
from guild.models import Evaluation
from realm.world import World
from tests.watchtower.factories import HERO, append_steps, make_battle, record, tell
from watchtower.snapshot import build_snapshot

pytestmark = pytest.mark.django_db


def fought(world: World, name: str, steps: range, state: Battle.State = Battle.State.COMPLETED) -> Battle:
    battle = make_battle(world, name, state=state, first_step=steps.start - 1)
    append_steps(world, name, [record(step) for step in steps])
    return battle


def test_the_curve_goes_back_over_the_battles_before(world: World) -> None:
    fought(world, "b1", range(1, 11))
    fought(world, "b2", range(11, 21))
    fought(world, "b3", range(21, 24), Battle.State.TRAINING)
    curve = build_snapshot(world, HERO)["curve"]
    assert curve["step"] == list(range(1, 24))
    assert curve["battles"] == [[0, "quest-b1"], [10, "quest-b2"], [20, "quest-b3"]]


def test_only_the_last_five_before(world: World) -> None:
    for number in range(8):
        fought(world, f"b{number}", range(number * 10 + 1, number * 10 + 11))
    curve = build_snapshot(world, HERO)["curve"]
    assert [first for first, _ in curve["battles"]] == [20, 30, 40, 50, 60, 70]
    assert curve["step"][0] == 21


def test_steps_that_were_rolled_back_are_not_shown(world: World) -> None:
    fought(world, "b1", range(1, 11))
    fought(world, "lost", range(11, 31), Battle.State.FAILED)
    fought(world, "wholly-lost", range(21, 26), Battle.State.FAILED)
    fought(world, "b4", range(16, 18), Battle.State.TRAINING)
    for battle, step in (("lost", 15), ("lost", 30), ("b4", 17)):
        tell(battle, step, kind="validated", step=step, val_loss=step)
    snapshot = build_snapshot(world, HERO)
    assert snapshot["curve"]["step"] == list(range(1, 18))
    assert snapshot["curve"]["battles"] == [[0, "quest-b1"], [10, "quest-lost"], [15, "quest-b4"]]
    assert [curve["points"] for curve in snapshot["validation"]] == [[[15, 15], [17, 17]]]


def test_a_battle_that_gets_ready_shows_what_came_before(world: World) -> None:
    fought(world, "b1", range(1, 11))
    make_battle(world, "b2", first_step=None)
    curve = build_snapshot(world, HERO)["curve"]
    assert (curve["step"], curve["battles"]) == (list(range(1, 11)), [[0, "quest-b1"]])


def test_later_battles_and_those_of_others_are_left_out(world: World) -> None:
    fought(world, "b1", range(1, 11), Battle.State.TRAINING)
    fought(world, "b2", range(11, 21))
    other = fought(world, "b3", range(1, 3))
    Battle.objects.filter(id=other.id).update(hero="EVA", started_at=timezone.now() - timedelta(days=1))
    assert build_snapshot(world, HERO)["curve"]["battles"] == [[0, "quest-b1"]]


@pytest.mark.parametrize(("before", "now"), [(9000, 90), (9000, 9000), (300, 9000)])
def test_all_together_are_thinned_and_the_battle_of_now_stays_fine(world: World, before: int, now: int) -> None:
    fought(world, "b1", range(1, before + 1))
    fought(world, "b2", range(before + 1, before + now + 1), Battle.State.TRAINING)
    steps = build_snapshot(world, HERO)["curve"]["step"]
    of_now = [step for step in steps if step > before]
    assert len(steps) <= 2000
    assert steps == sorted(set(steps))
    assert len(of_now) >= min(now, 1490)
    assert {1, before, before + 1, before + now} <= set(steps)


def test_a_battle_that_is_over_is_read_once(world: World) -> None:
    fought(world, "b1", range(1, 11))
    fought(world, "b2", range(11, 21), Battle.State.TRAINING)
    first = build_snapshot(world, HERO)["curve"]
    size = (world.battles / "b1" / "steps.bin").stat().st_size
    (world.battles / "b1" / "steps.bin").write_bytes(b"\0" * size)
    assert build_snapshot(world, HERO)["curve"] == first
    append_steps(world, "b1", [record(11)])
    assert build_snapshot(world, HERO)["curve"] != first


def test_accuracy_is_the_heros_whole_history_with_its_levels(world: World) -> None:
    for step in range(1, 251):
        Evaluation.objects.create(
            hero=HERO, checkpoint=f"checkpoint-{step}", step=step, skill="bin", level=1 + step // 200, correct=step % 5,
            total=5, evaluated_at=timezone.now(),
        )  # fmt: skip
    accuracy = build_snapshot(world, HERO)["accuracy"]
    assert len(accuracy) == 200
    assert accuracy[0] == [51, 0.2, "bin", 1]
    assert accuracy[-1] == [250, 0.0, "bin", 2]
