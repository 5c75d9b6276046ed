"""`/api/skills` and `/api/evaluations`: what the hero can learn, examples of it, and how its answers went."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from django.conf import settings
from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from guild.models import Evaluation
from guild.selectors import grid, skill_level
from guild.skills import samples
from guild.skills.registry import Skill, get_skill, read_skills
from realm.management.as_json import plain
from vault.api import pages
from vault.api.pages import USUAL, Limit, Offset

router = Router()
Level = Annotated[int, Field(ge=1, le=99_999)]


class SkillSummary(Schema):
    name: str
    title: str
    levels: int
    level: int
    """The one that the hero works on; all below it were won."""
    accuracy: float | None
    in_a_row: int
    """Good evaluations in a row at this level; at `needed` it is won."""
    needed: int
    lost: list[int]
    finished: bool
    is_remote: bool


class SampleProblem(Schema):
    prompt: str
    answer: str


class Samples(Schema):
    skill: str
    level: int
    problems: list[SampleProblem]
    trouble: str


class EvaluationSummary(Schema):
    id: int
    hero: str
    checkpoint: str
    step: int
    skill: str
    level: int
    correct: int
    total: int
    accuracy: float
    answered_by: str
    evaluated_at: datetime


SkillsPage = pages.page_of(SkillSummary, "skills")
EvaluationsPage = pages.page_of(EvaluationSummary, "evaluations")


@router.get("/skills", response=SkillsPage)
def skills(request: HttpRequest, limit: Limit = USUAL, offset: Offset = 0) -> Any:
    """By name, each with how the hero stands in it."""
    return pages.cut(list(read_skills()), limit=limit, offset=offset, key="skills", told=_told)


@router.get("/skills/{name}", response=SkillSummary)
def skill(request: HttpRequest, name: str) -> Any:
    """One skill, by its name or an alias."""
    return _told(get_skill(name))


@router.get("/skills/{name}/samples", response=Samples)
def sampled(request: HttpRequest, name: str, level: Level = 1) -> Any:
    """A few fresh problems of a level; `trouble` says why there are none."""
    found = samples.read(get_skill(name), level)
    problems = [{"prompt": each.prompt, "answer": each.answer} for each in found.problems]
    return {"skill": name, "level": found.level, "problems": problems, "trouble": found.trouble}


@router.get("/skills/{name}/grid", response=dict[str, Any])
def skill_grid(request: HttpRequest, name: str, checkpoints: Annotated[int, Field(ge=1, le=500)] = 50) -> Any:
    """Checkpoints × levels: what each made of each level's problems."""
    return plain(grid(settings.REALM.hero, get_skill(name).name, checkpoints=checkpoints))


@router.get("/evaluations", response=EvaluationsPage)
def evaluations(
    request: HttpRequest,
    hero: str | None = None,
    checkpoint: str | None = None,
    skill: str | None = None,
    level: Level | None = None,
    limit: Limit = USUAL,
    offset: Offset = 0,
) -> Any:
    """Newest first."""
    wanted = {"hero": hero or settings.REALM.hero, "checkpoint": checkpoint, "skill": skill, "level": level}
    rows = Evaluation.objects.filter(**{key: value for key, value in wanted.items() if value is not None})
    return pages.cut(rows.order_by("-id"), limit=limit, offset=offset, key="evaluations", told=_evaluation)


def _told(found: Skill) -> dict[str, Any]:
    stands = skill_level(settings.REALM.hero, found.name)
    return {
        "name": found.name,
        "title": found.title,
        "levels": found.max_level,
        "level": stands.level,
        "accuracy": stands.accuracy,
        "in_a_row": stands.in_a_row,
        "needed": stands.needed,
        "lost": list(stands.lost),
        "finished": stands.finished,
        "is_remote": found.is_remote,
    }


def _evaluation(row: Evaluation) -> dict[str, Any]:
    return {key: getattr(row, key) for key in EvaluationSummary.model_fields}
