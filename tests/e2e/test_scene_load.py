"""Twenty ticks a second, in small: see tests/campaigns/scene.py."""

from __future__ import annotations

import pytest

from tests.campaigns import scene
from tests.e2e.conftest import Tavern, Visitor
from tests.e2e.waiting import LOOKS

SECONDS = 1.5


def broken(visitor: Visitor, tavern: Tavern, looks: int = LOOKS) -> list[str]:
    found = scene.figures_live(scene.fed(visitor.page, tavern, seconds=SECONDS, leaps=0, looks=looks))
    return [f"{each.what}: {each.figure}" for each in found if not (each.kept or each.timed)]


@pytest.mark.slow
def test_twenty_ticks_a_second_leave_nothing_behind(tavern: Tavern, visitor: Visitor) -> None:
    assert broken(visitor, tavern) == []
    day = scene.figures_day(scene.fast_forward(visitor.page, ticks=100))
    assert [each.what for each in day if not each.kept] == []


@pytest.mark.slow
def test_twin_what_stays_is_counted(tavern: Tavern, visitor: Visitor) -> None:
    visitor.page.add_init_script("setInterval(() => document.body?.append(document.createElement('i')), 100)")
    assert [what for what in broken(visitor, tavern, looks=1) if "came to stay" in what]
