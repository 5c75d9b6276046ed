"""The way of a file into the queue: from the inbox or a lane before the gatekeepers, and by what they found on."""

from __future__ import annotations

import errno
import itertools
import logging
import os
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from django.db import transaction
from django.db.models import Q, QuerySet

from arena import chronicle, disk_errors
from arena.gate import report as reports
from arena.gate.messages import Answer, Job
from arena.gate.process import Gate, GateSettings
from arena.models import Quest
from arena.profiles import quest_recipe
from arena.queue import admission, inbox, lane_order, ticket
from arena.queue import files as queue
from arena.queue.acts import CANCELLED
from arena.queue.copying import Carrier
from arena.recipe import Recipe
from arena.rows.lines import stem_of
from realm.databases.changes import Nothing
from realm.quest_names import is_forged_name
from realm.strict import BadConfig
from realm.world import World

log = logging.getLogger(__name__)

MOST_AT_ONCE = 1000
"""Files taken in one look: the player's commands and the trainer's events come between."""
LONGEST_WAIT_SECONDS = 10.0
GATE_RESTS_SECONDS = 2.0
"""After the gatekeepers' disk was in trouble they are not asked for so long."""
MOST_READ_ERRORS = 4
"""A file that the disk cannot give (EIO) this often is refused: it may be that file's place on the disk alone."""
READ_AGAIN_SECONDS = 5.0
"""Until the third look at such a file; until the fourth it is twice that."""


@dataclass
class _ReadErrors:
    count: int = 0
    not_before: float = 0.0


