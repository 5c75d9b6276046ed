"""How the campaign `crash` sees steps that were trained twice or never."""

from dataclasses import replace
from pathlib import Path

import pytest

from realm.checkpoints.cursor import Cursor
from tests.campaigns.storm import twice_or_never
from tests.support import checkpoints


def line_of_checkpoints(heroes: Path, *quest_steps: int) -> Path:
    """Five hero steps lie between checkpoints; their cursors say `quest_steps`."""
    parent = None
    for number, quest_step in enumerate(quest_steps, start=1):
        cursor = Cursor(quest_sha256="ab" * 32, epoch=0, position=quest_step, quest_step=quest_step, finished=False)
        parent = checkpoints.make_checkpoint(heroes, 5 * number, cursor=cursor, parent=parent).name
    return heroes / "DIO"


def test_a_line_of_checkpoints_that_trains_each_step_once(tmp_path: Path) -> None:
    assert twice_or_never(line_of_checkpoints(tmp_path, 5, 10, 15)) == []


@pytest.mark.parametrize(("cursors", "count"), [((5, 9, 14), 1), ((5, 11, 16), 1), ((5, 5, 10), 5)])
def test_steps_trained_twice_or_never_are_found(tmp_path: Path, cursors: tuple[int, ...], count: int) -> None:
    assert len(twice_or_never(line_of_checkpoints(tmp_path, *cursors))) == count


def test_a_checkpoint_of_another_quest_stands_for_itself(tmp_path: Path) -> None:
    hero = line_of_checkpoints(tmp_path, 5, 10)
    last = replace(checkpoints.a_sidecar(15).cursor, quest_sha256="cd" * 32, quest_step=5)
    parent = sorted(path.name for path in hero.iterdir())[0]
    checkpoints.make_checkpoint(tmp_path, 15, cursor=last, parent=parent)
    assert twice_or_never(hero) == []
