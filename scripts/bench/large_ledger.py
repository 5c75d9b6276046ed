"""P14, second part: what it takes to scan and to ask a ledger of 100,000 checkpoints; each in a process of its own."""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from realm.checkpoints import sidecar
from realm.checkpoints.names import canonical_name
from realm.checkpoints.sidecar import FileProof, MeasuredOver
from realm.disk import durable
from realm.world import World
from scripts.bench import runs
from tests.support.checkpoints import WEIGHTS, a_sidecar

CHECKPOINTS, QUICK_CHECKPOINTS = 100_000, 2_000
HERO = "DIO"
_DATA = b"weights"


def measure(folder: Path, *, repeats: int, quick: bool) -> dict[str, Any]:
    """Medians of `repeats` questions in milliseconds, after one that nobody counts."""
    count = QUICK_CHECKPOINTS if quick else CHECKPOINTS
    world = make_world(folder / "world", count)
    first, again = _process("scan", world), _process("scan", world)
    asked = _process("ask", world, str(repeats))
    return runs.row(
        "P14", asked["list_all"], None, f"ms for list_all(limit=20) of a ledger of {count} checkpoints",
        **{f"{name}_ms": value for name, value in asked.items() if name != "list_all"},
        scan_seconds=first["seconds"], scan_peak_mb=first["peak_mb"],
        scan_again_seconds=again["seconds"], scan_again_peak_mb=again["peak_mb"],
    )  # fmt: skip


def make_world(home: Path, count: int) -> World:
    """Of tiny checkpoints, saved every ten steps and a minute apart; nothing is synced."""
    world = World(home)
    world.create()
    hero = world.heroes / HERO
    hero.mkdir()
    proof = FileProof(sha256=hashlib.sha256(_DATA).hexdigest(), size_bytes=len(_DATA))
    like, start, parent = a_sidecar(1, hero=HERO), datetime(2026, 1, 1, tzinfo=UTC), None
    for number in range(1, count + 1):
        moment = start + timedelta(minutes=number)
        name = canonical_name(number * 10, moment)
        said = replace(
            like, name=name, step=number * 10, created_at=moment.isoformat(), parent=parent, files={WEIGHTS: proof},
            train_loss=1 + (number * 7919 % count) / count, val_loss=1 + (number * 104_729 % count) / count,
            val_set=MeasuredOver(name="taught", rows=20, sha256="a" * 64),
        )  # fmt: skip
        (hero / name).mkdir()
        (hero / name / WEIGHTS).write_bytes(_DATA)
        (hero / name / sidecar.SIDECAR).write_bytes(durable.encode_json(sidecar.seal(asdict(said))))
        parent = name
    return world


def _process(what: str, world: World, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "scripts.bench.large_ledger", what, *arguments],
        check=True, stdout=subprocess.PIPE, text=True, env=os.environ | {"REALM_HOME": str(world.home)},
    )  # fmt: skip
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def scan() -> dict[str, Any]:
    from django.conf import settings

    from realm.databases.database import migrate_if_needed
    from vault import index

    migrate_if_needed()
    seconds = runs.timed(lambda: index.scan(settings.WORLD))
    return {"seconds": round(seconds, 1), "peak_mb": runs.peak_mb()}


def ask(repeats: int) -> dict[str, float]:
    from vault.ledger.local import get_ledger

    ledger = get_ledger(HERO)
    middle = ledger.list_all(limit=1)[0].step // 20 * 10
    questions: dict[str, Callable[[], object]] = {
        "list_all": lambda: ledger.list_all(limit=20),
        "get": lambda: ledger.get(middle),
        "get_latest": ledger.get_latest,
        "get_best": ledger.get_best,
        "get_best_val_loss": lambda: ledger.get_best("val_loss"),
        "get_best_levels": lambda: ledger.get_best("levels"),
    }
    return {name: _median_ms(question, repeats) for name, question in questions.items()}


def _median_ms(question: Callable[[], object], repeats: int) -> float:
    question()
    return round(1000 * statistics.median(runs.timed(question) for _ in range(repeats)), 2)


if __name__ == "__main__":
    from realm.standalone import ensure_django

    ensure_django()
    print(json.dumps(scan() if sys.argv[1] == "scan" else ask(int(sys.argv[2]))))
