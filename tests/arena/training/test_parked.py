"""Parked while another hero fights in the same process, and taken up again: the weights end the same, bit for bit."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from arena.protocol import ENDINGS, EventKind, Order
from arena.training.control import Control
from arena.training.service import run_order
from arena.training.start import Trainee
from arena.worst_rows import WORST_ROWS_FILE
from tests.campaigns.written import steps_of
from tests.support import tiny_hero
from tests.support.runs import digests

pytestmark = pytest.mark.slow

RECIPE = replace(tiny_hero.RECIPE, rows_per_micro_batch=4, save_every=100)
PARKED_AT = 2


@dataclass(frozen=True)
class Fought:
    whole: Order
    """Of DIO, who was left alone."""
    as_whole: Trainee
    parked: Order
    """The same battle of another DIO: KNIGHT has fought since it was paused, and is warm."""
    knight: Trainee


@pytest.fixture(scope="module")
def fought(tmp_path_factory: pytest.TempPathFactory) -> Fought:
    folder = tmp_path_factory.mktemp("parked")
    whole, parked, other = (_order(folder / name) for name in ("whole", "parked", "other"))
    until_parked = Control()
    until_parked.pause_at(PARKED_AT)
    as_whole, _ = _run(whole, None, ends=EventKind.BATTLE_COMPLETED)
    dio, _ = _run(parked, None, ends=EventKind.BATTLE_PAUSED, control=until_parked)
    knight, _ = _run(replace(other, hero="KNIGHT"), dio, ends=EventKind.BATTLE_COMPLETED)
    return Fought(whole=whole, as_whole=as_whole, parked=parked, knight=knight)


def _order(folder: Path) -> Order:
    """Of a fresh hero; all have one base model, as heroes of one world mostly have."""
    folder.mkdir()
    base = folder.parent / "base"
    if not base.exists():
        tiny_hero.make_base(base)
    return tiny_hero.make_order(folder, rows=32 if folder.name != "other" else 4, recipe=RECIPE, base_model=str(base))


def _run(
    order: Order, warm: Trainee | None, *, ends: EventKind, control: Control | None = None
) -> tuple[Trainee, Order]:
    kinds: list[str] = []
    trainee = run_order(order, control or Control(), warm, lambda event: kinds.append(event.kind))
    assert [kind for kind in kinds if kind in ENDINGS] == [ends]
    assert trainee
    return trainee, order


def _taken_up(fought: Fought, name: str, warm: Trainee) -> Order:
    """A copy of what was parked, fought to its end by a trainer in which `warm` is."""
    folder = (
        Path(fought.parked.hero_folder).parents[1] / name
    )  # beside it: checkpoints name their base from where they lie
    order = replace(fought.parked, hero_folder=str(folder / "hero"), battle_folder=str(folder / "battle"))
    shutil.copytree(fought.parked.hero_folder, order.hero_folder)
    shutil.copytree(fought.parked.battle_folder, order.battle_folder)
    return _run(order, warm, ends=EventKind.BATTLE_COMPLETED)[1]


def test_a_parked_battle_ends_as_an_uninterrupted_one(fought: Fought) -> None:
    order = _taken_up(fought, "taken-up", fought.knight)
    assert digests(order) == digests(fought.whole)
    folders = Path(order.battle_folder), Path(fought.whole.battle_folder)
    told = [[(step.step, step.loss, step.grad_norm) for step in steps_of(folder)] for folder in folders]
    assert told[0] == told[1]
    assert len(told[0]) > PARKED_AT
    worst = [(folder / WORST_ROWS_FILE).read_bytes() for folder in folders]
    assert worst[0] == worst[1] != b""


def test_with_other_weights_kept_warm_it_does_not(fought: Fought, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: a trainer that takes whoever is warm for the hero that it is to train."""
    monkeypatch.setattr(Trainee, "fits", lambda *_: True)
    order = _taken_up(fought, "twin", fought.as_whole)
    assert digests(order) != digests(fought.whole)
