"""The gatekeepers in the test's own process: the same looking, without a child."""

from __future__ import annotations

from arena.gate.__main__ import Gate
from arena.gate.messages import Answer, Job
from arena.gate.process import GateSettings
from arena.gate.rules import GateRules
from arena.models import Quest
from arena.queue.intake import Doorway
from arena.recipe import Recipe
from realm.world import World


class LocalGate:
    """Stands where `GateProcess` stands; an answer is there as soon as a job is given."""

    has_room = True

    def __init__(self, world: World) -> None:
        self._gate = Gate(world)
        self._answers: list[Answer] = []
        self._numbers = 0
        self.jobs: list[Job] = []

    def next_number(self) -> int:
        self._numbers += 1
        return self._numbers

    def give(self, job: Job) -> None:
        self.jobs.append(job)
        self._answers.append(self._gate.answer(job))

    def take_answers(self) -> list[Answer]:
        taken, self._answers = self._answers, []
        return taken

    def shut_down(self) -> None:
        pass


def admit(world: World, *, rules: GateRules | None = None) -> list[Quest]:
    """Bring all that lies in the inbox and the lanes before the gatekeepers; returns the rows that came of it."""
    known = set(Quest.objects.values_list("id", flat=True))
    settings = GateSettings(rules=rules or GateRules(), recipe=Recipe(), tokenizer=None, specs={})
    doorway = Doorway(world, LocalGate(world), lambda: settings)
    while doorway.look():
        pass
    return list(Quest.objects.exclude(id__in=known))


def admit_one(world: World, *, rules: GateRules | None = None) -> Quest | None:
    """The same for a single file: the quest if it waits, None if it was refused."""
    (quest,) = admit(world, rules=rules)
    return None if quest.state == Quest.State.FAILED else quest
