"""The admin's lists with 100,000 checkpoints, assets, copies and lines of history; in one process."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from realm.world import World
from scripts.bench import runs

ROWS, QUICK_ROWS = 100_000, 2_000
START = datetime(2025, 1, 1, tzinfo=UTC)
PAGES = {
    "checkpoints": "checkpoint/",
    "checkpoints_last_page": "checkpoint/?p={pages}",
    "checkpoints_filtered": "checkpoint/?protected=True&hero=DIO",
    "checkpoints_by_size": "checkpoint/?o=4",
    "checkpoints_step": "checkpoint/?q=1234",
    "checkpoints_text": "checkpoint/?q=-1230",
    "checkpoints_common_text": "checkpoint/?q=quest",
    "ledger": "ledger/",
    "assets": "asset/",
    "locations": "location/",
    "locations_damaged": "location/?state=damaged",
    "locations_text": "location/?q=-1230",
    "history": "historyentry/",
}


def measure(folder: Path, *, repeats: int, quick: bool) -> dict[str, Any]:
    """Medians of `repeats` requests in milliseconds of one core, which the database in the same process shares."""
    world = World(folder / "world")
    command = [sys.executable, "-m", "scripts.bench.admin_lists", str(QUICK_ROWS if quick else ROWS), str(repeats)]
    environment = os.environ | {"REALM_HOME": str(world.home), "DJANGO_SETTINGS_MODULE": "realm.settings"}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    took: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return runs.row(
        "admin", max(took.values()), None, "ms of one core for the slowest of the admin's lists, median", **took
    )


def fill(count: int) -> None:
    from vault.assets.ids import checkpoint_id
    from vault.models import Asset, Checkpoint, HistoryEntry, Location

    moments = [START + timedelta(minutes=number) for number in range(1, count + 1)]
    names = [f"checkpoint-{number}-{moment:%Y%m%d-%H%M}" for number, moment in enumerate(moments, 1)]
    Checkpoint.objects.bulk_create(
        (
            Checkpoint(
                name=name, hero="DIO", step=number, created_at=moment, train_loss=2000 / number, learning_rate=2e-4,
                epoch=number // 1000, skill=("bin", "sy")[number % 2], level=number % 10, quest=f"quest-{number // 99}",
                battle=f"battle-{number // 500}", branch=("", "b2")[number % 3 > 1], size_bytes=number * 9973 % 10**9,
                protected=number % 50 == 0, weights_only=number % 3 > 0, verified_at=moment if number % 2 else None,
                sidecar_sha256="a" * 64,
            )
            for number, (name, moment) in enumerate(zip(names, moments, strict=True), 1)
        ),
        batch_size=2000,
    )  # fmt: skip
    assets = Asset.objects.bulk_create(
        (
            Asset(asset_id=checkpoint_id("DIO", name), kind="checkpoint", name=name, hero="DIO", step=number,
                  size_bytes=10**9, created_at=moment)
            for number, (name, moment) in enumerate(zip(names, moments, strict=True), 1)
        ),
        batch_size=2000,
    )  # fmt: skip
    Location.objects.bulk_create(
        (
            Location(asset=asset, stronghold=("local", "nas")[number % 2], path=asset.name, size_bytes=10**9,
                     seen_at=START, state=("present", "damaged")[number % 97 == 0])
            for number, asset in enumerate(assets)
        ),
        batch_size=2000,
    )  # fmt: skip
    HistoryEntry.objects.bulk_create(
        (
            HistoryEntry(seq=number, time=START, action=("save", "drop")[number % 2], asset_id=asset.asset_id, by="a")
            for number, asset in enumerate(assets, 1)
        ),
        batch_size=2000,
    )  # fmt: skip


def ask(count: int, repeats: int) -> dict[str, float]:
    from django.contrib.auth.models import User
    from django.test import Client

    client = Client(headers={"host": "localhost"})
    client.force_login(User.objects.create(username="bench", is_staff=True, is_superuser=True))
    return {name: _median(client, path.format(pages=count // 50), repeats) for name, path in PAGES.items()}


def _median(client: Any, path: str, repeats: int) -> float:
    took = []
    for _ in range(repeats + 1):
        began = time.process_time()
        assert client.get(f"/admin/vault/{path}").status_code == 200
        took.append((time.process_time() - began) * 1000)
    return round(statistics.median(took[1:]), 1)


if __name__ == "__main__":
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    rows = int(sys.argv[1])
    fill(rows)
    print(json.dumps(ask(rows, int(sys.argv[2]))))
