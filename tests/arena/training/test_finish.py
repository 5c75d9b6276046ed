"""A quest that has done its work is completed with the steps done so far, and its resumed run knows it."""

from dataclasses import replace
from pathlib import Path

import pytest

from arena.protocol import EventKind, Order
from arena.training import train
from arena.training.control import Control, Request
from realm.checkpoints import sidecar
from tests.support import tiny_hero
from tests.support.runs import newest, run

pytestmark = pytest.mark.slow

FINISHED_AT = 3


def finish(order: Order) -> list[EventKind]:
    control = Control()
    original = train.step_record

    def recording(trainee: train.Trainee, *rest: object) -> object:
        if trainee.step == FINISHED_AT:
            control.request(Request.FINISH)
        return original(trainee, *rest)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "step_record", recording)
        events = run(order, control)
    assert "its level was won after 3 of" in events[-1].message
    return [event.kind for event in events]


def test_it_is_completed_and_stays_so(tmp_path: Path) -> None:
    order = tiny_hero.make_order(tmp_path)
    assert finish(order)[-1] == EventKind.BATTLE_COMPLETED
    saved = sidecar.read(newest(order))
    assert (saved.step, saved.cursor.quest_step, saved.cursor.finished) == (FINISHED_AT, FINISHED_AT, True)
    assert run(order) == []


def test_killed_before_it_was_told_it_is_told_by_the_next_run(tmp_path: Path) -> None:
    order = tiny_hero.make_order(tmp_path)
    finish(order)
    events = Path(order.battle_folder) / "events.jsonl"
    lines = events.read_bytes().splitlines(keepends=True)
    events.write_bytes(b"".join(lines[:-1]))
    assert [event.kind for event in run(order)] == [EventKind.BATTLE_COMPLETED]


def test_the_loss_before_is_of_many_rows_and_told_once(tmp_path: Path) -> None:
    order = tiny_hero.make_order(tmp_path, recipe=replace(tiny_hero.RECIPE, rows_per_step=1, rows_per_micro_batch=1))
    finish(order)
    lines = (Path(order.battle_folder) / "events.jsonl").read_text()
    assert lines.count('"loss_before"') == 1
