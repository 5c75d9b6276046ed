"""Skills of few levels: what is held out of eighty takes seconds to make, and tests make it over and over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from guild.evaluation.validation import ensure_validation, read_validation
from guild.trainers.problems import Problem
from realm.world import World

BIN: dict[str, Any] = {
    "title": "Binary Alchemy",
    "description": "Arithmetic in circled notation, bit by bit.",
    "icon": "poison-bottle",
    "color": "#b99af5",
    "trainer": "guild.trainers.binary.BinaryAlchemist",
    "quest_rows": 6000,
    "rehearsal_share": 0.2,
    "evaluation_problems": 25,
    "validation_problems": 32,
    "levels": [
        {"operations": ["NOT"], "width": 20},
        {"operations": ["AND", "OR", "XOR"], "width": 10},
        {"operations": ["ADD"], "width": 10},
    ],
}


def write_skill(folder: Path, name: str = "bin", **changes: Any) -> None:
    """BIN of three levels, under another name and with other settings where they are given."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(BIN | changes, sort_keys=False), encoding="utf-8")


def validation_problems(world: World) -> list[Problem]:
    """All that are scored and never trained on, made where they are absent."""
    ensure_validation(world)
    return [problem for path in sorted(world.validation_levels.iterdir()) for problem in read_validation(path)]
