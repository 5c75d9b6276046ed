"""A training that another process does: the world's daemon, which is only watched, and left to itself in the end."""

from __future__ import annotations

import threading
import time

from django.core.management.base import CommandError

from arena import jobs, orders
from arena import status as arena_status
from arena.jobs.job import JobState
from arena.management.foreground.following import Follower, newest_step, saved_step
from arena.management.foreground.own_arena import LOOK_SECONDS, why_it_rests
from arena.management.foreground.result import EndedBy
from arena.management.foreground.signals import Received, heeded
from arena.management.foreground.telling import Teller
from arena.management.foreground.wanted import BY, Wanted
from arena.orders import Wish
from realm.config import RealmConfig
from realm.disk.mailbox import wait_until_obeyed
from realm.world import World

_ASK_SECONDS = 1.0
"""The database, whether the jobs are over."""
_UNFINISHED = (JobState.WAITING, JobState.RUNNING, JobState.PAUSED)


def follow(
    world: World, config: RealmConfig, wanted: Wanted, teller: Teller
) -> tuple[Follower, EndedBy, str, Received]:
    """Watch until `wanted` is done; the arena goes on. Returns as own_arena.train. Raises CommandError."""
    if wanted.save_every is not None and wanted.file is None:
        raise CommandError(
            "the arena is running and keeps its own checkpoint interval: name a FILE that gets this one, "
            "set `save_every` under `training` of config.yaml, or stop the arena first"
        )
    _go_on(world, wanted)
    recipe = {} if wanted.save_every is None else {"save_every": wanted.save_every}
    job = wanted.begin(world, config, recipe=recipe)
    battle = arena_status.read_status(world).battle
    start = (newest_step(world, battle) if battle else None) or saved_step(world, config.hero)
    follower = Follower(world=world, start=start)
    waited = _Waited(world, job)
    leaving = threading.Event()
    with heeded(leaving.set, leaving.set) as received:
        while True:
            teller.show(follower.look(), follower.done)
            ended = _ended(world, wanted, follower, waited)
            if leaving.is_set():
                return follower, EndedBy.SIGNAL, "the arena trains on; `manage.py battle pause` pauses it", received
            if ended:
                return follower, *ended, received
            leaving.wait(LOOK_SECONDS)


def _go_on(world: World, wanted: Wanted) -> None:
    if not arena_status.read_rest(world):
        return
    if not wanted.resume:
        raise CommandError(why_it_rests(world))
    wait_until_obeyed(orders.send(world, wish=Wish.RESUME, by=BY))


class _Waited:
    """The jobs that are waited for: the one that was asked for, or all that there are."""

    def __init__(self, world: World, job: str | None) -> None:
        self._world = world
        self.is_own = job is not None
        """Whether it is the one that was asked for; if that fails, nothing more is to be waited for."""
        self._ids = [job] if job else [
            found.id for state in _UNFINISHED for found in jobs.jobs(world, state=state, limit=10_000).items
        ]  # fmt: skip
        self._asked_at = 0.0
        self.failed: list[str] = []

    def are_over(self) -> bool:
        if time.monotonic() - self._asked_at < _ASK_SECONDS:
            return False
        self._asked_at = time.monotonic()
        left = []
        for job_id in self._ids:
            try:
                job = jobs.get(self._world, job_id)
            except jobs.NoSuchJob:
                continue  # its row went with a lost database
            if not job.is_over:
                left.append(job_id)
            elif job.state == JobState.FAILED:
                self.failed.append(f"{job.name} failed: {job.reason}")
        self._ids = left
        return not left


def _ended(world: World, wanted: Wanted, follower: Follower, waited: _Waited) -> tuple[EndedBy, str] | None:
    if wanted.steps is not None and follower.done >= wanted.steps:
        return EndedBy.STEPS, ""
    if wanted.seconds is not None and follower.seconds >= wanted.seconds:
        return EndedBy.HOURS, ""
    if not arena_status.daemon_alive(world):
        return EndedBy.TROUBLE, "the arena has ended"
    if (waited.is_own or not wanted.is_bounded) and waited.are_over():
        if waited.failed:
            return EndedBy.TROUBLE, waited.failed[0]
        if not wanted.is_bounded:
            return EndedBy.QUESTS, ""
    return None
