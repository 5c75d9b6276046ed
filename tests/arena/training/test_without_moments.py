"""Going on from a checkpoint whose moments made room, or lie compressed."""

from dataclasses import replace
from pathlib import Path

import pytest

from arena.protocol import EventKind, Order
from arena.training import start
from realm.checkpoints import moments, sidecar
from realm.checkpoints.moments import COMPRESSED_FILE, OPTIMIZER_FILE
from tests.arena.training.test_fresh_moments import RECIPE, next_battle, rates
from tests.support import tiny_hero
from tests.support.runs import digests, newest, run

pytestmark = pytest.mark.slow


def two_battles(folder: Path, *, thinned: bool = False, compressed: bool = False) -> tuple[Order, str]:
    """The second one's order, and what it said at its beginning."""
    folder.mkdir()
    recipe = replace(RECIPE, compress_moments=compressed)
    first = tiny_hero.make_order(folder, recipe=recipe)
    run(first)
    if thinned:
        moments.take_out(newest(first))
    second = next_battle(first, recipe)
    begun = next(event for event in run(second) if event.kind == EventKind.BATTLE_STARTED)
    return second, begun.message


def test_from_weights_alone_the_rate_warms_up_again_and_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its twin: whoever does not look for moments that made room finds no file."""
    order, told = two_battles(tmp_path / "thinned", thinned=True)
    assert "made room on 20" in told
    assert "the optimizer begins anew, and the rate warms up again" in told
    assert rates(order)[:5] == [0.0025, 0.005, 0.0075, 0.01, 0.01]
    assert sidecar.verify(newest(order)).thinned is None

    monkeypatch.setattr(start, "has_moments", lambda saved: True)
    with pytest.raises(FileNotFoundError):
        two_battles(tmp_path / "twin", thinned=True)


def test_compressed_moments_go_on_in_the_same_bits(tmp_path: Path) -> None:
    plain, told = two_battles(tmp_path / "plain")
    compressed, _ = two_battles(tmp_path / "compressed", compressed=True)
    assert "made room" not in told
    assert not (newest(compressed) / OPTIMIZER_FILE).exists()
    assert COMPRESSED_FILE in sidecar.verify(newest(compressed)).files
    wanted = digests(plain)
    wanted.pop(OPTIMIZER_FILE)
    assert digests(compressed) == wanted
    assert moments.take_out(newest(compressed)) > 0
