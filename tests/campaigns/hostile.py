"""F1 and F2: hostile files in the inbox of a live arena, good quests in between, and the same quests without them."""

from __future__ import annotations

import itertools
import json
import os
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
import yaml

from arena.gate import process as gate_process
from arena.gate import report as reports
from arena.recipe import Recipe
from arena.rows.lines import is_quest_name
from tests.campaigns.report import Figure, none_of
from tests.campaigns.storm import final_weights
from tests.support import tiny_hero
from tests.support.hostile_kinds import KINDS, LARGE, Case, make
from tests.support.live_arena import TRAINING, LiveArena

FILES, QUICK_FILES = 2000, 16
GOOD_AFTER = 10
"""Hostile files between two good quests."""
GOOD = "good: plain"
NOT_TAKEN = frozenset({"file: a folder"})
"""What is no quest to the inbox and stays lying there."""
LONGEST_INSPECTION_SECONDS = 5.0
LARGEST_GROWTH_BYTES = 200 * 10**6
TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True)
class Drop:
    number: int
    kind: str
    seed: int

    @property
    def stem(self) -> str:
        return f"drop{self.number:05}"

    def made_for(self, arena: LiveArena) -> Case:
        """The file, not yet in the inbox."""
        staging = arena.world.home / "staging"
        staging.mkdir(exist_ok=True)
        return make(self.kind, self.seed, staging, self.stem)

    def __str__(self) -> str:
        return f"{self.stem} {self.kind}"


@dataclass
class Outcomes:
    """Of all files dropped so far."""

    trained: list[Drop] = field(default_factory=list)
    refused: int = 0
    slowest: float = 0.0
    slowest_kind: str = ""
    large: dict[str, float] = field(default_factory=dict)
    """Seconds to a verdict of each large kind."""
    hung: list[str] = field(default_factory=list)
    slow: list[str] = field(default_factory=list)
    let_in: list[str] = field(default_factory=list)
    shut_out: list[str] = field(default_factory=list)
    untold: list[str] = field(default_factory=list)
    misnamed: list[str] = field(default_factory=list)


def run(
    folder: Path,
    *,
    seed: int,
    quick: bool,
    count: int | None,
    kinds: Sequence[str] = tuple(KINDS),
    compared: bool = True,
    **variables: str,
) -> list[Figure]:
    """`kinds`, `compared` (with the same quests in peace) and the arena's environment `variables` are for those who
    try the campaign itself."""
    base = tiny_hero.make_base(folder / "base")
    hostile = _arena(folder / "hostile", base, **variables)
    drops = list(_plan(seed, count or (QUICK_FILES if quick else FILES), kinds))
    outcomes, watch = Outcomes(), Watch(hostile)
    try:
        hostile.start()
        _try(hostile, drops[0], outcomes, watch)
        watch.settle()
        for drop in drops[1:]:
            _try(hostile, drop, outcomes, watch)
        _run_through(hostile, outcomes.trained)
        crashes = watch.crashes()
    finally:
        hostile.stop()
    same = not compared or final_weights(hostile) == _in_peace(folder / "calm", base, outcomes.trained)
    return _figures(len(drops), outcomes, watch, crashes, same=same)


def _in_peace(folder: Path, base: Path, trained: list[Drop]) -> dict[str, str]:
    """Final weights of an arena that sees only the files that were let through."""
    calm = _arena(folder, base)
    try:
        calm.start()
        for drop in trained:
            _drop_calmly(calm, drop)
        _run_through(calm, trained)
    finally:
        calm.stop()
    return final_weights(calm)


def _arena(folder: Path, base: Path, **variables: str) -> LiveArena:
    arena = LiveArena(folder, base, **variables)
    # The default length: what counting tokens takes grows with it.
    training = TRAINING | {"max_length": Recipe.max_length, "rows_per_step": 1, "rows_per_micro_batch": 1}
    settings = {"training": training, "checkpoint_budget_gb": 1}
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    return arena


