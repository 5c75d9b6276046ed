"""How far a fresh embedded hero climbs by itself: an empty world, auto-play, nobody looks on.

`.venv/bin/python -m scripts.climb --minutes 30 [--world FOLDER] [--json]` starts the arena alone and tells, at 10, 20
and 30 minutes, the level of each skill; then when each level was won, what was lost again, how many steps a second a
battle did, all its checkpoints and evaluations within, and how long the trainer stood idle between two quests: until
the next one had passed the gate, and from there until its first step. Not a test: figures depend on the machine and on
what else runs on it. `won_at_cpu_seconds` depends on that less: seconds of the arena, its gatekeepers and its trainer
together, which on one core is the time that passes. OMP_NUM_THREADS=1 keeps the trainer on one.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

Told = tuple[str, float, int, dict[str, Any]]
"""What happened, seconds since the start, step, data."""
CHECKOUT = Path(__file__).resolve().parent.parent
MARK_MINUTES = 10
LOOK_SECONDS = 5.0
GRACE_SECONDS = 60.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.climb", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--world", type=Path, help="an empty or new folder that stays; default a temporary one")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="realm-climb-") as folder:
        result = climb(arguments.world or Path(folder), minutes=arguments.minutes, tell=not arguments.json)
    print(json.dumps(result, ensure_ascii=False, indent=None if arguments.json else 1))


def climb(world: Path, *, minutes: float, tell: bool) -> dict[str, Any]:
    """What came of it; with `tell` also a line at every mark."""
    environment = os.environ | {"REALM_HOME": str(world), "REALM_AUTOPLAY": "1"}
    manage = [sys.executable, str(CHECKOUT / "manage.py")]
    subprocess.run([*manage, "migrate", "-v0"], check=True, env=environment, cwd=CHECKOUT)
    marks: dict[str, dict[str, int]] = {}
    with arena_of([*manage, "arena"], environment, log=world / "climb.log") as arena:
        started = time.time()
        mark = float(MARK_MINUTES)
        cpu_seconds: dict[str, float] = {}
        while (passed := (time.time() - started) / 60) < minutes:
            if arena.poll() is not None:
                raise SystemExit(f"the arena ended with {arena.returncode}; see {world / 'climb.log'}")
            if passed >= mark:
                marks[f"{mark:g} min"] = _levels(world)
                mark += MARK_MINUTES
            if tell:
                _say(f"{passed:5.1f} min  {_in_words(world)}")
            pause = min(LOOK_SECONDS if passed < 1 else 6 * LOOK_SECONDS, max(0.1, (minutes - passed) * 60))
            _watch_cpu(world, arena.pid, cpu_seconds, until=time.monotonic() + pause)
        marks[f"{minutes:g} min"] = _levels(world)
    return {"levels": marks, "won_at_cpu_seconds": cpu_seconds} | _summary(world, started)


def _watch_cpu(world: Path, pid: int, found: dict[str, float], *, until: float) -> None:
    """Note at what CPU time a level was first seen won."""
    while (left := until - time.monotonic()) > 0:
        won = [f"{skill} {level - 1}" for skill, level in _levels(world).items() if level > 1]
        found |= {name: _cpu_seconds(pid) for name in won if name not in found}
        time.sleep(min(left, 0.5))


def _cpu_seconds(pid: int) -> float:
    """Of a process and all that it has started, those that ended with them."""
    total = 0.0
    arena = psutil.Process(pid)
    for process in (arena, *arena.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            total += sum(process.cpu_times()[:4])
    return round(total, 1)


@contextmanager
def arena_of(command: list[str], environment: dict[str, str], *, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with open(log, "wb") as output:
        process = subprocess.Popen(command, env=environment, cwd=CHECKOUT, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _rows(world: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{world / 'realm.sqlite3'}?mode=ro", uri=True, timeout=20)) as database:
        return database.execute(query).fetchall()


def _levels(world: Path) -> dict[str, int]:
    return dict(_rows(world, "select skill, level from guild_skillprogress order by skill"))


def _in_words(world: Path) -> str:
    newest = _rows(world, "select step, skill, level, correct, total from guild_evaluation order by id desc limit 1")
    said = [f"{skill} level {level}" for skill, level in _levels(world).items()] or ["no level won yet"]
    said += [f"step {step}: {skill} {level}: {right}/{total}" for step, skill, level, right, total in newest]
    return ", ".join(said)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _summary(world: Path, started: float) -> dict[str, Any]:
    told = _rows(world, "select kind, time, step, data from arena_chronicleentry order by id")
    said = [(kind, _seconds(when) - started, step, json.loads(data)) for kind, when, step, data in told]
    gaps = list(_gaps(said))
    fought = list(_fought(said))
    return {
        "won_at_minutes": {
            f"{data['skill']} {data['level']}": round(when / 60, 1)
            for kind, when, _, data in said
            if kind == "skill_level_up"
        },
        "hero_levels_at_minutes": {
            data["level"]: round(when / 60, 1) for kind, when, _, data in said if kind == "hero_level_up"
        },
        "lost": sum(kind == "skill_level_lost" for kind, *_ in said),
        "regained": sum(kind == "skill_level_regained" for kind, *_ in said),
        "quests": sum(kind == "quest_completed" for kind, *_ in said),
        "steps": max((step for _, _, step, _ in said), default=0),
        "evaluations": _rows(world, "select count(*) from guild_evaluation")[0][0],
        "steps_per_second_in_battle": round(sum(steps for steps, _ in fought) / sum(took for _, took in fought), 2)
        if fought
        else None,
        "idle_seconds_between_quests": {
            "all": _spread([gate + trainer for gate, trainer in gaps]),
            "until_it_has_passed_the_gate": _spread([gate for gate, _ in gaps]),
            "until_the_first_step": _spread([trainer for _, trainer in gaps]),
        }
        if gaps
        else None,
        "answering_seconds": round(_rows(world, "select total(seconds) from guild_evaluation")[0][0], 1),
        "first_step_seconds": next((round(when, 1) for kind, when, *_ in said if kind == "battle_started"), None),
        "cores": os.cpu_count(),
    }


def _gaps(said: list[Told]) -> Iterator[tuple[float, float]]:
    """Seconds from the end of a battle until a quest has arrived, and from there to the beginning of the next battle.

    A quest that had arrived before was not waited for.
    """
    ended = arrived = None
    for kind, when, *_ in said:
        if kind == "battle_completed":
            ended = arrived = when
        elif kind == "quest_arrived" and arrived == ended:
            arrived = when
        elif kind == "battle_started" and ended is not None and arrived is not None:
            yield arrived - ended, when - arrived
            ended = arrived = None


def _fought(said: list[Told]) -> Iterator[tuple[int, float]]:
    """Steps and seconds of each battle that was fought to its end."""
    begun: tuple[int, float] | None = None
    for kind, when, step, _ in said:
        if kind == "battle_started":
            begun = step, when
        elif kind == "battle_completed" and begun:
            yield step - begun[0], when - begun[1]
            begun = None


def _spread(seconds: list[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(seconds), 2),
        "longest": round(max(seconds), 2),
        "sum": round(sum(seconds), 1),
    }


def _seconds(text: str) -> float:
    """Django writes UTC without saying so."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


if __name__ == "__main__":
    main()
