"""Going back from a divergence: never past what retention left, said anew where it is new, the old weights let go."""

import gc
import shutil
import weakref
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from arena.hero import model as heroes
from arena.protocol import EvaluationSet, Event, EventKind, Order
from arena.recipe import Recipe
from arena.training import train
from arena.training.control import Control
from arena.training.faults import Fault
from arena.training.reporting.battle_log import BattleLog
from arena.training.saving import checkpoint
from arena.training.saving.full_disk import Room
from arena.training.service import run_order
from arena.training.start import Trainee
from realm.checkpoints import names, sidecar
from realm.checkpoints.names import checkpoint_folders, step_of
from tests.support import tiny_hero
from tests.support.runs import run

pytestmark = pytest.mark.slow

RECIPE = replace(tiny_hero.RECIPE, epochs=8, warmup_steps=0)


def diverge_once(patch: pytest.MonkeyPatch, *, after: int = 30) -> None:
    """The loss that is measured rises from step `after` on, until the run has gone back."""
    original, seen = train.optimizer_step, list[int]()

    def rising(trainee: Trainee, *rest: object, **named: object) -> tuple[torch.Tensor, torch.Tensor]:
        loss, norm = original(trainee, *rest, **named)  # type: ignore[arg-type]
        seen.append(trainee.step + 1)
        gone_back = seen != sorted(seen)
        return (loss if gone_back else loss + max(0, trainee.step + 1 - after) * 2), norm

    patch.setattr(train, "optimizer_step", rising)


def next_battle(order: Order, folder: Path, **overrides: object) -> Order:
    (folder / "second").mkdir()
    quest = tiny_hero.write_quest(folder / "second.jsonl", 80, seed=3)
    fields = {"battle": "second", "battle_folder": str(folder / "second"), "quest_file": str(quest)}
    second = replace(order, **fields, quest_sha256=sidecar.digest(quest), **overrides)  # type: ignore[arg-type]
    second.write()
    return second


def make_room_as_it_goes(order: Order, keep: int) -> object:
    """What the daemon's retention does after each checkpoint that is told."""

    def prune(event: Event) -> None:
        if event.kind == EventKind.CHECKPOINT_SAVED:
            for folder in checkpoint_folders(Path(order.hero_folder))[keep:]:
                shutil.rmtree(folder)

    return prune


@pytest.fixture
def second(tmp_path: Path) -> Order:
    """The battle of a hero that has fought one before."""
    first = tiny_hero.make_order(tmp_path, rows=40)
    run(first)
    return next_battle(first, tmp_path, recipe=RECIPE)


def lowest_after(second: Order) -> int:
    return sidecar.read(checkpoint_folders(Path(second.hero_folder))[0]).step + 30


