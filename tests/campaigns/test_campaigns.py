"""The small form of each campaign keeps its promises; with a guard taken out it finds what is then broken."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from realm.sidecar import Cursor
from realm.world import CHECKOUT
from tests.campaigns.storm import twice_or_never
from tests.support import checkpoints

SLOW = [pytest.mark.slow, pytest.mark.timeout(900)]


def run(*command: str) -> tuple[int, list[dict[str, Any]]]:
    """Exit code and figures."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("REALM_", "DJANGO_"))}
    done = subprocess.run([sys.executable, "-m", *command], cwd=CHECKOUT, env=clean, capture_output=True, text=True)
    assert done.stdout, done.stderr
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def broken(figures: list[dict[str, Any]]) -> list[str]:
    """Promises of seconds are for campaigns on a quiet machine."""
    return [f"{figure['what']}: {figure['figure']}" for figure in figures if not (figure["kept"] or figure["timed"])]


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("flip", "--count", "8"), marks=SLOW, id="flip"),
        pytest.param(("disk", "--quick"), marks=SLOW, id="disk"),
        pytest.param(("crash", "--quick"), marks=SLOW, id="crash"),
        pytest.param(("hostile", "--quick"), marks=SLOW, id="hostile"),
        pytest.param(("drops", "--quick"), marks=SLOW, id="drops"),
        pytest.param(("swap", "--quick"), marks=SLOW, id="swap"),
    ],
)
def test_the_small_form_keeps_its_promises(arguments: tuple[str, ...]) -> None:
    code, figures = run("tests.campaigns", *arguments, "--json")
    assert not broken(figures)
    assert code == (not all(figure["kept"] for figure in figures))
    assert any(figure["wanted"] for figure in figures)


@pytest.mark.parametrize(
    ("guard", "found"),
    [
        pytest.param("no_digests", "flipped bit: accepted", marks=SLOW),
        pytest.param("no_temp_folder", "unreadable checkpoints under a final name", marks=SLOW),
        pytest.param("no_waiting_for_room", "full disks not told with volume and bytes", marks=SLOW),
        pytest.param("unsynced_is_saved", "failed saves shown as saved", marks=SLOW),
        pytest.param("no_strict_json", "bad files let through", marks=SLOW),
        pytest.param("no_lock", "races of 4 processes at the lock that not exactly one won", marks=SLOW),
        pytest.param("no_twins", "duplicates not in failed/ with their twin's name", marks=SLOW),
        pytest.param("no_writer_check", "quests that are not the finished file", marks=SLOW),
        pytest.param("one_current_model", "answers of another model, or named wrongly", marks=SLOW),
        pytest.param("only_what_is_told", "20 files whose file events the kernel dropped: a row for each", marks=SLOW),
    ],
)
def test_without_a_guard_the_campaign_finds_it(guard: str, found: str) -> None:
    _, figures = run("tests.campaigns.sabotaged", guard)
    assert any(what.startswith(found) for what in broken(figures)), figures


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
