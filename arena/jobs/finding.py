"""Jobs by id and in lists. The rows are asked first; what no row knows yet is found by its ticket in the lanes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.db.models import Q

from arena import status as arena_status
from arena.gate.report import TICKET
from arena.jobs.job import Job, JobState, NoSuchJob, of_quest, unseen
from arena.models import Battle, Quest
from arena.queue import files as queue
from arena.queue import ticket as tickets
from arena.queue.ticket import Ticket
from realm import strict
from realm.world import PRIORITIES, World

LARGEST_NUMBER = 2**63 - 1
"""Of a row: beyond it SQLite knows no integer."""
_BY_STATE: dict[str, Q] = {
    JobState.WAITING: Q(state__in=queue.WAITING),
    JobState.RUNNING: Q(state=Quest.State.BATTLING) & ~Q(battles__state=Battle.State.PAUSED),
    JobState.PAUSED: Q(state=Quest.State.BATTLING, battles__state=Battle.State.PAUSED),
    JobState.COMPLETED: Q(state=Quest.State.COMPLETED),
    JobState.FAILED: Q(state=Quest.State.FAILED),
    JobState.CANCELLED: Q(state=Quest.State.CANCELLED),
}


@dataclass(frozen=True, kw_only=True)
class JobList:
    items: list[Job]
    total: int
    """Of all that fit, not only of this page."""


def get(world: World, job_id: str) -> Job:
    """The job of that id. A battle's id, a quest's number, and `quest-` with its number stand for theirs.

    Raises NoSuchJob.
    """
    quest = find_quest(job_id)
    if quest is not None:
        return of_quest(world, quest, newest_battle(quest), resting=why_resting(world))
    found = find_unseen(world, job_id)
    if found is not None:
        return unseen(world, *found)
    quest = find_quest(job_id)  # the arena may have taken it in between the two looks
    if quest is None:
        raise NoSuchJob(f"there is no job {strict.shown(job_id[:80])}")
    return of_quest(world, quest, newest_battle(quest), resting=why_resting(world))


def jobs(
    world: World,
    *,
    state: str | None = None,
    text: str = "",
    limit: int = 50,
    offset: int = 0,
    asked_only: bool = False,
) -> JobList:
    """The newest first, all quests or those of a `state`, or whose names hold `text`; `asked_only` leaves out what was
    dropped, forged or sparred for. Raises ValueError for a state that is none.
    """
    if state is not None and state not in list(JobState):
        raise ValueError(f"state: {state[:40]!r} is none of {', '.join(JobState)}")
    coming = [unseen(world, *each) for each in _unseen(world)] if state in (None, "waiting", "cancelled") else []
    coming = [job for job in coming if state in (None, job.state) and text.lower() in job.name.lower()]
    coming.sort(key=lambda job: job.asked_at.timestamp() if job.asked_at else 0.0, reverse=True)
    quests = Quest.objects.filter(_BY_STATE[state]).distinct() if state else Quest.objects.all()
    if text:
        quests = quests.filter(name__icontains=text)
    if asked_only:
        quests = quests.exclude(job="")
    page = coming[offset : offset + limit]
    start = max(0, offset - len(coming))
    rows = list(quests.order_by("-id")[start : start + limit - len(page)])
    return JobList(items=page + _of_quests(world, rows), total=len(coming) + quests.count())


def _of_quests(world: World, quests: list[Quest]) -> list[Job]:
    battles = Battle.objects.filter(quest__in=quests).order_by("id")
    newest = {battle.quest_id: battle for battle in battles}
    resting = why_resting(world)
    return [of_quest(world, quest, newest.get(quest.pk), resting=resting) for quest in quests]


def find_quest(job_id: str) -> Quest | None:
    """The row of a job; None before there is one."""
    if tickets.is_id(job_id):
        return Quest.objects.filter(job=job_id).order_by("-id").first()
    number = strict.whole_number(job_id.removeprefix("quest-"))
    if number is not None:
        return Quest.objects.filter(pk=number).first() if number <= LARGEST_NUMBER else None
    battle = Battle.objects.filter(battle_id=job_id).select_related("quest").first()
    return battle.quest if battle else None


def newest_battle(quest: Quest) -> Battle | None:
    return quest.battles.order_by("-id").first()


def find_unseen(world: World, job_id: str) -> tuple[Path, Ticket] | None:
    """Where the quest of a ticket lies that has no row yet."""
    if not tickets.is_id(job_id):
        return None
    return next((found for found in _unseen(world) if found[1].id == job_id), None)


def _unseen(world: World) -> Iterator[tuple[Path, Ticket]]:
    for priority in PRIORITIES:
        given = [name for name in os.listdir(world.lane(priority)) if name.endswith(f".{TICKET}")]
        if not given:
            continue
        known = set(Quest.objects.filter(file__startswith=f"{priority}/").values_list("file", flat=True))
        for name in given:
            path = world.lane(priority) / name.removesuffix(f".{TICKET}")
            if f"{priority}/{path.name}" not in known and os.path.lexists(path) and (asked := tickets.read(path)):
                yield path, asked


def why_resting(world: World) -> str:
    """Why nothing is fought now; empty while the arena does, or could."""
    if not arena_status.daemon_alive(world):
        return "the arena is not running"
    return "the arena rests; resume lets it go on" if arena_status.read_rest(world) else ""
