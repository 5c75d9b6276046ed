"""A1 once more, with two processes that train together: launcher, ranks and daemon are killed at seeded instants."""

from __future__ import annotations

from pathlib import Path

import psutil

from tests.campaigns import storm
from tests.campaigns.report import Figure, none_of
from tests.support import tiny_hero
from tests.support.live_arena import LiveArena

KILLS, ROWS = 50, 1000
KILLS_A_QUEST = 2
"""So that a checkpoint lies between them: a quest whose trainer dies three times without one is set aside."""
QUICK_KILLS, QUICK_QUESTS, QUICK_ROWS = 2, 1, 600
TARGETS = ("launcher", "rank 0", "rank 1", "daemon")
TOGETHER = {"processes": 2, "rows_per_micro_batch": 2}
GONE_WITHIN_SECONDS = 40.0
"""Of a group of which one was killed: what is still there then is there for good."""


class Group:
    """Strikes at the processes of a group, and remembers which of them stayed."""

    def __init__(self) -> None:
        self.struck: list[psutil.Process] = []

    def strike(self, arena: LiveArena, target: str) -> bool:
        """A storm.Strike."""
        launcher, ranks = members(arena)
        self.struck += [launcher, *ranks] if launcher else []
        if target == "daemon":
            arena.kill_daemon()
            return False
        aimed = launcher if target == "launcher" else next(iter(ranks[int(target[-1]) :]), None)
        if aimed is None:  # the group is starting
            return False
        aimed.kill()
        return True

    def stayed(self) -> list[str]:
        _, left = psutil.wait_procs(self.struck, timeout=GONE_WITHIN_SECONDS)
        return [f"{process.pid}" for process in left]


def members(arena: LiveArena) -> tuple[psutil.Process | None, list[psutil.Process]]:
    """The launcher and its ranks, in order, as far as they are there."""
    try:
        launcher = psutil.Process(arena.trainer_pid or -1)
        ranks = {int(each.environ()["RANK"]): each for each in launcher.children() if "RANK" in each.environ()}
    except (psutil.Error, ValueError):
        return None, []
    return launcher, [ranks[number] for number in sorted(ranks)]


def run(folder: Path, *, seed: int, quick: bool, count: int | None) -> list[Figure]:
    kills = count or (QUICK_KILLS if quick else KILLS)
    quests, rows = (QUICK_QUESTS, QUICK_ROWS) if quick else (max(1, kills // KILLS_A_QUEST), ROWS)
    base = tiny_hero.make_base(folder / "base")
    scratch = folder / "scratch"
    scratch.mkdir()
    calm, stormy = (
        LiveArena(folder / name, base, training=TOGETHER, TMPDIR=str(scratch)) for name in ("calm", "stormy")
    )
    names = {f"quest-{number:02}" for number in range(quests)}
    for arena in (calm, stormy):
        for number, name in enumerate(sorted(names)):
            arena.drop(f"{name}.jsonl", rows, seed=number)
    group = Group()
    try:
        calm.start()
        storm.run_through(calm, quests)
        total = storm.check_each_step_once(calm, names)
        deaths, losses = storm.rage(
            stormy, kills=kills, quests=quests, steps=total, seed=seed, strike=group.strike, targets=TARGETS
        )
        storm.run_through(stormy, quests)
        stayed = group.stayed()
    finally:
        for arena in (calm, stormy):
            arena.stop()
    figures = storm.figures_of(calm, stormy, names=names, wanted_kills=kills, deaths=deaths, losses=losses)
    return [
        *figures,
        none_of("A1", "processes of a struck group that stayed", stayed, len(group.struck)),
        none_of("A1", "temporary folders of killed groups that stayed", _scratch_of_groups(scratch), kills),
    ]


def _scratch_of_groups(scratch: Path) -> list[str]:
    """What torch compiles it keeps on purpose."""
    return sorted(path.name for path in scratch.iterdir() if not path.name.startswith("torchinductor"))
