"""Killed at random instants, nothing is lost, nothing is trained twice, and the weights end bit for bit the same."""

from pathlib import Path

import pytest

from tests.campaigns import storm

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

KILLS, QUESTS, ROWS = 20, 3, 2000


def test_twenty_kills_change_nothing(tmp_path: Path) -> None:
    figures = storm.run(tmp_path, kills=KILLS, quests=QUESTS, rows=ROWS, seed=20_261_121)
    assert not [figure for figure in figures if not figure.kept]
