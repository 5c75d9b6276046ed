"""Campaigns that show what holds under faults. Each prints a table and ends with 1 where a promise is broken."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from tests.campaigns.report import Figure, show, show_json

CAMPAIGNS = {
    "api": "whatever its document allows, and what it does not, asked of the API by schemathesis",
    "crash": "kill -9 at seeded instants, and at every write, fsync and rename of a save and of a quest's moves",
    "disk": "a full volume, ENOSPC and EIO at every point of a save",
    "drops": "two daemons, equal contents, slow writers and ten thousand files at once, through real daemons",
    "flip": "flipped bits, cut and swapped files in real checkpoints",
    "load": "hundreds who watch, some of whom do not read; restarts of the web server; what they cost a training hero",
    "large": "tests of the suite in their large form: the daemon at every write that fails, and more",
    "hostile": "hostile files of every kind in the inbox, with good quests in between",
    "models": "hostile model folders under an inference host that answers others",
    "vault": "the ledger, its copies and snapshots: flipped bits, falsified indexes, broken transfers, restores",
    "swap": "checkpoints loaded and unloaded under an inference host that answers",
}
SEED = 20_261_121


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/campaign.sh", description=__doc__)
    parser.add_argument(
        "name", choices=CAMPAIGNS, help="; ".join(f"{name}: {what}" for name, what in CAMPAIGNS.items())
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="the small form, about a minute")
    size.add_argument("--count", type=int, help="faults of each kind in place of the promised number")
    parser.add_argument("--seed", type=int, default=SEED, help=f"of all chance (default {SEED})")
    parser.add_argument("--json", action="store_true", help="one JSON object a line instead of a table")
    arguments = parser.parse_args()
    if arguments.count is not None and arguments.count < 1:
        parser.error("--count: at least 1")
    run: Callable[..., list[Figure]] = import_module(f"tests.campaigns.{arguments.name}").run
    with tempfile.TemporaryDirectory(prefix="realm-campaign-") as folder:
        figures = run(Path(folder), seed=arguments.seed, quick=arguments.quick, count=arguments.count)
    (show_json if arguments.json else show)(figures)
    return 0 if all(each.kept for each in figures) else 1


if __name__ == "__main__":
    raise SystemExit(main())
