"""Rows that are rehearsed beside a quest's own: trained, told apart, and part of an exact resume."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arena.hero.model import Hero
from arena.protocol import EventKind, Order
from arena.rows.packing import PackedOrder
from arena.training import data
from arena.training.control import Control, Request
from arena.training.data import PackedQuest, load_quest
from arena.training.start import ready_quest
from tests.support import tiny_hero
from tests.support.runs import digests, run


def rehearsing(folder: Path, **overrides: Any) -> Order:
    folder.mkdir(exist_ok=True)
    path = tiny_hero.write_quest(folder / "rehearsal.jsonl", 20, seed=9)
    return tiny_hero.make_order(folder, rows=80, rehearsal_file=str(path), **overrides)


@pytest.fixture
def quest(tmp_path: Path, hero: Hero) -> PackedQuest:
    return ready_quest(rehearsing(tmp_path), hero, lambda: None)[1]


def trained_lines(quest: PackedQuest) -> list[int]:
    return [line for at in range(quest.steps_per_epoch) for line in quest.lines_of_step(0, at)]


def test_they_are_no_lines_of_the_quest_and_its_own_rows_are_packed_as_without_them(
    quest: PackedQuest, tmp_path: Path, hero: Hero
) -> None:
    assert (len(quest.examples), quest.rehearsed) == (100, 20)
    assert sorted(trained_lines(quest)) == list(range(1, 81))
    own = PackedOrder(0, "x").rows(quest.examples.lengths[:80], tiny_hero.RECIPE.max_length)
    alone = PackedQuest(
        load_quest(tmp_path / "quest.jsonl", hero.mask, tiny_hero.RECIPE).examples, tiny_hero.RECIPE, quest_sha256="x"
    )
    beside = PackedQuest(quest.examples, tiny_hero.RECIPE, quest_sha256="x", rehearsed=20)
    assert (
        [list(row) for row in alone.rows]
        == [list(row) for row in own]
        == [list(row) for row in beside.rows][: len(own)]
    )
    later = [index for row in list(beside.rows)[len(own) :] for index in row]
    assert sorted(later) == sorted(4 * list(range(80, 100)))
    lengths = quest.examples.lengths
    assert beside.tokens == lengths.sum() + 3 * lengths[80:].sum()
    assert 0 < beside.fill <= 1


@pytest.mark.parametrize(("rows", "epochs", "passes"), [(20, 4, 4), (20, 1, 1), (0, 4, 0)])
def test_few_rows_are_rehearsed_more_than_once(quest: PackedQuest, rows: int, epochs: int, passes: int) -> None:
    recipe = replace(tiny_hero.RECIPE, rehearsal_epochs=epochs)
    assert PackedQuest(quest.examples, recipe, quest_sha256="x", rehearsed=rows).passes == passes


def test_many_are_not(quest: PackedQuest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "MOST_REPEATED", 50)
    assert PackedQuest(quest.examples, tiny_hero.RECIPE, quest_sha256="x", rehearsed=20).passes == 2
    assert PackedQuest(quest.examples, tiny_hero.RECIPE, quest_sha256="x", rehearsed=60).passes == 1


def test_twin_taken_for_lines_they_would_be_flagged_as_the_quests(quest: PackedQuest) -> None:
    quest.examples._lines = np.abs(quest.examples._lines)
    assert len(trained_lines(quest)) == 80 + 4 * 20


@pytest.mark.slow
def test_a_battle_tells_them_apart_and_resumes_exactly(tmp_path: Path) -> None:
    whole, halved = rehearsing(tmp_path / "whole"), rehearsing(tmp_path / "halved")
    begun = next(event for event in run(whole) if event.kind == EventKind.BATTLE_STARTED)
    assert (begun.data["examples"], begun.data["rehearsed"]) == (80, 20)
    assert "80 lessons and 20 rehearsed 4 times in" in begun.message
    control = Control()

    def pause(event: Any) -> None:
        if event.kind == EventKind.CHECKPOINT_SAVED:
            control.request(Request.PAUSE)

    run(halved, control, pause)
    run(halved)
    assert digests(halved) == digests(whole)
    (tmp_path / "without").mkdir()
    without = tiny_hero.make_order(tmp_path / "without", rows=80)
    run(without)
    assert digests(without) != digests(whole)
