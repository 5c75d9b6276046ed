"""What can be trained on, by source: inbox, queue, completed quests, skills, and the player's folders."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from django.db.models import Count, QuerySet, Sum

from arena.models import Quest
from arena.queue.files import WAITING
from arena.sources import folders
from arena.sources.folders import BadSource, Files
from arena.sources.records import Found, Records, Verdict
from guild.errors import TrainerUnavailable
from guild.skills.registry import Skill, Stamp, broken_skills, file_of, get_skill, get_trainer, read_skills, stamp
from guild.trainers.contract import Trainer
from guild.trainers.problems import Problem
from guild.trainers.seeds import derive
from realm.world import World

Kind = Literal["inbox", "queue", "completed", "skills", "folder"]
SAMPLE_PROBLEMS = 3
IN_QUEUE = (*WAITING, Quest.State.BATTLING)


@dataclass(frozen=True, kw_only=True)
class Source:
    """What a card says of a source."""

    name: str
    kind: Kind
    folder: str = ""
    """Where its files lie; empty where they lie in several folders, or in none."""
    files: int = 0
    size_bytes: int = 0
    rows: int | None = None
    """As far as the gatekeepers have counted; None where they looked at nothing."""
    verdicts: dict[Verdict, int] | None = None
    """Files by what is known of them; None where there is nothing to look at before."""
    stale: int = 0
    """Looked-at files that have changed since."""
    gone: bool = False
    """The folder is not there, or may not be read."""
    cut: bool = False
    """There is more than can be looked through."""
    trouble: str = ""


@dataclass(frozen=True, kw_only=True)
class Level:
    number: int
    parameters: str
    problems: int | None
    """How many different ones there are; None where its trainer does not tell."""
    samples: tuple[Problem, ...]


@dataclass(frozen=True, kw_only=True)
class SkillSource:
    skill: Skill
    levels: tuple[Level, ...]


def all_sources(world: World) -> list[Source]:
    """The realm's own first, then the player's by name. Raises BadSource for a registry that is damaged."""
    return [*built_in(world), *(of_folder(world, name) for name in folders.folders(world))]


def built_in(world: World) -> list[Source]:
    waits = folders.files_in(world.inbox)
    skills, broken = read_skills(), broken_skills()
    return [
        Source(
            name="inbox", kind="inbox", folder=str(world.inbox), files=len(waits.found), size_bytes=waits.size_bytes,
            rows=None, cut=not waits.whole,
        ),
        _of_quests("queue", quests_of("queue"), str(world.queue)),
        _of_quests("completed", quests_of("completed"), str(world.recently_completed)),
        Source(name="skills", kind="skills", files=len(skills), trouble=" ".join(broken)),
    ]  # fmt: skip


def quests_of(name: Kind) -> QuerySet[Quest]:
    """The quests of `queue`, as they will be fought, or of `completed`, newest first."""
    if name == "queue":
        return Quest.objects.filter(state__in=IN_QUEUE).order_by("state", "priority", "position", "id")
    return Quest.objects.filter(state=Quest.State.COMPLETED).exclude(file="").order_by("-id")


def _of_quests(name: Kind, quests: QuerySet[Quest], folder: str) -> Source:
    known: dict[str, Any] = quests.order_by().aggregate(files=Count("id"), size=Sum("size_bytes"), rows=Sum("rows"))
    return Source(
        name=name, kind=name, folder=folder, files=known["files"], size_bytes=known["size"] or 0, rows=known["rows"]
    )


def of_folder(world: World, name: str) -> Source:
    """Raises BadSource for a name that is not registered."""
    return of_files(world, name, files_of(world, name), Records(world))


def files_of(world: World, name: str) -> Files:
    """Raises BadSource for a name that is not registered."""
    return folders.files_in(folders.folder_of(world, name), without=world.home)


def of_files(world: World, name: str, files: Files, records: Records) -> Source:
    known = [records.of(file) for file in files.found]
    folder = folders.folder_of(world, name)
    return Source(
        name=name, kind="folder", folder=str(folder), files=len(known), size_bytes=files.size_bytes,
        rows=_rows(known), verdicts=dict(Counter(found.verdict for found in known)),
        stale=sum(found.stale for found in known), gone="." in files.unread, cut=not files.whole,
        trouble=_trouble(folder, files),
    )  # fmt: skip


def _rows(known: list[Found]) -> int | None:
    counted = [found.rows for found in known if found.rows is not None and not found.stale]
    return sum(counted) if counted else None


def _trouble(folder: Any, files: Files) -> str:
    if not folders.is_there(folder):
        return "The folder is gone. It is listed until you remove it; if its disk is attached again, it is back."
    told = []
    if "." in files.unread:
        told.append("The folder may not be read by the realm.")
    elif files.unread:
        told.append(f"{len(files.unread)} folder{_s(files.unread)} in it may not be read: {files.unread[0]}")
    if files.links:
        told.append(f"{files.links} link{'s are' if files.links > 1 else ' is'} left out: links are not followed.")
    if files.misnamed:
        told.append(f"{files.misnamed} file{'s' if files.misnamed > 1 else ''} left out: the name is no UTF-8; rename.")
    if not files.whole:
        told.append(f"There is more than {folders.MOST_ENTRIES:,} entries: what comes behind is not listed.")
    return " ".join(told)


def _s(things: tuple[str, ...]) -> str:
    return "" if len(things) == 1 else "s"


def skills() -> list[SkillSource]:
    """The generators, each with a few problems of each level, the same ones each time."""
    return [
        SkillSource(skill=skill, levels=_without_samples(skill) if skill.is_remote else _with_samples(skill))
        for skill in read_skills()
    ]


def _with_samples(skill: Skill) -> tuple[Level, ...]:
    return _levels(skill.name, stamp(file_of(skill.name)))


def _without_samples(skill: Skill) -> tuple[Level, ...]:
    """A page does not wait for a trainer that may be slow or down."""
    return tuple(
        Level(number=number, parameters=_parameters(parameters), problems=None, samples=())
        for number, parameters in enumerate(skill.levels, 1)
    )


@lru_cache(maxsize=64)
def _levels(name: str, stamp: Stamp) -> tuple[Level, ...]:
    """Drawn anew when the skill's file has changed; no page waits twice for a hundred levels."""
    trainer = get_trainer(name)
    size = getattr(trainer, "size", None)  # a trainer need not know it
    return tuple(
        Level(
            number=number,
            parameters=_parameters(parameters),
            problems=size(number) if callable(size) else None,
            samples=_samples(trainer, name, number),
        )
        for number, parameters in enumerate(get_skill(name).levels, 1)
    )


def _samples(trainer: Trainer, name: str, level: int) -> tuple[Problem, ...]:
    try:
        return tuple(trainer.sample(level=level, count=SAMPLE_PROBLEMS, seed=derive("sample", name, level)))
    except TrainerUnavailable:  # the page shows the other levels
        return ()


def _parameters(parameters: dict[str, Any]) -> str:
    return ", ".join(f"{key} {_told(value)}" for key, value in parameters.items())


def _told(value: Any) -> str:
    return "/".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def check_own(name: str) -> None:
    """Raises BadSource for one of the realm's own, of which nothing is to be looked at, taken or removed."""
    if name in folders.BUILT_IN:
        raise BadSource(f"{name} is the realm's own source: that is for your folders only.")
