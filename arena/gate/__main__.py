"""`python -m arena.gate HOME [large|aside]`: the gatekeepers' process. Jobs come on standard input, answers go to
standard output. `large` looks at large quests, `aside` at files that are no quests yet; each gives way to the others.

It ends when its input does. Warm because reading a tokenizer takes as long as looking at a thousand rows.
"""

from __future__ import annotations

import functools
import logging
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from arena.gate.duplicates import EarlierRows
from arena.gate.held_out import HeldOutRows
from arena.gate.inspection import Look, inspect, inspect_in_place
from arena.gate.messages import BEAT, Answer, Job, state_of
from arena.gate.report import Report
from arena.gate.warden import EvaluatedProblems
from arena.rows import lines
from arena.rows.formats import registry
from arena.rows.masking import NO_TEMPLATE, ChatMask
from arena.rows.model import UnreadableQuest
from arena.rows.overrun import Overrun
from arena.rows.tokenized import MaskingError
from arena.rows.tokenizer import TOKENIZER_FILE, HeroTokenizer, UnusableTokenizer
from realm.disk import durable
from realm.logs import configuration
from realm.processes.memory_limit import limit_memory
from realm.world import PRIORITIES, World

log = logging.getLogger("arena.gate")

PROGRESS_SECONDS = 0.5
PROGRESS_FILE = "gate.json"
NICENESS = 5
"""Looking at a large quest must not slow down the battle beside it."""
MOST_BYTES = 4 * 2**30
"""Of memory: rows of earlier quests, a piece of the file, and what a template makes of it."""
Inspect = Callable[..., Report]
KINDS = {"": (NICENESS, PROGRESS_FILE), "large": (10, PROGRESS_FILE), "aside": (15, "look.json")}
"""Niceness, and the file that tells how far it is."""


class Gate:
    def __init__(
        self, world: World, on_progress: Callable[[], None] = lambda: None, *, progress_file: str = PROGRESS_FILE
    ) -> None:
        lanes = [world.lane(priority) for priority in PRIORITIES]
        self._progress_file = world.status / progress_file
        self._on_progress = on_progress
        self._earlier = EarlierRows((*lanes, world.processing, world.recently_completed))
        self._evaluated = EvaluatedProblems((world.evaluation, world.validation, world.validation_levels))
        self._held_out = HeldOutRows(world.validation_quests)

    def answer(self, job: Job) -> Answer:
        path = Path(job.path)
        seen: tuple[int, ...] = ()
        told: Progress | None = None
        if job.fresh:
            self._earlier.forget()
        try:
            seen = state_of(path)
            plain = lines.suffix_of(path.name) == lines.SUFFIXES[0]  # how much else will unpack to nobody knows
            told = Progress(self._progress_file, path.name, seen[1] if plain else 0, self._on_progress)
            look = inspect_in_place if job.in_place else inspect
            report, error = _inspected(look, path, self._look(job), told)
            model_error = error and f"the model {job.tokenizer}: {error}"
        except UnreadableQuest as error:
            return Answer(number=job.number, path=job.path, seen=seen, unreadable=str(error), kind=error.kind)
        except OSError as error:
            why = error.strerror or str(error)
            return Answer(number=job.number, path=job.path, seen=seen, unreadable=why, errno=error.errno)
        finally:
            if told and told.written:  # else it may be that of the process that looks at large quests
                self._progress_file.unlink(missing_ok=True)
        if report.fault is None and job.in_place:
            self._earlier.add(path)
        return Answer(number=job.number, path=job.path, seen=seen, report=report, model_error=model_error)

    def _look(self, job: Job) -> Look:
        mask = _mask(job.tokenizer) if job.tokenizer and job.rules.depth != "quick" else None
        return Look(
            rules=job.rules,
            recipe=job.recipe,
            specs=registry(job.specs),
            mask=mask,
            tokenizer_sha256=mask.facts.sha256 if mask else None,
            evaluated=self._evaluated,
            earlier=self._earlier,
            held_out=self._held_out,
        )


class Progress:
    """Tells how far a file is read: to the daemon that it goes on, to the page how far."""

    def __init__(self, file: Path, quest: str, of_bytes: int, on_progress: Callable[[], None]) -> None:
        self._file, self._quest, self._of_bytes, self._on_progress = file, quest, of_bytes, on_progress
        self._told_at = time.monotonic()
        self.written = False

    def __call__(self, rows: int, size_bytes: int) -> None:
        if time.monotonic() - self._told_at < PROGRESS_SECONDS:
            return
        self._told_at = time.monotonic()
        self._on_progress()
        said = {"quest": self._quest, "rows": rows, "bytes": size_bytes, "of_bytes": self._of_bytes}
        durable.write_json(self._file, said | {"time": time.time()}, sync=False)
        self.written = True


def _inspected(look: Inspect, path: Path, how: Look, told: Progress) -> tuple[Report, str]:
    """What was found, and what is wrong with the hero's model, for which the file is looked at without it."""
    try:
        report = look(path, how, on_progress=told)
    except Overrun as error:
        model_error = str(error)
    else:
        if report.taken or how.mask is None or how.mask.facts.has_template:
            return report, ""
        model_error = NO_TEMPLATE
    return look(path, replace(how, mask=None, tokenizer_sha256=None), on_progress=told), model_error


def _mask(folder: str) -> ChatMask | None:
    """None for a model that cannot be used: the arena rests for it; here only its tokens are not counted."""
    try:
        return _load_once(folder, (Path(folder) / TOKENIZER_FILE).stat().st_size)
    except (OSError, UnusableTokenizer, MaskingError, Overrun) as error:
        log.warning("tokens are not counted: %s", error)
        return None


@functools.lru_cache(maxsize=1)
def _load_once(folder: str, size_bytes: int) -> ChatMask:
    return ChatMask(HeroTokenizer.load(Path(folder)))


def serve(world: World, jobs: BinaryIO, out: BinaryIO, *, progress_file: str = PROGRESS_FILE) -> None:
    def say(line: bytes) -> None:
        out.write(line)
        out.flush()

    gate = Gate(world, on_progress=lambda: say(BEAT), progress_file=progress_file)
    for line in jobs:
        job = Job.from_line(line)
        say(gate.answer(job).to_line())


def main() -> None:
    niceness, progress_file = KINDS[sys.argv[2] if sys.argv[2:] else ""]
    os.nice(niceness)
    limit_memory(MOST_BYTES)
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not stand among the answers
    world = World(Path(sys.argv[1]))
    configuration.start(world, "gate", heard=True)
    serve(world, sys.stdin.buffer, out, progress_file=progress_file)


if __name__ == "__main__":
    main()
