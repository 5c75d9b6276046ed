"""A battle whose held-out loss no longer falls ends early, and the hero is as it was best."""

import json
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from arena.protocol import STEPS_FILE, Event, EventKind, Order, StepRecord, ValidationSet
from arena.recipe import Recipe
from arena.training import early_stop, train
from arena.training.control import Control, Request
from arena.training.reporting.battle_log import BattleLog
from arena.training.saving import checkpoint
from arena.training.saving.checkpoint import STATE_FILE
from arena.training.saving.full_disk import Room
from arena.training.saving.saver import Saver
from arena.training.scoring import Scores
from realm.checkpoints import sidecar
from realm.checkpoints.names import checkpoint_folders, step_of
from realm.checkpoints.sidecar import Sidecar
from tests.support import tiny_hero
from tests.support.checkpoints import rewrite_sidecar
from tests.support.runs import newest, run

OWN = "quest/quest"
RECIPE = replace(tiny_hero.RECIPE, epochs=4, save_every=1, validate_every=1, early_stop_patience=2)
LOSSES = (3.0, 2.0, 1.5, 1.8, 1.6, 9.0)
"""By step: best at 2, and over at 4."""


class Killed(BaseException):
    pass


@pytest.fixture
def order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Order:
    """A battle whose held-out loss is as LOSSES say."""
    path = tiny_hero.write_quest(tmp_path / "held_out.jsonl", 4, seed=5)
    now = {"step": 0}
    due, score = train.sets_that_are_due, train.scoring.score

    def noting(run: train.Run, *, saving: bool) -> list[Any]:
        now["step"] = run.trainee.step
        return due(run, saving=saving)

    def scripted(*arguments: Any) -> Scores:
        scores = score(*arguments)
        return replace(scores, losses={OWN: LOSSES[min(now["step"], 5)]})

    monkeypatch.setattr(train, "sets_that_are_due", noting)
    monkeypatch.setattr(train.scoring, "score", scripted)
    sets = (ValidationSet(name=OWN, path=str(path), always=True),)
    return tiny_hero.make_order(tmp_path, rows=40, recipe=RECIPE, validation_sets=sets)


def at(order: Order, step: int) -> Path:
    return next(folder for folder in checkpoint_folders(Path(order.hero_folder)) if step_of(folder.name) == step)


def state_of(folder: Path) -> dict[str, str]:
    """Weights and moments."""
    files = sidecar.read(folder).files
    return {name: proof.sha256 for name, proof in files.items() if name.endswith(".safetensors")}


def steps_done(order: Order) -> int:
    return (Path(order.battle_folder) / STEPS_FILE).stat().st_size // StepRecord.SIZE


def killed(order: Order, patch: pytest.MonkeyPatch, where: str) -> None:
    def dies(*rest: object, **named: object) -> None:
        raise Killed

    with patch.context() as patched:
        patched.setattr(train, where, dies)
        with pytest.raises(Killed):
            run(order)