def _plan(seed: int, files: int, kinds: Sequence[str]) -> Iterator[Drop]:
    """Every kind comes before one comes again; a good quest first, last, and after each GOOD_AFTER files."""
    dice, numbers = random.Random(seed), itertools.count()
    taken = [kind for kind in kinds if kind not in NOT_TAKEN]
    rounds = (dice.sample(taken, len(taken)) for _ in itertools.count())
    for place, kind in enumerate(itertools.islice(itertools.chain.from_iterable(rounds), files)):
        if place % GOOD_AFTER == 0:
            yield Drop(next(numbers), GOOD, dice.randrange(2**32))
        yield Drop(next(numbers), kind, dice.randrange(2**32))
    yield from (Drop(next(numbers), kind, dice.randrange(2**32)) for kind in LARGE if files >= len(KINDS))
    yield Drop(next(numbers), GOOD, dice.randrange(2**32))


def _try(arena: LiveArena, drop: Drop, outcomes: Outcomes, watch: Watch) -> None:
    case = drop.made_for(arena)
    begun = time.monotonic()
    _drop(arena, case)
    while (fate := _fate(arena, drop)) is None:
        if time.monotonic() - begun > TIMEOUT_SECONDS:
            outcomes.hung.append(f"{drop}: nothing became of it in {TIMEOUT_SECONDS:.0f} s")
            return
        watch.look()
        time.sleep(0.01)
    seconds = time.monotonic() - begun
    if drop.kind in LARGE:
        outcomes.large[drop.kind] = seconds
    elif seconds > outcomes.slowest:
        outcomes.slowest, outcomes.slowest_kind = seconds, drop.kind
    if seconds > LONGEST_INSPECTION_SECONDS:
        outcomes.slow.append(f"{drop}: {seconds:.1f} s")
    _judge(drop, case, fate, outcomes)
    watch.look()


def _drop(arena: LiveArena, case: Case) -> None:
    """A whole file appears in the inbox by rename."""
    case.path.rename(arena.world.inbox / case.path.name)


def _judge(drop: Drop, case: Case, fate: dict[str, Any], outcomes: Outcomes) -> None:
    if "reason" not in fate:
        outcomes.trained.append(drop)
        if not case.is_trained:
            outcomes.let_in.append(str(drop))
        elif (found := _named(fate)) != (wanted := _wanted(case)):
            outcomes.misnamed.append(f"{drop}: {found} in place of {wanted}")
        return
    outcomes.refused += 1
    if case.is_trained:
        outcomes.shut_out.append(f"{drop}: {fate['reason']}")
    elif (fate.get("line"), fate.get("kind")) != case.blamed or not str(fate["reason"]).strip():
        outcomes.untold.append(f"{drop}: {fate} in place of {case.blamed}")


def _wanted(case: Case) -> set[tuple[int, str]]:
    return {*case.refused, *((line, "too-long") for line in case.endless)}


def _named(report: dict[str, Any]) -> set[tuple[int, str]]:
    return {(refused["line"], refused["kind"]) for refused in report["refused"]}


def _fate(arena: LiveArena, drop: Drop) -> dict[str, Any] | None:
    """What stands in its reason, or in its report where it was let pass; None while neither is certain."""
    world = arena.world
    if reason := _beside(world.failed, drop, reports.REASON):
        return reason if any(is_quest_name(path.name) for path in _of(world.failed, drop)) else None
    folders = (world.lane("normal"), world.processing, world.recently_completed)
    report = next(filter(None, (_beside(folder, drop, reports.REPORT) for folder in folders)), None)
    return None if report is None or report["fault"] else report


def _of(folder: Path, drop: Drop) -> list[Path]:
    """The arena makes odd names plain; what they hold of a drop's stem stays."""
    return [folder / name for name in os.listdir(folder) if drop.stem in name]


def _beside(folder: Path, drop: Drop, suffix: str) -> dict[str, Any] | None:
    with suppress(FileNotFoundError, ValueError):
        for path in _of(folder, drop):
            if path.name.endswith(f".{suffix}"):
                found: dict[str, Any] = json.loads(path.read_bytes())
                return found
    return None


