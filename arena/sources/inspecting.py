"""Has files of the player's own folders looked at: one at a time, while no quest waits for the gatekeepers.

They are looked at by a process of their own, so that a quest that arrives never waits for a large file to be read.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from arena import chronicle, source_orders
from arena.gate.messages import Answer, Job
from arena.gate.process import Gate, GateSettings
from arena.source_orders import LookOrder
from arena.sources import folders, records
from arena.sources.folders import BadSource, SourceFile
from arena.sources.records import Found, Record, Verdict, in_short
from realm.world import World

_TOLD = {Verdict.FINE: "fine", Verdict.FLAWED: "with refused or doubtful rows", Verdict.REFUSED: "refused"}


class Lookout:
    def __init__(
        self,
        world: World,
        gate: Gate,
        settings: Callable[[], GateSettings],
        *,
        quests_wait: Callable[[], bool],
        on_damaged: Callable[[str], None],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._world, self._gate, self._settings, self._now = world, gate, settings, now
        self._quests_wait, self._on_damaged = quests_wait, on_damaged
        self._round: _Round | None = None
        self._answers: deque[Answer] = deque()

    def look(self) -> bool:
        self._heed_withdrawal()
        self._answers.extend(self._gate.take_answers())
        worked = [self._settle(), self._begin(), self._ask_gate(), self._finish()]
        return any(worked)

    def _heed_withdrawal(self) -> None:
        """What is underway then is not written down: its folder may be no source any more."""
        if self._round and not self._round.path.exists():
            self._round = None

    def _settle(self) -> bool:
        settled = bool(self._answers)
        while self._answers:
            answer, this = self._answers[0], self._round
            if this and this.underway and this.underway.number == answer.number:
                record = Record.of(answer, order=this.path.name, now=self._now())
                records.write(self._world, record)
                this.note(this.underway.file, in_short(record))
                this.underway = None
            self._answers.popleft()  # only when it is written: on an error it is settled once more
        return settled

    def _begin(self) -> bool:
        if self._round is not None:
            return False
        path, order = next(source_orders.MAILBOX.waiting(self._world, on_damaged=self._on_damaged), (None, None))
        if path is None or order is None:
            return False
        try:
            folder = folders.folder_of(self._world, order.source)
        except BadSource as error:
            chronicle.say("order_refused", str(error), act="look")
            path.unlink(missing_ok=True)
        else:
            self._round = _Round(path, order, folder)
        return True

    def _ask_gate(self) -> bool:
        this = self._round
        if this is None or this.underway is not None or not this.left or self._quests_wait():
            return False
        file = self._next(this)
        if file is not None:
            job = self._job(file)
            this.underway = _Underway(job.number, file.name)
            self._gate.give(job)
        return True

    def _next(self, this: _Round) -> SourceFile | None:
        """None where none is left. What was looked at for the same order, before a kill, is passed over."""
        while this.left:
            try:
                file = folders.find(this.folder, this.left.popleft())
            except BadSource:
                continue
            found = records.found_in(self._world, file)
            if found.order != this.path.name:
                return file
            this.note(file.name, found)
        return None

    def _job(self, file: SourceFile) -> Job:
        settings = self._settings()
        return Job(
            number=self._gate.next_number(),
            path=str(file.path),
            rules=settings.rules,
            recipe=settings.recipe,
            tokenizer=str(settings.tokenizer) if settings.tokenizer else None,
            specs=dict(settings.specs),
            in_place=False,
        )

    def _finish(self) -> bool:
        this = self._round
        if this is None or this.left or this.underway is not None:
            return False
        chronicle.say("source_inspected", this.told(), source=this.order.source, files=list(this.order.files[:100]))
        this.path.unlink(missing_ok=True)
        self._round = None
        return True


@dataclass(frozen=True)
class _Underway:
    number: int
    """Of the job."""
    file: str


class _Round:
    """An order that is being carried out."""

    def __init__(self, path: Path, order: LookOrder, folder: Path) -> None:
        self.path, self.order, self.folder = path, order, folder
        self.left = deque(order.files)
        self.underway: _Underway | None = None
        self._verdicts: Counter[Verdict] = Counter()
        self._last = ""

    def note(self, file: str, found: Found) -> None:
        self._verdicts[found.verdict] += 1
        self._last = f"{file}: {in_words(found)}"

    def told(self) -> str:
        asked = len(self.order.files)
        if asked == 1 and self._last:
            return f"The gatekeepers looked at {self._last}"
        parts = [f"{self._verdicts[verdict]} {what}" for verdict, what in _TOLD.items() if self._verdicts[verdict]]
        if gone := asked - self._verdicts.total():
            parts.append(f"{gone} gone")
        files = f"{asked} file{'s' if asked != 1 else ''}"
        return f"The gatekeepers looked at {files} of {self.order.source}: {', '.join(parts)}"


def in_words(found: Found) -> str:
    """A record in a few words, for the chronicle and the command line."""
    if found.verdict is Verdict.UNSEEN:
        return "never looked at"
    if found.verdict is Verdict.REFUSED:
        return f"it would be refused: {f'line {found.line}: ' if found.line else ''}{found.reason}"
    if found.verdict is Verdict.FINE:
        return f"fine, {found.rows} rows"
    warned = f", {found.warned} warned of" if found.warned else ""
    return f"{found.taken} of {found.rows} rows can be trained on, {found.refused} refused{warned}"