@pytest.mark.slow
def test_it_ends_early_and_returns_to_the_best_checkpoint_killed_or_not(
    order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed(order, monkeypatch, "save_and_wait")
    assert step_of(newest(order).name) == 3
    events = run(order)
    assert events[-1].kind == EventKind.BATTLE_COMPLETED
    assert events[-1].message == (
        "quest: stopped early at step 4: held-out loss rose from 1.5000 at step 2 to 1.6000; "
        "the hero goes on as it was at step 2"
    )
    said = sidecar.read(newest(order))
    assert (said.step, said.cursor.finished, said.cursor.quest_step, steps_done(order)) == (4, True, 4, 4)
    assert (said.val_losses[OWN], said.parent) == (1.5, at(order, 2).name)
    assert state_of(newest(order)) == state_of(at(order, 2)) != state_of(at(order, 3))
    assert [step_of(folder.name) for folder in checkpoint_folders(Path(order.hero_folder))] == [4, 3, 2, 1]
    state = json.loads((newest(order) / STATE_FILE).read_bytes())
    assert state["moments_since"] == 2, "moments of two steps warm up on as such, however far the hero's steps are"


def ending(order: Order) -> str:
    """Where a battle that is asked only with its checkpoints goes on from, after a pause between two of them."""
    control, step_record = Control(), train.step_record

    def pausing(trainee: train.Trainee, *rest: Any) -> StepRecord:
        if trainee.step == 3:
            control.request(Request.PAUSE)
        return step_record(trainee, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "step_record", pausing)
        events = run(order, control)
    return [*events, *run(order)][-1].message


@pytest.fixture
def seldom(order: Order, monkeypatch: pytest.MonkeyPatch) -> Order:
    monkeypatch.setattr(train.scoring, "pays_between", lambda *_: True)
    return replace(order, recipe=replace(RECIPE, save_every=2, validate_every=0, early_stop_patience=1))


@pytest.mark.slow
def test_a_pause_is_no_score_and_ends_nothing(seldom: Order) -> None:
    assert ending(seldom).startswith("quest: stopped early at step 4: held-out loss rose from 1.5000 at step 2")


@pytest.mark.slow
def test_twin_scored_at_the_pause_it_ends_there(seldom: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    validate = train.validate

    def scoring_pauses(run: train.Run, *, saving: bool) -> Scores:
        return validate(run, saving=saving or run.control.requested_at(run.trainee.step) is not None)

    monkeypatch.setattr(train, "validate", scoring_pauses)
    assert "stopped early at step 3" in ending(seldom)


def ending_while_the_best_is_written(order: Order, patch: pytest.MonkeyPatch) -> str:
    """No checkpoint reaches the disk before somebody waits for it."""
    waited_for, write, finished = threading.Event(), checkpoint.write, Saver.finished

    def writing(*arguments: Any, **named: Any) -> Sidecar:
        waited_for.wait()
        return write(*arguments, **named)

    def finishing(saver: Saver, *, wait: bool = False) -> Any:
        if wait:
            waited_for.set()
        found = finished(saver, wait=wait)
        waited_for.clear()
        return found

    patch.setattr(checkpoint, "write", writing)
    patch.setattr(Saver, "finished", finishing)
    return run(replace(order, recipe=replace(RECIPE, early_stop_patience=1)))[-1].message


@pytest.mark.slow
def test_the_best_may_be_on_its_way_to_the_disk(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "the hero goes on as it was at step 2" in ending_while_the_best_is_written(order, monkeypatch)


@pytest.mark.slow
def test_twin_not_waited_for_it_is_not_found(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    end_if_learned = train.end_if_learned

    def without_waiting(run: train.Run) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(train, "tell_saved", lambda *_, **__: None)
            end_if_learned(run)

    monkeypatch.setattr(train, "end_if_learned", without_waiting)
    assert "the hero goes on as it was at step 2" not in ending_while_the_best_is_written(order, monkeypatch)


def trained_after_its_end(order: Order, patch: pytest.MonkeyPatch, *, unfinished: bool = False) -> bool:
    """Whether a battle that was killed behind its last checkpoint is trained on when it is begun again."""
    killed(order, patch, "complete")
    folder = newest(order)
    if unfinished:
        cursor = json.loads((folder / sidecar.SIDECAR).read_bytes())["cursor"]
        rewrite_sidecar(folder, cursor=cursor | {"finished": False})
    events = run(order)
    assert events[-1].kind == EventKind.BATTLE_COMPLETED
    return steps_done(order) > 4


@pytest.mark.slow
def test_killed_at_its_end_it_trains_no_more(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not trained_after_its_end(order, monkeypatch)


@pytest.mark.slow
def test_twin_with_its_cursor_left_open_it_would(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    assert trained_after_its_end(order, monkeypatch, unfinished=True)


# ----------------------------------------------------------------------------------------------------------------------
# The rule alone.

SETS = (ValidationSet(name=OWN, path="held_out.jsonl", always=True),)


def found(
    folder: Path,
    losses: Sequence[float],
    *,
    own: bool = True,
    digests: Sequence[str] | None = None,
    skill: str | None = None,
    quest: str = "quest",
    **recipe: Any,
) -> early_stop.EarlyStop | None:
    """After scores at steps 0, 1, 2, …; only the base model can be gone back to."""
    names: dict[str, Any] = dict.fromkeys(
        ("battle", "quest", "quest_file", "quest_sha256", "hero", "base_model"), "quest"
    )
    (folder / "hero").mkdir(exist_ok=True)
    order = Order(
        **names | {"quest": quest}, battle_folder=str(folder), hero_folder=str(folder / "hero"), skill=skill,
        validation_sets=SETS if own else (), recipe=Recipe(**({"early_stop_patience": 2} | recipe)),
    )  # fmt: skip
    log = BattleLog(folder, on_event=lambda event: None, room=Room(lambda text: None, lambda: False), writes=False)
    for step, loss in enumerate(losses):
        over = {"name": OWN, "rows": 4, "sha256": digests[step] if digests else "a"}
        told: dict[str, Any] = {"losses": {OWN: loss}, "sets": {OWN: over}, "val_loss": loss, "val_set": over}
        log.events.append(Event(seq=step + 1, time=0.0, kind=EventKind.VALIDATED, step=step, message="", data=told))
    stop = early_stop.find(order, log, step=len(losses) - 1)
    log.close()
    return stop


@pytest.mark.parametrize("own", [True, False])
def test_it_waits_as_long_as_it_is_patient(tmp_path: Path, own: bool) -> None:
    assert found(tmp_path, [1.0, 0.9, 0.95], own=own) is None
    assert found(tmp_path, [0.9, 0.95, 0.91], own=own)
    assert found(tmp_path, [0.9, 0.95, 0.8], own=own) is None
    assert found(tmp_path, [0.9, 0.95, 0.91], own=own, early_stop_patience=0) is None
    assert found(tmp_path, [0.9, 0.95, 0.91], own=own, skill="bin"), "be it of a skill, it is the player's"
    forged = found(tmp_path, [0.9, 0.95, 0.91], own=own, skill="bin", quest="bin-level-1-0001")
    assert forged is None, "it ends when its level is won"


def test_a_gain_may_be_asked_to_be_large(tmp_path: Path) -> None:
    falling = [1.0, 0.99, 0.98]
    assert found(tmp_path, falling) is None
    stop = found(tmp_path, falling, early_stop_least=0.05)
    assert stop
    assert str(stop) == "stopped early at step 2: held-out loss 0.9800 falls no further"


def test_losses_over_other_rows_are_no_rise(tmp_path: Path) -> None:
    """Promise I5: the newest set alone is watched."""
    assert found(tmp_path, [0.1, 0.9, 0.95], digests=["a", "b", "b"]) is None


def test_twin_taken_for_the_same_rows_they_are(tmp_path: Path) -> None:
    assert found(tmp_path, [0.1, 0.9, 0.95], digests=["a", "a", "a"])
