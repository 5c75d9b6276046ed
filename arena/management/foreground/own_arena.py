"""The arena run by the command itself, until what was asked for is done."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

from django.core.management.base import CommandError

from arena import jobs, orders
from arena import status as arena_status
from arena.daemon import battles, serving
from arena.daemon.loop import ArenaDaemon
from arena.daemon.until import Until
from arena.jobs.job import JobState
from arena.management.daemon_errors import in_a_sentence
from arena.management.foreground.following import Follower, saved_step
from arena.management.foreground.result import EndedBy
from arena.management.foreground.signals import Received, heeded
from arena.management.foreground.telling import Teller
from arena.management.foreground.wanted import BY, Wanted
from arena.orders import Wish
from realm.config import RealmConfig
from realm.world import World

LOOK_SECONDS = 0.25


def train(world: World, config: RealmConfig, wanted: Wanted, teller: Teller) -> tuple[Follower, EndedBy, str, Received]:
    """Fight until `wanted` is done; what is saved by then is on disk when this returns.

    Returns the follower as it saw the end, what it ended by and why. Raises CommandError.
    """
    start = saved_step(world, config.hero)
    until = Until(
        step=None if wanted.steps is None else start + wanted.steps,
        idle=not (config.autoplay and wanted.is_bounded),
    )
    with in_a_sentence(world), serving.opened(world, config, changed=_changed(wanted), until=until) as daemon:
        _go_on(world, config.hero, wanted, teller)
        job = wanted.begin(world, config)
        follower = Follower(world=world, start=start)
        watch = _Watch(daemon, follower, wanted, teller)
        with heeded(lambda: watch.leave("it saves, then ends; once more: at once"), daemon.trainer.kill) as received:
            watch.start()
            try:
                daemon.run()
            finally:
                watch.end()
        ended_by, reason = _ending(world, wanted, follower, received, watch, job)
        return follower, ended_by, reason, received


def _changed(wanted: Wanted) -> Callable[[RealmConfig], RealmConfig]:
    """The player's settings but for what the command line says otherwise."""

    def lay_over(config: RealmConfig) -> RealmConfig:
        if wanted.save_every is not None:
            config = replace(config, training={**config.training, "save_every": wanted.save_every})
        return config if wanted.is_bounded else replace(config, autoplay=False)

    return lay_over


def _go_on(world: World, hero: str, wanted: Wanted, teller: Teller) -> None:
    """A battle that was only interrupted goes on by itself; an arena that was told to rest does not. Raises
    CommandError."""
    if arena_status.read_rest(world):
        if not wanted.resume:
            raise CommandError(why_it_rests(world))
        orders.send(world, wish=Wish.RESUME, by=BY)
    battle = battles.unfinished(world, hero)
    if battle:
        teller.say(f"Goes on with {battle.quest.name}, which is paused at step {saved_step(world, battle.hero)}")
        if wanted.save_every is not None and battles.has_trained(world, battle):
            teller.say("That battle keeps the checkpoint interval that it began with")


def why_it_rests(world: World) -> str:
    rest = arena_status.read_rest(world)
    why = rest.get("reason") or f"{rest.get('asked', 'it')} was asked for"
    return f"the arena rests: {why}; --resume lets it go on"


class _Watch:
    """Looks and tells in a thread of its own, and ends the daemon when its time is up."""

    def __init__(self, daemon: ArenaDaemon, follower: Follower, wanted: Wanted, teller: Teller) -> None:
        self._daemon, self._follower, self._wanted, self._teller = daemon, follower, wanted, teller
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_again, daemon=True)
        self._said = ""
        self.out_of_time = False

    def start(self) -> None:
        self._thread.start()

    def leave(self, said: str) -> None:
        """In a signal handler: only flags are set."""
        self._said = said
        self._daemon.stop()

    def end(self) -> None:
        self._over.set()
        self._thread.join()
        self._look()

    def _look_again(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            self._look()
            if self._wanted.seconds is not None and self._follower.seconds >= self._wanted.seconds:
                self.out_of_time = True
                self._daemon.stop()

    def _look(self) -> None:
        said, self._said = self._said, ""
        if said:
            self._teller.say(said)
        self._teller.show(self._follower.look(), self._follower.done)


def _ending(
    world: World, wanted: Wanted, follower: Follower, received: Received, watch: _Watch, job: str | None
) -> tuple[EndedBy, str]:
    if received.number is not None:
        return EndedBy.SIGNAL, ""
    if job and (found := jobs.get(world, job)).state == JobState.FAILED:
        return EndedBy.TROUBLE, f"{found.name} failed: {found.reason}"
    if wanted.steps is not None and follower.done >= wanted.steps:
        return EndedBy.STEPS, ""
    if watch.out_of_time:
        return EndedBy.HOURS, ""
    if arena_status.read_rest(world):
        return EndedBy.REST, why_it_rests(world)
    if wanted.steps is not None:
        return EndedBy.QUESTS, f"no quest is left after {follower.done} of {wanted.steps} steps"
    return EndedBy.QUESTS, "" if follower.done else "no quest waits: name a file, or --skill to forge one"
