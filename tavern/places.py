"""The places of the game, in one list: the rail, the phone's bar and the keys are made of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from django.db import DatabaseError
from django.db.models import Exists, QuerySet
from django.urls import reverse

from arena.models import Battle, ChronicleEntry, Quest
from guild.models import Evaluation
from vault.models import Checkpoint

NEWEST = 200
"""Entries of the chronicle that are looked through for news."""


@dataclass(frozen=True, kw_only=True)
class Fact:
    """What has to be true of the world before a place has something to say."""

    name: str
    until: str
    """What one waits for, as the end of "once …"."""
    rows: QuerySet[Any]
    """It holds as soon as there is one."""


@dataclass(frozen=True, kw_only=True)
class Place:
    name: str
    label: str
    url: str
    icon: str
    key: str
    """Pressed after G."""
    about: str
    pages: str | tuple[str, ...]
    """How the names of the URLs of its pages begin."""
    fact: Fact | None = None
    """None: it has something to say in an empty world, too."""
    news: tuple[str, ...] = ()
    """Kinds of chronicle entries that one may want to look at there."""
    in_bar: bool = False
    """It stands in the phone's bar, not under More."""

    def current(self, url_name: str) -> str:
        """What `aria-current` is on the page of that URL name; empty: it is another place's."""
        if url_name == self.url:
            return "page"
        return "true" if url_name.startswith(self.pages) else ""


_BATTLE = Fact(name="has_battle", until="the first battle begins", rows=Battle.objects.all())
_CHECKPOINT = Fact(name="has_checkpoint", until="the first checkpoint is saved", rows=Checkpoint.objects.all())
_EVALUATION = Fact(name="has_evaluation", until="a checkpoint has been asked", rows=Evaluation.objects.all())
_FORGED = Fact(name="has_forged", until="the guild has forged a quest", rows=Quest.objects.exclude(skill=""))
_FOUND = Fact(
    name="has_found",
    until="a guard has found something",
    rows=ChronicleEntry.objects.filter(kind__in=("finding", "service_restarted", "service_stuck")),
)

PLACES = (
    Place(
        name="tavern", label="Tavern", url="home", pages=("home", "log", "away", "bell"), icon="tavern-sign", key="t",
        in_bar=True, about="The hero and the battle under way",
    ),
    Place(
        name="quests", label="Quests", url="quests", pages="quest", icon="scroll-unfurled", key="q", in_bar=True,
        about="Training files: what waits, is fought and was fought", news=("quest_arrived", "quest_refused"),
    ),
    Place(
        name="oracle", label="Oracle", url="oracle", pages="oracle", icon="crystal-ball", key="o", in_bar=True,
        about="Talk to any checkpoint", fact=_CHECKPOINT,
    ),
    Place(
        name="vault", label="Vault", url="vault", pages="vault", icon="locked-chest", key="v", in_bar=True,
        about="Checkpoints: keep, compare, promote, export", fact=_CHECKPOINT,
        news=("new_champion", "checkpoint_failed", "checkpoint_refused"),
    ),
    Place(
        name="guild", label="Guild", url="guild", pages="guild", icon="knight-banner", key="u",
        about="Skills, trials, sparring, what the hero can do", fact=_EVALUATION,
        news=("skill_level_up", "skill_level_lost", "skill_level_regained"),
    ),
    Place(
        name="battles", label="Battles", url="battles", pages="battle", icon="crossed-swords", key="b",
        about="Every battle there was: compare, repeat, report", fact=_BATTLE,
        news=("battle_completed", "battle_failed", "battle_stopped"),
    ),
    Place(
        name="heroes", label="Heroes", url="heroes", pages="hero", icon="visored-helm", key="h",
        about="Create, switch and retire heroes", fact=_CHECKPOINT,
        news=("hero_level_up", "hero_changed", "branch_changed"),
    ),
    Place(
        name="scheduler", label="Scheduler", url="scheduler", pages="scheduler", icon="hourglass", key="s",
        about="Curriculum, auto-play and recurring tasks", fact=_FORGED, news=("guild_trouble",),
    ),
    Place(
        name="watchtower", label="Watchtower", url="watchtower", pages="watchtower", icon="watchtower", key="w",
        about="The machine, services, logs, energy", fact=_BATTLE, news=("trainer_died", "service_gave_up"),
    ),
    Place(
        name="patrol", label="Patrol", url="patrol", pages="patrol", icon="checked-shield", key="p",
        about="What the guards have found", fact=_FOUND, news=("finding",),
    ),
    Place(
        name="achievements", label="Deeds", url="achievements", pages="achievement", icon="trophy-cup", key="a",
        about="Achievements, each with its proof", fact=_BATTLE, news=("achievement",),
    ),
    Place(
        name="settings", label="Settings", url="settings", pages="setting", icon="gears", key="c",
        about="Every setting, memory and time beforehand, how it looks",
    ),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A place as the rail shows it on one page."""

    place: Place
    address: str
    current: str
    newest: int
    """Id of the newest chronicle entry that is news there; 0: none."""
    is_folded: bool
    """It has nothing to say yet, and stands under More."""

    @property
    def kinds(self) -> str:
        return " ".join(self.place.news)


@dataclass(frozen=True, kw_only=True)
class Rail:
    entries: list[Entry] = field(default_factory=list)

    @property
    def shown(self) -> list[Entry]:
        return [entry for entry in self.entries if not entry.is_folded]

    @property
    def more(self) -> list[Entry]:
        """What the phone's bar has no room for, and what is folded."""
        return [entry for entry in self.entries if entry.is_folded or not entry.place.in_bar]

    @property
    def folds(self) -> bool:
        return any(entry.is_folded for entry in self.entries)

    @property
    def here_in_more(self) -> str:
        """Label of the place where one is, where the phone's bar has no room for it; empty: it has."""
        return next((entry.place.label for entry in self.more if entry.current), "")


def rail_of(url_name: str, *, shows_all: bool = False) -> Rail:
    """What stands in the rail of that page. A place once visited by its address is shown while one is there."""
    unfolded, newest = _look_at_the_world()
    entries = [
        Entry(
            place=place,
            address=reverse(f"tavern:{place.url}"),
            current=place.current(url_name),
            newest=max((newest.get(kind, 0) for kind in place.news), default=0),
            is_folded=not (shows_all or place.current(url_name) or place.name in unfolded),
        )
        for place in PLACES
    ]
    return Rail(entries=entries)


def _look_at_the_world() -> tuple[Collection[str], dict[str, int]]:
    """Names of the places that have something to say, and the newest entry by kind. Pages open without a database."""
    facts = {place.fact.name: place.fact.rows for place in PLACES if place.fact}
    asked = {name: Exists(rows) for name, rows in facts.items()}
    try:
        recent = list(ChronicleEntry.objects.order_by("-id").annotate(**asked).values("kind", "id", *facts)[:NEWEST])
        holds = recent[0] if recent else {name: rows.exists() for name, rows in facts.items()}
    except DatabaseError:
        return {place.name for place in PLACES}, {}
    unfolded = {place.name for place in PLACES if place.fact is None or holds[place.fact.name]}
    return unfolded, {entry["kind"]: entry["id"] for entry in reversed(recent)}
