"""The trainer's life: started, watched, started again when it dies, and what it dies of again and again set aside.

A death counts for the battle in which it came, without a checkpoint in between; before any battle it is a false start.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from django.db import transaction

from arena import chronicle
from arena.daemon import battles
from arena.daemon.chronicle_outbox import Outbox
from arena.daemon.pause import Pause
from arena.daemon.trainer.process import TrainerProcess
from arena.models import Battle
from arena.protocol import SHORTAGE_FILE, Event, EventKind, ExitCode
from arena.queue import files as queue
from realm.world import World

log = logging.getLogger(__name__)

MOST_DEATHS = 3
"""A quest during which the trainer dies this often without saving anything in between is set aside."""
MOST_SET_ASIDE = 3
"""So many in a row, and it is not the quests: the arena rests."""
MOST_FALSE_STARTS = 5
"""A trainer that dies this often in a row before it fights anything is not started again."""
FALSE_START_SECONDS = 60.0
"""A trainer that lived longer than this did start."""
LONGEST_BACKOFF_SECONDS = 4.0


@dataclass
class Deaths:
    """Of the trainer, in one battle, without a checkpoint in between."""

    battle: str = ""
    count: int = 0
    reason: str = ""


class TrainerCare:
    def __init__(
        self, world: World, trainer: TrainerProcess, outbox: Outbox, rest: Pause, *, clock: Callable[[], float]
    ) -> None:
        self._world, self._trainer, self._outbox, self._rest, self._clock = world, trainer, outbox, rest, clock
        self._hung = ""
        self._waited_for = self._missed = ""
        self._deaths = Deaths()
        self._set_aside_in_a_row = 0
        self._false_starts = 0
        self._started_at = 0.0
        self._not_before = 0.0
        """The trainer is not started again earlier."""

    @property
    def seconds_to_start(self) -> float:
        """Until a dead trainer is started again; 0 or less where it may be now."""
        return self._not_before - self._clock()

    def watch(self) -> bool:
        """One that hangs is killed; then it is a dead one. What it waits for, and that it goes on, is told.

        Returns whether it has just begun to wait for room.
        """
        why = self._trainer.why_hung()
        if why and not self._hung:
            self._hung = why
            log.error("the trainer %s: it is killed", why)
        if self._hung:
            self._trainer.kill()

        waits_for = self._trainer.trouble
        begins = bool(waits_for) and not self._waited_for
        if begins:
            self._outbox.add("disk_trouble", f"The battle waits: {waits_for}")
        if self._waited_for and not waits_for and self._trainer.alive:
            self._outbox.add("disk_recovered", "The battle goes on")
        self._waited_for = waits_for
        self._tell_missing()
        return begins

    def _tell_lost(self, lost: str, battle: Battle | None) -> None:
        if battle:
            follows = "the battle waits for it and goes on from its newest checkpoint"
            self._outbox.add("machine_lost", f"{lost}: {follows}", battle=battle.battle_id)
        else:
            self._outbox.add("machine_lost", f"{lost}; no battle needs it now")

    def _tell_missing(self) -> None:
        """Of machines that train with this one."""
        missing = self._trainer.missing
        if missing and not self._missed:
            self._outbox.add("machine_missing", missing)
        if self._missed and not missing and self._trainer.alive:
            self._outbox.add("machine_back", "All machines have joined, and the battle goes on")
        self._missed = missing

    def start(self) -> bool:
        """Start the trainer unless it lives, has just died or is given up; whether it was started."""
        given_up = self._false_starts >= MOST_FALSE_STARTS
        if self._trainer.alive or given_up or self.seconds_to_start > 0:
            return False
        self._trainer.start()
        self._started_at = self._clock()
        return True

    def note_death(self, code: int, battle: Battle | None) -> None:
        """Count a trainer that ended with `code`, in the middle of `battle` if it was fighting one.

        In memory only, so that an error after it does not count a death twice.
        """
        # What it died of.
        kind, how = ("trainer_hung", self._hung) if self._hung else ("trainer_died", f"died (exit code {code})")
        last_lines = self._trainer.last_lines()
        log.error("the trainer %s: %s", how, last_lines)
        self._hung = ""

        if code == ExitCode.MACHINE_LOST:
            # No death, however often a network comes and goes: the next run waits for the machine.
            self._not_before = self._clock() + LONGEST_BACKOFF_SECONDS
            self._tell_lost(last_lines.rpartition("\n")[2] or how, battle)
            return

        # Which time it is, and what follows: trouble of the machine, of this quest, or of the trainer itself.
        if code == ExitCode.SHORT_OF_MEMORY and battle and self._left_word(battle):
            # No death: it begins again with smaller micro-batches, and says so.
            self._not_before = self._clock()
            return
        if code in (ExitCode.SYSTEM, ExitCode.ANOTHER_TRAINER):
            again = 1
            self._rest.begin_for(f"the trainer cannot go on: {last_lines}")
            follows = f"the arena rests until you resume: {last_lines}"
        elif battle:
            again = self._count_battle_death(battle, how, last_lines)
            follows = "it is started again"
        else:
            again = self._count_idle_death(last_lines)
            given_up = again >= MOST_FALSE_STARTS
            follows = f"it is not started again until you resume: {last_lines}" if given_up else "it is started again"

        # The oftener, the longer it is left alone.
        self._not_before = self._clock() + min(LONGEST_BACKOFF_SECONDS, 0.25 * 2**again)
        named = {"battle": battle.battle_id} if battle else {}
        self._outbox.add(kind, f"The trainer {how}; {follows}", exit_code=code, **named)

    def _left_word(self, battle: Battle) -> bool:
        """Of a shortage of memory; any process can end with that exit code."""
        return (self._world.battles / battle.battle_id / SHORTAGE_FILE).exists()

    def _count_battle_death(self, battle: Battle, how: str, last_lines: str) -> int:
        before = self._deaths.count if self._deaths.battle == battle.battle_id else 0
        reason = f"the trainer died {before + 1} times on this quest; the last time it {how}: {last_lines}"
        self._deaths = Deaths(battle.battle_id, before + 1, reason)
        return self._deaths.count

    def _count_idle_death(self, last_lines: str) -> int:
        lived_seconds = self._clock() - self._started_at
        self._false_starts = self._false_starts + 1 if lived_seconds < FALSE_START_SECONDS else 1
        if self._false_starts >= MOST_FALSE_STARTS:
            self._rest.begin_for(f"the trainer died {self._false_starts} times before any battle began: {last_lines}")
        return self._false_starts

    def set_aside(self) -> bool:
        """Fail the quest that killed the trainer again and again, so that the next one runs; whether one was due.

        Not to be asked while a battle is fought.
        """
        if self._deaths.count < MOST_DEATHS:
            return False
        fought = Battle.objects.filter(battle_id=self._deaths.battle, state__in=battles.UNFINISHED)
        battle, reason = fought.select_related("quest").first(), self._deaths.reason
        if battle:
            queue.fail(self._world, battle.quest, reason)
            with transaction.atomic():
                battles.end(battle, Battle.State.FAILED)
                battle.save()
                chronicle.say(
                    EventKind.BATTLE_FAILED, f"{battle.quest.name} is set aside: {reason}", battle=battle.battle_id
                )
        self._deaths = Deaths()
        self._set_aside_in_a_row += 1
        if self._set_aside_in_a_row >= MOST_SET_ASIDE:
            self._rest.begin_for(
                f"{self._set_aside_in_a_row} quests in a row killed the trainer; of the last: {reason}"
            )
        return True

    def follow(self, event: Event) -> None:
        """What the running battle says may end a row of deaths."""
        if event.kind == EventKind.CHECKPOINT_SAVED:
            self._deaths = Deaths()
            self._set_aside_in_a_row = 0
        elif event.kind in (EventKind.BATTLE_STARTED, EventKind.BATTLE_RESUMED):
            self._false_starts = 0

    def forgive(self) -> None:
        """The player wants it tried again."""
        self._deaths = Deaths()
        self._set_aside_in_a_row = self._false_starts = 0
