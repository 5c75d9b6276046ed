"""The gatekeepers as a child of the daemon: given files to look at, killed when they hang, ended when nothing comes."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from arena.gate.messages import BEAT, Answer, Job
from arena.gate.rules import GateRules
from arena.recipe import Recipe
from realm.config import RealmConfig
from realm.processes.child import ChildProcess
from realm.processes.log import ChildLog
from realm.world import World

COMMAND = (sys.executable, "-m", "arena.gate")
LOG_FILE = "gate.log"
ASIDE, LARGE = "aside", "large"
"""Arguments of the processes that look at what is no quest yet, and at large quests: no small one waits for them."""
MOST_UNDERWAY = 16
"""Jobs given ahead, so that it never waits for the daemon between small files."""
MOST_BYTES_UNDERWAY = 32 * 1024
"""Half of what a pipe holds (pipe(7)). A child that is busy with a large file reads none of it, and the daemon must not
wait for it; jobs carry the player's own forms of rows, which may be many."""
HANG_SECONDS = 60.0
"""Without a word about a file that it is at."""
STOPPED_SECONDS = 15.0
"""Without a word, of one that a signal stopped: no file is to blame."""
MOST_DEATHS = 2
"""A file during which it dies this often is refused."""
IDLE_SECONDS = 300.0


@dataclass(frozen=True, kw_only=True)
class GateSettings:
    rules: GateRules
    recipe: Recipe
    tokenizer: Path | None
    specs: Mapping[str, dict[str, str]]
    config: RealmConfig = field(default_factory=RealmConfig)
    """Where a quest has a recipe of its own, it is laid over these."""


class Gate(Protocol):
    """`GateProcess`, or what stands in its place in tests."""

    @property
    def has_room(self) -> bool: ...
    def next_number(self) -> int: ...
    def give(self, job: Job) -> None: ...
    def take_answers(self) -> list[Answer]: ...
    def shut_down(self) -> None: ...


class GateProcess:
    """`answers` holds what it found, in the order of the jobs; the daemon takes from it."""

    def __init__(
        self,
        world: World,
        ring: Callable[[], None],
        command: tuple[str, ...] = COMMAND,
        *,
        clock: Callable[[], float] = time.monotonic,
        hang_seconds: float = HANG_SECONDS,
        kind: str = "",
    ) -> None:
        self._ring, self._clock = ring, clock
        self._command = (*command, str(world.home), *([kind] if kind else []))
        self._log = ChildLog(world.logs / "gate" / (f"{kind}-{LOG_FILE}" if kind else LOG_FILE))
        self._hang_seconds = hang_seconds
        self._child: ChildProcess | None = None
        self._heard: deque[bytes] = deque()
        """What the child said; filled by a thread of its own."""
        self._underway: deque[Job] = deque()
        self._sizes: deque[int] = deque()
        """Bytes of each of them on its way."""
        self._deaths = 0
        self._without_model: dict[int, str] = {}
        """By the number of a job that is tried once more without the hero's model: what happened with it."""
        self._heard_at = 0.0
        self._numbers = 0

    @property
    def has_room(self) -> bool:
        """For one more job as large as the largest of those underway; a child without any reads whatever comes."""
        sizes = self._sizes
        fits = sum(sizes) + max(sizes, default=0) <= MOST_BYTES_UNDERWAY
        return not sizes or (len(sizes) < MOST_UNDERWAY and fits)

    def next_number(self) -> int:
        self._numbers += 1
        return self._numbers

    def give(self, job: Job) -> None:
        if self._child is None:
            self._start()
        if not self._underway:
            self._heard_at = self._clock()
        line = job.to_line()
        self._underway.append(job)
        self._sizes.append(len(line))
        assert self._child is not None
        self._child.send(line)  # where it has just ended, the next look sees that

    def take_answers(self) -> list[Answer]:
        """What was found since the last call; also notices a child that died or hangs, and begins again."""
        answers: list[Answer] = []
        while self._heard:
            line = self._heard.popleft()
            self._heard_at = self._clock()
            if line != BEAT:
                self._underway.popleft()
                self._sizes.popleft()
                self._deaths = 0
                answers.append(self._blamed(Answer.from_line(line)))
        return answers + self._watch()

    def shut_down(self) -> None:
        """At once: what it was at is looked at again at the next start."""
        self._taken_back()
        self._kill()

    def _watch(self) -> list[Answer]:
        if self._child is None:
            return []
        silent = self._clock() - self._heard_at
        alive = self._child.alive
        if self._underway and silent > STOPPED_SECONDS and self._child.is_stopped:
            self._kill()
            for job in self._taken_back():
                self.give(job)
            return []
        if alive and not (self._underway and silent > self._hang_seconds):
            if not self._underway and silent > IDLE_SECONDS:
                self._kill()
            return []
        how = f"hung for {self._hang_seconds:.0f} s" if alive else "died"
        code = self._kill()
        return self._begin_again(f"{how} (exit code {code}: {self._log.last_lines(3)})") if self._underway else []

    def _begin_again(self, how: str) -> list[Answer]:
        """The job that it died of is tried once more, then without the hero's model, then refused.

        Those behind it are given again.
        """
        jobs = self._taken_back()
        self._deaths += 1
        given_up: list[Answer] = []
        if self._deaths >= MOST_DEATHS:
            culprit, *jobs = jobs
            self._deaths = 0
            if culprit.tokenizer is not None:
                told = (
                    f"the model {culprit.tokenizer}: reading {Path(culprit.path).name} by it, the gatekeepers' process"
                )
                self._without_model[culprit.number] = f"{told} {how}"
                self._deaths = MOST_DEATHS - 1
                jobs = [replace(culprit, tokenizer=None), *jobs]
            else:
                self._without_model.pop(culprit.number, None)
                why = f"looking at this file, the gatekeepers' process {how}"
                given_up = [Answer(number=culprit.number, path=culprit.path, seen=(), unreadable=why, kind="gate-died")]
        for job in jobs:
            self.give(job)
        return given_up

    def _taken_back(self) -> list[Job]:
        """What was underway."""
        jobs = list(self._underway)
        self._underway.clear()
        self._sizes.clear()
        return jobs

    def _blamed(self, answer: Answer) -> Answer:
        """A file that can be read without the hero's model is not to blame for what happened with it."""
        how = self._without_model.pop(answer.number, "")
        return replace(answer, model_error=how) if how and answer.report else answer

    def _start(self) -> None:
        heard = self._heard = deque()  # its own: the last words of the one before may still be on their way
        self._heard_at = self._clock()

        def hear(line: bytes) -> None:
            heard.append(line)
            self._ring()

        self._child = ChildProcess.conversing(self._command, self._log, on_line=hear, on_end=self._ring)

    def _kill(self) -> int | None:
        if self._child is None:
            return None
        code = self._child.reap()
        self._child = None
        return code