class Doorway:
    def __init__(
        self,
        world: World,
        gate: Gate,
        settings: Callable[[], GateSettings],
        *,
        large_gate: Gate | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`large_gate` looks at large quests, so that no small one waits for them; without one `gate` does both."""
        self._world, self._gate, self._settings, self._clock = world, gate, settings, clock
        self._large_gate = large_gate or gate
        self._stale: set[Gate] = set()
        """Gates that do not know what another one let pass."""
        self._numbers = itertools.count(1)
        self._lanes = queue.Lanes(world, clock)
        self._first_look = True
        self._stillness = inbox.Stillness(clock)
        self._underway: dict[int, int] = {}
        """Ids of quests by the number of their job."""
        self._answers: deque[Answer] = deque()
        self._read_errors: dict[int, _ReadErrors] = {}
        """By the id of the quest."""
        self._gate_rests_until = 0.0
        self.disk_error: OSError | None = None
        """Of the gatekeepers' disk, until they found room again."""
        self._carrier = Carrier(world)
        self._nothing = Nothing()
        self.trouble = ""
        self.model_error = ""
        """What is wrong with the hero's model, as the gatekeepers met it."""
        self.unsettled_since: float | None = None
        """Since when some file in the inbox may be whole in a moment."""

    def look(self) -> bool:
        worked = [self._see_files(), self._take_arrivals(), self._ask_gate(), self._settle()]
        return any(worked)

    @property
    def something_arrives(self) -> bool:
        """A file that is being written may be worth waiting for, but not for long."""
        since = self.unsettled_since
        settling = since is not None and self._clock() - since < LONGEST_WAIT_SECONDS
        return settling or bool(self._underway) or bool(self._answers) or self._carrier.busy

    def _take_arrivals(self) -> bool:
        arrivals = inbox.look(self._world.inbox, self._stillness)
        if not arrivals.unsettled:
            self.unsettled_since = None
        elif self.unsettled_since is None:
            self.unsettled_since = self._clock()
        by_priority: dict[str, list[Path]] = {}
        self._end_carrying()
        for path in (path for path in arrivals.whole[:MOST_AT_ONCE] if path not in self._carrier):
            by_priority.setdefault(inbox.priority_of(self._world.inbox, path), []).append(path)
        moved = [self._move_in(paths, priority) for priority, paths in by_priority.items()]
        self._see([(priority, path) for found, priority in zip(moved, by_priority, strict=True) for path in found])
        return any(moved)

    def _move_in(self, paths: list[Path], priority: str) -> list[Path]:
        """Files that cannot be moved (gone again, in a folder of somebody else's) stay and hinder no other."""
        moved, troubles = queue.move_in(self._world, paths, priority=priority)
        for path, error in troubles.items():
            if disk_errors.passes(error):
                raise error
            if error.errno == errno.EXDEV and path.is_file() and not path.is_symlink():
                self._carrier.carry(path, priority)
            else:
                self._cannot_take(path, error)
        return moved

    def _end_carrying(self) -> None:
        for path, error in self._carrier.take_ended().items():
            if isinstance(error, OSError) and disk_errors.passes(error):
                raise error
            if error is not None and path.exists():
                self._cannot_take(path, error)

    def _cannot_take(self, path: Path, error: BaseException) -> None:
        # repr: the name may be no text at all.
        name = repr(str(path.relative_to(self._world.inbox)))
        self.trouble = f"{name} cannot be taken out of the inbox: {getattr(error, 'strerror', None) or error}"
        log.warning(self.trouble)

    def _see_files(self) -> bool:
        found = self._lanes.unknown_files()
        self._see(found, arranged=lane_order.read(self._world) if self._first_look and found else None)
        self._first_look = False
        return bool(found)

    def _see(self, found: list[tuple[str, Path]], *, arranged: lane_order.Lanes | None = None) -> None:
        if found:
            with transaction.atomic():
                _tell_seen(queue.see(self._world, found, arranged=arranged))

    def _ask_gate(self) -> bool:
        if self._clock() < self._gate_rests_until:
            return False
        if not self._underway and not self._nothing.unless_changed("arrived", lambda: queue.arrived().exists()):
            self.disk_error = None  # as below
            return False
        waiting = queue.arrived().exclude(pk__in=self._not_now())
        large = Q(size_bytes__gt=queue.LARGE_BYTES)
        given = [self._give(waiting.exclude(large), self._gate), self._give(waiting.filter(large), self._large_gate)]
        if not self._underway:
            self.disk_error = None  # nobody is left who could find out
        return any(given)

    def _give(self, quests: QuerySet[Quest], gate: Gate) -> int:
        settings: GateSettings | None = None
        given = 0
        for quest in quests.iterator(chunk_size=50):
            if not gate.has_room or (self.disk_error and self._underway):
                break  # while the disk is full one file is enough to see whether it still is
            path = queue.path_of(self._world, quest)
            if not os.path.lexists(path):
                queue.forget(quest, "its file is gone from the queue")
                continue
            if (asked := ticket.read(path)) and asked.cancelled:
                queue.cancel(self._world, quest, CANCELLED)
                continue
            settings = settings or self._settings()
            try:
                job = self._job(path, settings, fresh=gate in self._stale)
            except BadConfig as error:
                admission.refuse_recipe(self._world, quest, str(error))
                continue
            self._underway[job.number] = quest.pk
            gate.give(job)
            self._stale.discard(gate)
            given += 1
        return given

    def _not_now(self) -> list[int]:
        now = self._clock()
        pausing = [quest for quest, errors in self._read_errors.items() if errors.not_before > now]
        return [*self._underway.values(), *pausing]

    def _job(self, path: Path, settings: GateSettings, *, fresh: bool) -> Job:
        wishes, rules = reports.read_wishes(path), settings.rules
        if wishes.depth:
            rules = replace(rules, depth=wishes.depth)
        if wishes.repeated or is_forged_name(stem_of(path.name)):
            rules = replace(rules, duplicates="allow")  # the guild rehearses on purpose
        return Job(
            number=next(self._numbers),
            fresh=fresh,
            path=str(path),
            rules=rules.forced() if wishes.force else rules,
            recipe=self._recipe(path, settings),
            tokenizer=str(settings.tokenizer) if settings.tokenizer else None,
            specs=dict(settings.specs),
        )

    def _recipe(self, path: Path, settings: GateSettings) -> Recipe:
        """Raises BadConfig for a recipe of the quest's own that cannot be."""
        if not quest_recipe.read_beside(self._world, path):
            return settings.recipe
        return quest_recipe.resolve_for(self._world, settings.config, path).recipe

    def _settle(self) -> bool:
        for gate, other in ((self._gate, self._large_gate), (self._large_gate, self._gate)):
            found = gate.take_answers()
            self._answers.extend(found)
            if found and gate is not other:
                self._stale.add(other)
        settled = 0
        while self._answers:
            # Taken off only when all is written: on an error it is settled once more.
            self._settle_one(self._answers[0])
            self._underway.pop(self._answers.popleft().number, None)
            settled += 1
        return bool(settled)

    def _settle_one(self, answer: Answer) -> None:
        quest = Quest.objects.filter(pk=self._underway.get(answer.number, 0), state=Quest.State.ARRIVED).first()
        path = Path(answer.path)
        if quest is None or queue.path_of(self._world, quest) != path:
            self._clear_away(path)
        elif self._may_pass(quest, answer):
            self.disk_error = OSError(answer.errno, answer.unreadable, answer.path)
            self._gate_rests_until = self._clock() + GATE_RESTS_SECONDS
        else:
            admission.settle(self._world, quest, answer, self._settings().rules)
            self._read_errors.pop(quest.pk, None)
            self.disk_error = None
            self.model_error = answer.model_error or self.model_error

    def _may_pass(self, quest: Quest, answer: Answer) -> bool:
        """Whether the disk is to blame and not this file: if it were looked at for ever, nothing else would be done."""
        if answer.errno is None or not disk_errors.passes(OSError(answer.errno, answer.unreadable)):
            return False
        if answer.errno != errno.EIO:
            return True
        errors = self._read_errors.setdefault(quest.pk, _ReadErrors())
        errors.not_before = self._clock() + READ_AGAIN_SECONDS * errors.count
        errors.count += 1
        return errors.count < MOST_READ_ERRORS

    def _clear_away(self, path: Path) -> None:
        """What was found of a quest that was cancelled meanwhile and has left."""
        if not os.path.lexists(path):
            for suffix in reports.FOUND:
                reports.companion(path, suffix).unlink(missing_ok=True)


def _tell_seen(quests: list[Quest]) -> None:
    """Where it takes long enough that one would wonder."""
    if len(quests) > 1 or (quests and quests[0].size_bytes > queue.LARGE_BYTES):
        who = f"{len(quests)} quests" if len(quests) > 1 else quests[0].name
        chronicle.say("quests_seen", f"The gatekeepers look at {who}", count=len(quests))
