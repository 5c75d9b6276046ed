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
from pathlib import Path
from typing import BinaryIO

from arena.gate.duplicates import EarlierRows
from arena.gate.inspection import Look, inspect, inspect_in_place
from arena.gate.messages import BEAT, Answer, Job, state_of
from arena.gate.warden import EvaluatedProblems
from arena.rows import lines
from arena.rows.formats import registry
from arena.rows.masking import ChatMask
from arena.rows.model import UnreadableQuest
from arena.rows.tokenizer import TOKENIZER_FILE, HeroTokenizer, UnusableTokenizer
from realm.disk import durable
from realm.world import PRIORITIES, World

log = logging.getLogger(__name__)

PROGRESS_SECONDS = 0.5
PROGRESS_FILE = "gate.json"
NICENESS = 5
"""Looking at a large quest must not slow down the battle beside it."""
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
        self._evaluated = EvaluatedProblems((world.evaluation, world.validation))

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
            report = look(path, self._look(job), on_progress=told)
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
        return Answer(number=job.number, path=job.path, seen=seen, report=report)

    def _look(self, job: Job) -> Look:
        tokenizer = _tokenizer(job.tokenizer) if job.tokenizer and job.rules.depth != "quick" else None
        return Look(
            rules=job.rules,
            recipe=job.recipe,
            specs=registry(job.specs),
            mask=ChatMask(tokenizer) if tokenizer else None,
            tokenizer_sha256=tokenizer.sha256 if tokenizer else None,
            evaluated=self._evaluated,
            earlier=self._earlier,
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


def _tokenizer(folder: str) -> HeroTokenizer | None:
    """None for one that cannot be used: the trainer will say so; here only its tokens are not counted."""
    try:
        return _load_once(folder, (Path(folder) / TOKENIZER_FILE).stat().st_size)
    except (OSError, UnusableTokenizer) as error:
        log.warning("tokens are not counted: %s", error)
        return None


@functools.lru_cache(maxsize=1)
def _load_once(folder: str, size_bytes: int) -> HeroTokenizer:
    return HeroTokenizer.load(Path(folder))


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
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not stand among the answers
    serve(World(Path(sys.argv[1])), sys.stdin.buffer, out, progress_file=progress_file)


if __name__ == "__main__":
    main()
