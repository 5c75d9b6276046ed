"""Who there is: each hero with what it has reached, what it takes, and when it was trained last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max, Q, Sum

from arena.models import Battle, Quest
from arena.roster import base_models
from arena.roster.errors import UnknownHero
from guild.champion import crown
from guild.selectors import SkillLevel, skill_levels
from realm import config, heroes, strict
from realm.config import OWN_BASES, RealmConfig
from realm.heroes import HeroRecord, Parent
from realm.moments import read_moment
from realm.world import World
from realm.xp_and_gold import GOLD_PER_QUEST, XP_PER_LEVEL, level_at, title_at
from vault.models import Checkpoint, Job
from vault.selectors import newest_checkpoint


@dataclass(frozen=True, kw_only=True)
class Hero:
    name: str
    active: bool
    """Whether it is the one who fights."""
    retired_at: datetime | None
    title: str
    level: int
    xp: int
    """Training steps up to its newest checkpoint."""
    xp_in_level: int
    gold: int
    quests_completed: int
    battles: int
    waiting_quest: str
    """Whose battle goes on when it fights again; empty where none is half-fought."""
    skills: dict[str, int]
    """The level of each skill that it has won; skills of which it has won none are left out."""
    checkpoints: int
    size_bytes: int
    newest: str | None
    champion: str | None
    base_model: str
    """`embedded`, a hub id, or a folder."""
    preset: str | None
    created_at: datetime | None
    trained_at: datetime | None
    """When its newest checkpoint was saved."""
    parent: Parent | None
    """The checkpoint that it was branched off from."""
    branched: tuple[str, ...]
    """Heroes that began from this one."""
    trouble: str
    """Why it cannot fight yet; empty where it can."""


def list_heroes(world: World) -> list[Hero]:
    """The one who fights first, then by name, retired ones last."""
    settings = config.load(world)
    records = _records(world, settings.hero)
    found = [_hero(world, name, settings, records) for name in records]
    return sorted(found, key=lambda hero: (not hero.active, hero.retired_at is not None, hero.name.lower()))


def find(world: World, name: str) -> Hero:
    """Raises UnknownHero."""
    settings = config.load(world)
    records = _records(world, settings.hero)
    if name not in records:
        raise UnknownHero(f"there is no hero {strict.shown(name[:80])} here")
    return _hero(world, name, settings, records)


def _records(world: World, active: str) -> dict[str, HeroRecord]:
    """Of who fights first, then by name; what an older release left has an empty one."""
    names = dict.fromkeys([active, *(path.name for path in heroes.folders(world))])
    return {name: heroes.read(world, name) or HeroRecord() for name in names}


def _hero(world: World, name: str, settings: RealmConfig, records: Mapping[str, HeroRecord]) -> Hero:
    record, is_active = records[name], name == settings.hero
    newest = newest_checkpoint(world, name)
    xp = newest.step if newest else 0
    saved = Checkpoint.objects.filter(hero=name).aggregate(
        count=Count("pk"), size=Sum("size_bytes"), last=Max("created_at")
    )
    fought = Battle.objects.filter(hero=name)
    quests = fought.aggregate(all=Count("pk"), won=Count("quest", Q(quest__state=Quest.State.COMPLETED), distinct=True))
    waiting = fought.filter(state__in=(Battle.State.TRAINING, Battle.State.PAUSED)).select_related("quest").first()
    best = crown.quick_champion(world, name, settings.champion_metric)
    return Hero(
        name=name,
        active=is_active,
        retired_at=read_moment(record.retired_at) if record.retired_at else None,
        title=title_at(level_at(xp)),
        level=level_at(xp),
        xp=xp,
        xp_in_level=xp % XP_PER_LEVEL,
        gold=quests["won"] * GOLD_PER_QUEST,
        quests_completed=quests["won"],
        battles=quests["all"],
        waiting_quest=waiting.quest.name if waiting and not is_active else "",
        skills={each.skill.name: each.level - (not each.finished) for each in skill_levels(name) if _won(each)},
        checkpoints=saved["count"],
        size_bytes=saved["size"] or 0,
        newest=newest.name if newest else None,
        champion=best.name if best else None,
        base_model=base_models.base_of(world, name) or heroes.EMBEDDED,
        preset=settings.preset if is_active else record.preset,
        created_at=read_moment(record.created_at) if record.created_at else None,
        trained_at=saved["last"],
        parent=record.parent,
        branched=tuple(child for child, of in records.items() if of.parent and of.parent.hero == name),
        trouble=_trouble(world, name, record.base_model),
    )


def _won(standing: SkillLevel) -> bool:
    return standing.level > 1 or standing.finished


def _trouble(world: World, name: str, base: str | None) -> str:
    if not base or not base.startswith(OWN_BASES) or (world.home / base / "config.json").is_file():
        return ""
    made = Job.objects.filter(kind=Job.Kind.EXPORT, destination=name).order_by("-id").first()
    if made is not None and made.state in (Job.State.FAILED, Job.State.CANCELLED):
        return f"Its model could not be written: {made.message}"
    return "Its model is being written."
