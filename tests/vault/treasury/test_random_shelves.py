"""B6 in small: shelves drawn by chance, obeyed rules, a kill in between; what must stay stays. The campaign has all."""

import os
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from realm.checkpoints import moments
from realm.world import World
from tests.campaigns import random_shelves
from tests.campaigns.random_shelves import HERO, Drawn
from vault.treasury import safety, shelf

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
SEEDS = (1, 2, 3)
CALLS = ("rename", "replace", "unlink", "fsync")


class Killed(BaseException):
    """Nobody catches it, as nobody catches SIGKILL."""


def obey(world: World, drawn: Drawn, monkeypatch: pytest.MonkeyPatch, *, dies_at: int | None = None) -> int:
    """How many calls changed the disk."""
    count = 0

    def watched(original: Callable[..., Any]) -> Callable[..., Any]:
        def perform(*rest: Any, **named: Any) -> Any:
            nonlocal count
            count += 1
            if count == dies_at:
                raise Killed
            return original(*rest, **named)

        return perform

    with monkeypatch.context() as patched:
        for name in CALLS:
            patched.setattr(os, name, watched(getattr(os, name)))
        with random_shelves.hosting(world, drawn):
            random_shelves.delete_and_undo(world, drawn)
            shelf.apply(world, drawn.config, HERO, by="arena")
    return count


@pytest.mark.parametrize("seed", SEEDS)
def test_what_must_stay_stays_wherever_it_is_killed(world: World, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    drawn = random_shelves.draw(world, seed)
    chance = random.Random(seed)
    with pytest.raises(Killed):
        obey(world, drawn, monkeypatch, dies_at=chance.randint(1, 12))
    for _ in range(2):
        with suppress(Killed):
            obey(world, drawn, monkeypatch, dies_at=chance.randint(6, 40))
        assert random_shelves.wrongs(world, drawn) == ([], [])
    obey(world, drawn, monkeypatch)
    assert random_shelves.wrongs(world, drawn) == ([], [])
    assert {row.name for row in shelf.plan(world, drawn.config, HERO).books} >= drawn.stays.keys() - drawn.damaged


GUARDS = ("_newest", "_of_branches", "_crowned", "_best", "_protected", "_served", "_under_adapters", "_worked_on")


def test_twins_without_a_guard_something_is_lost(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them at once; each alone is tried in test_safety."""
    drawn = random_shelves.draw(world, 1)
    for guard in GUARDS:
        monkeypatch.setattr(safety, guard, lambda *_, **__: iter(()))
    shelf.apply(world, drawn.config, HERO, by="arena")
    assert len(random_shelves.wrongs(world, drawn)[0]) >= 5


def test_twin_the_moments_go_before_the_sidecar_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = random_shelves.draw(world, 2)

    def late(folder: Any, said: Any) -> None:
        for name in moments.MOMENT_FILES:
            (folder / name).unlink(missing_ok=True)
        raise Killed

    monkeypatch.setattr(moments.sidecar, "rewrite", late)
    with pytest.raises(Killed):
        shelf.apply(world, drawn.config, HERO, by="arena")
    assert random_shelves.wrongs(world, drawn)[1]