def test_where_retention_took_the_older_ones_the_oldest_left_is_gone_back_to(
    second: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    diverge_once(monkeypatch, after=lowest_after(second))
    events = run(second, on_event=make_room_as_it_goes(second, keep=1))  # type: ignore[arg-type]
    (fault,) = [event for event in events if event.kind == EventKind.FAULT]
    assert fault.data["fault"] == Fault.DIVERGENCE
    assert fault.data["checkpoint"] is not None
    assert events[-1].kind == EventKind.BATTLE_COMPLETED


def _drop_all(hero_folder: Path, step: int, branch: str) -> None:
    for folder in checkpoint_folders(hero_folder):
        if (step_of(folder.name) or 0) > step:
            checkpoint.set_aside(folder, because="diverged")


def test_else_the_hero_would_begin_from_its_base(second: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin."""
    monkeypatch.setattr(checkpoint, "drop_after", _drop_all)
    diverge_once(monkeypatch, after=lowest_after(second))
    events = run(second, on_event=make_room_as_it_goes(second, keep=1))  # type: ignore[arg-type]
    (fault,) = [event for event in events if event.kind == EventKind.FAULT]
    assert fault.data["checkpoint"] is None


def test_what_is_saved_anew_is_told_anew_even_under_the_same_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names hold the minute only, and a quick hero is back at the same step within it."""
    problems = tmp_path / "problems.jsonl"
    problems.write_text('{"prompt": "1+1", "answer": "2"}\n')
    evaluation = EvaluationSet(skill="bin", level=1, path=str(problems), max_new_tokens=1)
    validation = tiny_hero.validation(tmp_path, 5, seed=9)
    order = tiny_hero.make_order(
        tmp_path, rows=80, recipe=RECIPE, evaluation_sets=(evaluation,), validation_sets=validation
    )
    monkeypatch.setattr(names, "canonical_name", lambda step, moment: f"checkpoint-{step}-20260101-0000")
    diverge_once(monkeypatch)
    events = run(order)
    (at,) = [number for number, event in enumerate(events) if event.kind == EventKind.FAULT]
    later = events[at:]
    back_to, diverged = int(events[at].data["undone_after"]), events[at].step
    done_again = set(range(back_to + 5, diverged, 5))
    assert done_again
    for kind in (EventKind.CHECKPOINT_SAVED, EventKind.VALIDATED, EventKind.ANSWERED):
        assert done_again <= {event.step for event in later if event.kind == kind}, kind
        assert not [event for event in later if event.kind == kind and event.step <= back_to], kind


def living_models(models: list[weakref.ref[torch.nn.Module]]) -> int:
    gc.collect()
    return sum(model() is not None for model in models)


@pytest.fixture
def most_at_once(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many heroes' models were in memory whenever one more was about to be loaded."""
    original, models, counts = heroes.load, list[weakref.ref[torch.nn.Module]](), list[int]()

    def load(*args: object, **named: object) -> heroes.Hero:
        counts.append(living_models(models))
        hero = original(*args, **named)  # type: ignore[arg-type]
        models.append(weakref.ref(hero.model))
        return hero

    monkeypatch.setattr(heroes, "load", load)
    return counts


@pytest.mark.parametrize("mode", ["full", "lora"])
def test_the_old_weights_leave_memory_before_others_are_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most_at_once: list[int], mode: str
) -> None:
    recipe = replace(RECIPE, mode=mode)  # type: ignore[arg-type]
    diverge_once(monkeypatch)
    run(tiny_hero.make_order(tmp_path, rows=80, recipe=recipe))
    assert most_at_once == [0, 0]


def warm_then_another_recipe(folder: Path) -> None:
    order = tiny_hero.make_order(folder, rows=20)
    warm = run_order(order, Control(), None, lambda _: None)
    changed: Recipe = replace(order.recipe, learning_rate=0.001)
    run_order(next_battle(order, folder, recipe=changed), Control(), warm, lambda _: None)


def test_a_warm_hero_that_does_not_fit_leaves_memory_first(tmp_path: Path, most_at_once: list[int]) -> None:
    warm_then_another_recipe(tmp_path)
    assert most_at_once == [0, 0]


def test_without_letting_go_both_are_in_memory(
    tmp_path: Path, most_at_once: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin."""
    monkeypatch.setattr(Trainee, "let_go", lambda self: None)
    warm_then_another_recipe(tmp_path)
    assert most_at_once == [0, 1]


def log_of(folder: Path) -> BattleLog:
    return BattleLog(folder, on_event=lambda _: None, room=Room(lambda _: None, lambda: False))


def test_what_was_said_of_steps_that_were_undone_counts_as_unsaid(tmp_path: Path) -> None:
    log = log_of(tmp_path)
    for step in (5, 10, 15):
        log.write(EventKind.CHECKPOINT_SAVED, step=step, message="", name=f"c{step}")
    log.write(EventKind.FAULT, step=17, message="", fault=Fault.DIVERGENCE, undone_after=5)
    log.write(EventKind.FAULT, step=8, message="", fault=Fault.NON_FINITE)
    log.write(EventKind.CHECKPOINT_SAVED, step=10, message="", name="c10")
    log.close()
    again = log_of(tmp_path)
    found = [again.has(EventKind.CHECKPOINT_SAVED, name=name) for name in ("c5", "c10", "c15")]
    again.close()
    assert found == [True, True, False]
