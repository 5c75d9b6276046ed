"""`/api/heroes`: who there is, a new one, who fights, matches; refusals are those of the page and the command."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from django.conf import settings
from django.http import HttpRequest
from ninja import Router, Schema, Status

from arena.roster import creating, listing, names, retiring, switching
from arena.roster.creating import Created
from arena.roster.listing import Hero
from guild.models import Run
from guild.skills.registry import list_skills
from guild.work import matches, runs, trials
from realm import heroes as records
from realm.management.as_json import plain
from vault.api.asking import by
from watchtower.hero import HeroCard, saved_card

router = Router()


class HeroList(Schema):
    count: int
    active: str
    heroes: list[Hero]


@dataclass(frozen=True, kw_only=True)
class HeroWithCard(Hero):
    card: HeroCard
    """ATK, DEF, ACC and what they are of."""


class NameSaid(Schema):
    name: str
    free: bool
    refusal: str
    suggestions: list[str]


class NewHero(Schema):
    name: str
    base_model: str = records.EMBEDDED
    """`embedded`, a hub id, or the whole path of a folder; of a branch it is left out."""
    preset: str | None = None
    checkpoint: str | None = None
    """Begin from this checkpoint of `parent` instead: a name, a step, newest, or best (the champion)."""
    parent: str | None = None
    """Whose checkpoint; who fights where it is left out."""


@dataclass(frozen=True, kw_only=True)
class CreatedHero(Created):
    success: bool = True
    message: str


class Acted(Schema):
    success: bool
    hero: str
    message: str


class SwitchedTo(Acted):
    before: str
    waits: str
    """The quest whose battle is saved and waits; empty where none was under way."""


class NewMatch(Schema):
    first: str
    second: str
    first_checkpoint: str = "newest"
    second_checkpoint: str = "newest"
    skills: list[str] | None = None
    levels: list[int] | None = None


class MatchAsked(Schema):
    success: bool
    run: int
    message: str


class MatchScore(Schema):
    first: str
    second: str
    first_correct: int
    second_correct: int
    total: int
    low: float
    high: float
    """With `low` the 95% interval of the second's share of right answers less the first's."""
    verdict: str


class MatchEntry(Schema):
    run: int
    state: str
    title: str
    message: str
    score: MatchScore | None


class MatchList(Schema):
    count: int
    matches: list[MatchEntry]


@router.get("", response=HeroList)
def list_heroes(request: HttpRequest) -> Any:
    """Who there is: who fights first, retired ones last."""
    found = listing.list_heroes(settings.WORLD)
    return {"count": len(found), "active": found[0].name, "heroes": found}


@router.get("/check", response=NameSaid)
def check_name(request: HttpRequest, name: str = "") -> Any:
    """Whether a name can be a new hero's, and which ones could be instead."""
    found = names.check(settings.WORLD, name)
    return asdict(found) | {"free": found.free}


@router.get("/matches", response=MatchList)
def list_matches(request: HttpRequest) -> Any:
    """The last ones, newest first."""
    found = matches.recent(50)
    return {"count": len(found), "matches": [_match(run) for run in found]}


@router.post("/matches", response={202: MatchAsked})
def begin_match(request: HttpRequest, asked: NewMatch) -> Any:
    """Two heroes on the same evaluation sets; the Task Master performs it."""
    order = matches.order(
        world=settings.WORLD,
        first=(asked.first, asked.first_checkpoint),
        second=(asked.second, asked.second_checkpoint),
        skills=asked.skills or list_skills(),
        levels=asked.levels,
    )
    run = trials.create(order, by=by(request))
    return Status(202, {"success": True, "run": run.pk, "message": run.title})


@router.get("/{name}", response=HeroWithCard)
def one_hero(request: HttpRequest, name: str) -> Any:
    found = listing.find(settings.WORLD, name)
    return HeroWithCard(**vars(found), card=saved_card(settings.WORLD, name))


@router.post("", response={201: CreatedHero})
def create_hero(request: HttpRequest, asked: NewHero) -> Any:
    """A hero with no step yet, from a base model, or from a checkpoint's weights; who fights stays who it is."""
    world = settings.WORLD
    if asked.checkpoint is None:
        made = creating.create(
            world, name=asked.name, base_model=asked.base_model, preset=asked.preset or "standard", by=by(request)
        )
    else:
        made = creating.branch(
            world, name=asked.name, hero=asked.parent or settings.REALM.hero, checkpoint=asked.checkpoint,
            preset=asked.preset, by=by(request),
        )  # fmt: skip
    return Status(201, CreatedHero(**vars(made), message=made.said))


@router.post("/{name}/switch", response=SwitchedTo)
def switch_hero(request: HttpRequest, name: str) -> Any:
    """It fights from now on, within seconds; a battle under way is saved and waits for its own hero."""
    done = switching.switch(settings.WORLD, name, by=by(request))
    return {"success": True, **asdict(done), "message": done.said}


@router.post("/{name}/{act}", response=Acted)
def set_aside(request: HttpRequest, name: str, act: Literal["retire", "restore"]) -> Any:
    """Retire a hero that does not fight, or bring it back; nothing of it is deleted."""
    do = retiring.retire if act == "retire" else retiring.restore
    return {"success": True, "hero": name, "message": do(settings.WORLD, name, by=by(request))}


def _match(run: Run) -> dict[str, Any]:
    score = matches.score(trials.read_result(runs.results(run)))
    told = plain(score) | {"verdict": score.verdict} if score else None
    return {"run": run.pk, "state": run.state, "title": run.title, "message": run.message, "score": told}
