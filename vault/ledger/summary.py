"""A hero's ledger at a glance, also as `status/checkpoint_ledger.json`: a view that is made anew, never the truth."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from realm.disk import durable
from realm.world import World
from vault.ledger.entries import record
from vault.ledger.local import Ledger, active_hero
from vault.models import Checkpoint

FILE = "checkpoint_ledger.json"
MOST_RECORDS = 200
METRICS = ("train_loss", "val_loss", "levels")


def summarize(ledger: Ledger) -> dict[str, Any]:
    """`hero`, `count`, `latest` and, by metric, `best`: records, or None where there is none."""
    best = {metric: ledger.get_best(metric) for metric in METRICS}
    latest = ledger.get_latest()
    return {
        "hero": ledger.hero,
        "count": Checkpoint.objects.filter(hero=ledger.hero).count(),
        "latest": record(latest) if latest else None,
        "best": {metric: record(entry) if entry else None for metric, entry in best.items()},
    }


def write_summary(world: World) -> None:
    """Of the active hero, with its newest checkpoints."""
    ledger = Ledger(world, active_hero(world))
    told = summarize(ledger) | {
        "checkpoints": [record(entry) for entry in ledger.list_all(limit=MOST_RECORDS)],
        "updated_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }
    durable.write_json(world.status / FILE, told, sync=False)
