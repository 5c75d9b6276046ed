"""The page of generators waits for no trainer, and one that fails takes nothing but its own samples."""

from __future__ import annotations

from pathlib import Path

import pytest

from arena.reports import training_sources
from guild.errors import TrainerUnavailable
from guild.skills.registry import get_trainer
from guild.trainers.gym import GymTrainer
from guild.trainers.http import HttpTrainer
from tests.support import skill_files

LEVELS = "[{ operations: [NOT], width: 20 }, { operations: [ADD], width: 11 }]"
CLASS = "guild.trainers.binary.BinaryAlchemist"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    skill_files.put(tmp_path, monkeypatch, "box", trainer=CLASS, levels=LEVELS)
    return tmp_path


def samples() -> dict[str, list[int]]:
    return {found.skill.name: [len(level.samples) for level in found.levels] for found in training_sources.skills()}


def test_remote_trainers_are_listed_and_not_asked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(*args: object, **options: object) -> None:
        raise AssertionError("the page asked a remote trainer")

    monkeypatch.setattr(HttpTrainer, "__init__", asked)
    monkeypatch.setattr(GymTrainer, "__init__", asked)
    skill_files.put(folder, monkeypatch, "far", trainer="http", levels="4", more="api_url: http://127.0.0.1:9\n")
    skill_files.put(folder, monkeypatch, "sums", trainer="reasoning-gym:chain_sum", levels="[{}]")
    assert samples() == {"box": [3, 3], "far": [0, 0, 0, 0], "sums": [0]}


def test_problems_are_drawn_once_until_the_file_changes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples()
    trainer = get_trainer("box")
    draws: list[int] = []
    draw = trainer.sample

    def counted(*, level: int, count: int, seed: int | None = None) -> object:
        draws.append(level)
        return draw(level=level, count=count, seed=seed)

    monkeypatch.setattr(trainer, "sample", counted)
    assert samples() == {"box": [3, 3]}
    assert draws == []
    skill_files.put(folder, monkeypatch, "box", trainer=CLASS, levels=LEVELS.replace("20", "21"))
    (found,) = training_sources.skills()
    assert found.levels[0].problems == 2**21


def test_a_class_that_fails_at_a_level_leaves_that_level_without_samples(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = get_trainer("box")
    draw = trainer.sample

    def failing(*, level: int, count: int, seed: int | None = None) -> object:
        if level == 2:
            raise TrainerUnavailable("it sleeps")
        return draw(level=level, count=count, seed=seed)

    monkeypatch.setattr(trainer, "sample", failing)
    assert samples() == {"box": [3, 0]}
