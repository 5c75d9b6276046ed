"""Campaigns that show what holds under faults. Each prints a table and ends with 1 where a promise is broken."""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from tests.campaigns.report import Figure, show, show_json
from tests.support import reaper

CAMPAIGNS = {
    "api": "whatever its document allows, and what it does not, asked of the API by schemathesis",
    "armed": "models that run a program when they are loaded carelessly, given to an inference host",
    "clocks": "the clock of a running realm is set: days, hours, both ends of summer time",
    "crash": "kill -9 at seeded instants, and at every write, fsync and rename of a save and of a quest's moves",
    "disk": "a full volume, ENOSPC and EIO at every point of a save",
    "doors": "wrong hosts at every server, and starts beyond loopback without login or token, in network namespaces",
    "drops": "two daemons, equal contents, slow writers and ten thousand files at once, through real daemons",
    "engines": "many conversations at once with llama.cpp and with the realm's own oracle, and files changed under it",
    "flip": "flipped bits, cut and swapped files in real checkpoints",
    "foreign_pages": "pages of other sites in Chromium at each of six servers that listen; a part of guard",
    "guard": "every route of every server, asked from pages of other sites",
    "hostile": "hostile files of every kind in the inbox, with good quests in between",
    "large": "tests of the suite in their large form: the daemon at every write that fails, and more",
    "load": "hundreds who watch, some of whom do not read; restarts of the web server; what they cost a training hero",
    "models": "hostile model folders under an inference host that answers others",
    "nodes": "two machines train together in network namespaces: the cable is pulled, each of their processes killed",
    "pages": "every page and the admin in Chromium, over a world whose every text is a payload",
    "paths": "every route that takes a path or a name, asked for what lies outside",
    "ranks": "kill -9 at seeded instants of launcher, ranks and daemon while two processes train together",
    "scale": "every page and scan of a world of 100,000 checkpoints, 50,000 quests and a battle of 1,000,000 steps",
    "scene": "the battle's page at twenty ticks a second, and through a day in fast motion",
    "secrets": "tokens of every purpose used everywhere, and then looked for",
    "servers": "a battle on PostgreSQL and Redis, both taken away meanwhile, followed through three web processes",
    "settings": "files of the settings broken at random, and variables of the environment",
    "sockets": "a thousand sockets over three web processes behind nginx, one of which is killed",
    "storage": "a bucket, and a mount with battles and checkpoints, that take five seconds a call while a hero trains",
    "swap": "checkpoints loaded and unloaded under an inference host that answers",
    "tiny": "ten thousand quests of one row: memory, open files, zombies and logs of every process",
    "vault": "the ledger, its copies and snapshots: flipped bits, falsified indexes, broken transfers, restores",
    "workers": "workers of five machines, killed while they evaluate; each checkpoint is evaluated exactly once",
    "weaver": "services killed and stopped by signals, the supervisor killed: what is back when, and nothing twice",
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
    with nothing_left_behind(), tempfile.TemporaryDirectory(prefix="realm-campaign-") as folder:
        figures = run(Path(folder), seed=arguments.seed, quick=arguments.quick, count=arguments.count)
    (show_json if arguments.json else show)(figures)
    return 0 if all(each.kept for each in figures) else 1


@contextmanager
def nothing_left_behind() -> Iterator[None]:
    """What a campaign has started ends with it, also where it is cut off; as a part of a test run, with that."""
    if reaper.VARIABLE in os.environ:
        yield
        return
    watching = reaper.start()
    try:
        yield
    finally:
        watching.communicate()


if __name__ == "__main__":
    raise SystemExit(main())
