"""Validation curves: one line for each set of rows, never one through values over different rows (promise I5)."""

from dataclasses import replace
from typing import Any

import pytest

from realm.world import World
from tests.watchtower.factories import append_steps, make_battle, record, tell
from watchtower import scores
from watchtower.snapshot import build_snapshot

pytestmark = pytest.mark.django_db
BIN = {"name": "bin/1", "rows": 20, "sha256": "c" * 64}


def taught(digest: str, rows: int = 60) -> dict[str, Any]:
    return {"name": "taught", "rows": rows, "sha256": digest * 64}


@pytest.fixture
def scored(world: World) -> World:
    """Three steps; after the first one the hero is taught more, so that its set is another one."""
    make_battle(world)
    append_steps(world, "b1", [record(step) for step in (1, 2, 3)])
    for step, over in ((1, taught("a")), (2, taught("b", 85)), (3, taught("b", 85))):
        losses = {"bin/1": 1.0 / step, "quest/gone": 9.0}
        tell(
            "b1",
            step,
            kind="validated",
            step=step,
            val_loss=2.0 + step,
            val_set=over,
            losses=losses,
            sets={"bin/1": BIN},
        )
    tell("b1", 4, kind="validated", step=3, val_loss=None, val_set=None, losses={}, sets={})
    return world


def lines(world: World) -> dict[tuple[str, str], list[list[float]]]:
    return {(one["set"], one["sha256"]): one["points"] for one in build_snapshot(world, "DIO")["validation"]}


def test_each_set_is_a_line_of_its_own(scored: World) -> None:
    assert lines(scored) == {
        ("taught", "a" * 8): [[1, 3.0]],
        ("bin/1", "c" * 8): [[1, 1.0], [2, 0.5], [3, pytest.approx(1 / 3)]],
        ("taught", "b" * 8): [[2, 4.0], [3, 5.0]],
    }
    assert (scores.newest_loss("b1"), scores.newest_loss("b1", until=2)) == (5.0, 4.0)


def test_twin_told_apart_by_name_alone_they_would_be_one_line(scored: World, monkeypatch: pytest.MonkeyPatch) -> None:
    found = scores.scores_of
    monkeypatch.setattr(scores, "scores_of", lambda battle: [replace(one, sha256="") for one in found(battle)])
    assert [step for step, _ in lines(scored)["taught", ""]] == [1, 2, 3]
