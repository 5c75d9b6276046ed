"""All statistics of one battle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from arena.protocol import EventKind
from arena.statistics import anomalies, convergence, coverage, memory, thresholds, timing
from arena.statistics.anomalies import Anomaly, ErrorSummary
from arena.statistics.convergence import ConvergenceMetrics
from arena.statistics.coverage import UpdateCoverage
from arena.statistics.memory import MemoryReport
from arena.statistics.source import BEGINNINGS, Source
from arena.statistics.thresholds import Threshold
from arena.statistics.timing import Saves, Throughput, TimeSplit
from arena.steps import Records

_STATES = {
    EventKind.BATTLE_PAUSED: "paused",
    EventKind.BATTLE_STOPPED: "stopped",
    EventKind.BATTLE_COMPLETED: "completed",
    EventKind.BATTLE_FAILED: "failed",
}


@dataclass(frozen=True, kw_only=True)
class BattleStatistics:
    """Seconds, megabytes (10^6), losses in nats; shares run from 0 to 1. None: it was not measured."""

    battle: str
    hero: str | None
    quest: str | None
    state: str
    """`training` until its files say that it ended: `paused`, `stopped`, `completed` or `failed`; `waiting` before."""
    steps_done: int
    total_steps: int | None
    first_step: int | None
    """Of the hero's life, as `last_step`: what is there of this battle."""
    last_step: int | None
    eta_seconds: float | None
    elapsed_seconds: float
    cpu_cores: float | None
    """Kept busy by the trainer, on average."""
    convergence: ConvergenceMetrics
    update_coverage: UpdateCoverage | None
    """At the newest checkpoint."""
    throughput: Throughput
    time: TimeSplit
    memory: MemoryReport
    checkpoints: Saves
    thresholds: tuple[Threshold, ...]
    bottleneck: str | None
    bottleneck_summary: str
    anomalies: tuple[Anomaly, ...]
    errors: ErrorSummary


def of_battle(folder: Path) -> BattleStatistics:
    """The statistics of the battle whose files lie in `folder`, as they are now. Raises NoBattle.

    A million steps take 56 MB while they are reckoned.
    """
    return of_source(Source.open(folder))


def of_source(source: Source) -> BattleStatistics:
    """The same of files that were opened before."""
    records = source.records
    covered = coverage.of_checkpoints(source, records)
    newest = covered[-1] if covered else None
    time = timing.time_split(source, records)
    cores = timing.cpu_cores(source.events)
    remembered = memory.report(source, records)
    judged = thresholds.judge(
        source, time, memory=remembered, coverage=newest, cores=cores,
        seconds_per_step=time.active / len(records) if len(records) else None,
    )  # fmt: skip
    total = source.told("total_steps", *BEGINNINGS)
    total_steps = total if isinstance(total, int) else None
    return BattleStatistics(
        battle=source.battle,
        hero=source.order.hero if source.order else None,
        quest=source.order.quest if source.order else None,
        state=_state(source),
        steps_done=int(records["quest_step"][-1]) if len(records) else 0,
        total_steps=total_steps,
        first_step=_step(records, 0),
        last_step=_step(records, -1),
        eta_seconds=timing.eta_seconds(source, records, total_steps),
        elapsed_seconds=time.elapsed,
        cpu_cores=cores,
        convergence=convergence.metrics(source, records["step"], records["loss"].astype(np.float64)),
        update_coverage=newest,
        throughput=timing.throughput(source, records),
        time=time,
        memory=remembered,
        checkpoints=timing.saves(source),
        thresholds=judged.thresholds,
        bottleneck=judged.bottleneck,
        bottleneck_summary=judged.summary,
        anomalies=tuple(anomalies.detect(source, records, covered)),
        errors=anomalies.error_summary(source, len(records)),
    )


def document(statistics: object) -> dict[str, Any]:
    """A dataclass of this room as JSON has it: objects by the fields' names, null for what is no finite number."""
    value: dict[str, Any] = orjson.loads(orjson.dumps(statistics))
    return value


def _state(source: Source) -> str:
    if source.ending:
        return _STATES[source.ending.kind]
    return "training" if source.newest(*BEGINNINGS) or source.count else "waiting"


def _step(records: Records, place: int) -> int | None:
    return int(records["step"][place]) if len(records) else None
