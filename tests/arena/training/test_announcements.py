"""What a battle says of itself, without the loop that says it: never twice, and in sentences."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from torch.optim import AdamW

from arena.hero.model import Hero
from arena.protocol import EvaluationSet, Event, EventKind, Order
from arena.training.control import Request
from arena.training.reporting import announcements, answers
from arena.training.reporting.answers import Answers
from arena.training.reporting.battle_log import BattleLog
from arena.training.saving.full_disk import Room
from arena.training.scoring import Scores
from arena.training.start import Trainee
from realm.checkpoints.sidecar import MeasuredOver
from tests.support import tiny_hero
from tests.support.checkpoints import a_sidecar

SAVED = a_sidecar(12)
ROOM = Room(lambda _: None, lambda: False)


@pytest.fixture
def order(tmp_path: Path) -> Order:
    return replace(tiny_hero.make_order(tmp_path, rows=4), flagged_folder=str(tmp_path / "flagged"))


@pytest.fixture
def log(order: Order) -> Iterator[BattleLog]:
    opened = BattleLog(Path(order.battle_folder), on_event=lambda _: None, room=ROOM)
    yield opened
    opened.close()


def last(log: BattleLog) -> Event:
    return log.events[-1]


def scores(loss: float, sha256: str = "aa") -> Scores:
    over = MeasuredOver(name="taught", rows=8, sha256=sha256)
    return Scores(losses={"bin/1": loss}, sets={"bin/1": over}, val_loss=loss, val_set=over, tokens=80, whole=True)


def say_all(log: BattleLog, order: Order) -> None:
    announcements.saved(log, SAVED)
    announcements.stagnation(log, step=12, seen="no gain in 200 steps")
    announcements.validated(log, scores(2.0), step=12, quest_step=12)
    evaluation = EvaluationSet(skill="bin", level=1, path="problems.jsonl", max_new_tokens=4)
    answers.tell(log, order, Answers(evaluation, ["101"], 0.5), SAVED)


ALL = [EventKind.CHECKPOINT_SAVED, EventKind.CONVERGENCE_WARNING, EventKind.VALIDATED, EventKind.ANSWERED]


def test_what_was_said_is_not_said_again(log: BattleLog, order: Order) -> None:
    say_all(log, order)
    say_all(log, order)
    assert [event.kind for event in log.events] == ALL


def test_twin_a_log_that_forgets_says_everything_twice(
    log: BattleLog, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BattleLog, "standing", lambda *_: iter(()))
    say_all(log, order)
    say_all(log, order)
    assert [event.kind for event in log.events] == ALL * 2


def test_a_validation_is_told_with_the_one_before(log: BattleLog) -> None:
    announcements.validated(log, scores(2.0), step=4, quest_step=4)
    announcements.validated(log, scores(1.5), step=8, quest_step=8)
    assert [event.data["previous"] for event in log.events] == [None, 2.0]


def test_what_was_measured_over_other_rows_is_no_earlier_loss(log: BattleLog) -> None:
    announcements.validated(log, scores(2.0), step=4, quest_step=4)
    announcements.validated(log, scores(9.0, "bb"), step=8, quest_step=8)
    announcements.validated(log, scores(1.5), step=12, quest_step=12)
    assert [event.data["previous"] for event in log.events] == [None, None, 2.0]


@pytest.mark.parametrize(
    ("was", "mode", "said"),
    [
        ("full", "full", ""),
        (
            "full",
            "lora",
            "so far the hero trained in mode full, from here on a new adapter on its weights",
        ),
        ("lora", "qlora", "so far the hero trained in mode lora, from here on the same adapter"),
        (
            "lora",
            "full",
            "the adapter trained in mode lora is merged, and all weights train from here on",
        ),
    ],
)
def test_a_change_of_mode_is_told(order: Order, was: str, mode: str, said: str) -> None:
    changed = replace(order, recipe=replace(order.recipe, mode=mode))  # type: ignore[arg-type]
    trainee = Trainee(changed, cast(Hero, None), cast(AdamW, None), replace(SAVED, mode=was), 12)
    assert announcements.mode_change(trainee) == (f"; {said} (mode {mode})" if said else "")


@pytest.mark.parametrize(
    ("requested", "kind", "word"),
    [
        (Request.STOP, EventKind.BATTLE_STOPPED, "Stopped"),
        (Request.PAUSE, EventKind.BATTLE_PAUSED, "Resting"),
        (Request.SHUTDOWN, EventKind.BATTLE_PAUSED, "Resting"),
    ],
)
def test_an_early_end_says_who_asked(log: BattleLog, requested: Request, kind: EventKind, word: str) -> None:
    announcements.left_early(log, requested, step=12, quest_step=3)
    assert (last(log).kind, last(log).message) == (kind, f"{word} at step 12, which is kept safe")
    no_errors = {"total": 0, "kinds": {}}
    assert last(log).data == {"asked": requested, "quest_step": 3, "errors": no_errors}


def test_a_pause_for_faults_says_where_the_rows_are_and_what_can_be_done(log: BattleLog, order: Order) -> None:
    announcements.paused_for_faults(log, order, "step 3 went wrong twice", step=12, quest_step=3)
    assert last(log).message == "Resting at step 12: step 3 went wrong twice; the rows are written down in flagged"
    assert last(log).data["reason"].endswith("; resume tries again, skip leaves the quest")
    announcements.paused_for_faults(log, replace(order, flagged_folder=None), "it went wrong", step=12, quest_step=3)
    assert last(log).message == "Resting at step 12: it went wrong"
