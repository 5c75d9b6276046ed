"""A battle that is to pause at a step pauses there, exactly, with that step saved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from arena.protocol import EventKind
from arena.training.control import Control, Request
from realm.checkpoints import sidecar
from tests.support import tiny_hero
from tests.support.runs import newest, run

pytestmark = pytest.mark.slow


def check_pauses_at(step: int, folder: Path) -> None:
    order, control = tiny_hero.make_order(folder), Control()
    control.pause_at(step)
    events = run(order, control)
    assert (events[-1].kind, events[-1].step) == (EventKind.BATTLE_PAUSED, step)
    assert sidecar.read(newest(order)).step == step


def test_it_pauses_there(tmp_path: Path) -> None:
    check_pauses_at(3, tmp_path)


def test_twin_unheeded_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unheeding: Callable[[Control, int], Request | None] = lambda control, step: None  # noqa: E731
    monkeypatch.setattr(Control, "requested_at", unheeding)
    with pytest.raises(AssertionError):
        check_pauses_at(3, tmp_path)


def test_another_request_comes_first_and_a_new_order_forgets() -> None:
    control = Control()
    control.pause_at(5)
    assert [control.requested_at(step) for step in (4, 5, 6)] == [None, Request.PAUSE, Request.PAUSE]
    control.request(Request.SHUTDOWN)
    assert control.requested_at(4) == Request.SHUTDOWN
    control = Control()
    control.pause_at(5)
    control.clear()
    assert control.requested_at(9) is None