def _run_through(arena: LiveArena, trained: Sequence[Drop]) -> None:
    def done() -> bool:
        names = "/".join([*os.listdir(arena.world.recently_completed), *os.listdir(arena.world.failed)])
        return all(drop.stem in names for drop in trained)

    arena.wait_for(done, "all good quests are completed", seconds=90 + 5 * len(trained))
    arena.wait_for(lambda: arena.status.get("state") == "idle", "the daemon is idle")


def _drop_calmly(arena: LiveArena, drop: Drop) -> None:
    _drop(arena, drop.made_for(arena))
    arena.wait_for(lambda: _fate(arena, drop) is not None, f"{drop} is inspected")


class Watch:
    """The daemon and its gatekeepers: how they grow, and whether they die."""

    def __init__(self, arena: LiveArena) -> None:
        self._arena = arena
        self._before: dict[str, int] = {}
        self._most: dict[str, int] = {}
        self._gates: dict[str, set[int]] = {}
        """Process ids of the gatekeepers, and of those for large quests."""

    def look(self) -> None:
        for part, process in self._processes():
            with suppress(psutil.Error):
                size = process.memory_info().rss
                self._before.setdefault(part, size)
                self._most[part] = max(self._most.get(part, 0), size)

    def settle(self) -> None:
        """All is loaded that a first file needs; from here on growth counts."""
        self._before.clear()
        self.look()

    @property
    def growth(self) -> dict[str, int]:
        return {part: self._most[part] - before for part, before in self._before.items()}

    def crashes(self) -> list[str]:
        daemon = self._arena.daemon
        dead = [] if daemon is None or daemon.poll() is None else [f"the daemon ended with {daemon.returncode}"]
        return dead + [f"the {part} began {len(pids)} times" for part, pids in self._gates.items() if len(pids) > 1]

    def _processes(self) -> Iterator[tuple[str, psutil.Process]]:
        assert self._arena.daemon is not None
        with suppress(psutil.Error):
            daemon = psutil.Process(self._arena.daemon.pid)
            yield "daemon", daemon
            for child in daemon.children():
                with suppress(psutil.Error):
                    command = child.cmdline()
                    if "arena.gate" in command:
                        part = "gatekeepers of large quests" if command[-1] == gate_process.LARGE else "gatekeepers"
                        self._gates.setdefault(part, set()).add(child.pid)
                        yield part, child


def _figures(files: int, outcomes: Outcomes, watch: Watch, crashes: list[str], *, same: bool) -> list[Figure]:
    trained = len(outcomes.trained)
    growth = ", ".join(f"{part} {size / 1e6:+.0f} MB" for part, size in sorted(watch.growth.items()))
    small = len(watch.growth) >= 2 and max(watch.growth.values()) < LARGEST_GROWTH_BYTES
    return [
        Figure(promise="F1", what="files dropped", figure=f"{files}: {outcomes.refused} refused, {trained} trained"),
        none_of("F1", "crashes of daemon or gatekeepers", crashes, files),
        none_of("F1", "files of which nothing became", outcomes.hung, files),
        replace(
            none_of("F1", f"over {LONGEST_INSPECTION_SECONDS:.0f} s from the inbox to a verdict", outcomes.slow, files),
            timed=True,
        ),
        Figure(promise="F1", what="slowest verdict", figure=f"{outcomes.slowest:.2f} s ({outcomes.slowest_kind})"),
        none_of("F1", "bad files let through", outcomes.let_in, files),
        none_of("F1", "good files refused", outcomes.shut_out, files),
        none_of("F1", "refusals without the one reason, by kind and line", outcomes.untold, outcomes.refused),
        none_of("F1", "bad rows of good files not named by kind and line", outcomes.misnamed, trained),
        Figure(promise="F1", what="memory over that after the first file", figure=growth, wanted="+200 MB", kept=small),
        *(
            Figure(promise="F2", what=kind, figure=f"{seconds:.2f} s", wanted="5 s", kept=seconds <= 5, timed=True)
            for kind, seconds in outcomes.large.items()
        ),
        Figure(
            promise="F1",
            what="final weights and those without the bad files, SHA-256",
            figure="equal" if same else "different",
            wanted="equal",
            kept=same,
        ),
    ]
