"""Skills of a test's own, and rows of the guild for its pages."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from guild.models import Evaluation, Run, SkillProgress
from guild.skills import registry

HERO = "DIO"
SKILL = """\
title: {title}
description: Bits turned over.
icon: poison-bottle
color: "#b99af5"
trainer: {trainer}
{more}levels: {levels}
"""


def write_skill(
    folder: Path,
    name: str,
    *,
    title: str = "Bits",
    trainer: str = "guild.trainers.binary.BinaryAlchemist",
    levels: int = 3,
    more: str = "",
) -> Path:
    each = "[" + ", ".join(["{operations: [NOT], width: 20}"] * levels) + "]"
    path = folder / f"{name}.yaml"
    text = SKILL.format(title=title, trainer=trainer, more=more, levels=levels if trainer == "http" else each)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def skill_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With one skill, `bits`, of three levels."""
    folder = tmp_path / "skills"
    folder.mkdir()
    monkeypatch.setattr(registry, "SKILLS_FOLDER", folder)
    write_skill(folder, "bits")
    return folder


def answered(
    step: int, correct: int, *, skill: str = "bits", level: int = 1, total: int = 10, **fields: Any
) -> Evaluation:
    return Evaluation.objects.create(
        **({"hero": HERO, "checkpoint": f"checkpoint-{step}"} | fields),
        step=step, skill=skill, level=level, correct=correct, total=total, evaluated_at=datetime.now(UTC),
    )  # fmt: skip


def works_on(level: int, skill: str = "bits") -> None:
    SkillProgress.objects.create(hero=HERO, skill=skill, level=level)


def a_run(kind: str = Run.Kind.TRIAL, state: str = Run.State.COMPLETED, **fields: Any) -> Run:
    defaults: dict[str, Any] = {
        "title": "a run", "created_by": "a test", "parameters": {"levels": {"bits": [1]}},
        "started_at": datetime.now(UTC), "ended_at": datetime.now(UTC) if state not in ("waiting", "running") else None,
    }  # fmt: skip
    return Run.objects.create(kind=kind, state=state, **(defaults | fields))
