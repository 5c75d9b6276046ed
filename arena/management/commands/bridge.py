"""`manage.py bridge tensorboard|trackio|wandb [BATTLE]`: a battle's curves in the files of a tool that one knows."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from arena.bridges.battle import battles
from arena.bridges.carrying import TOOLS, Carrier, tool_of
from arena.bridges.contract import MissingTool
from realm.disk import locks
from realm.processes import notify
from realm.weaver import service_lock

NICENESS = 10
NEWEST = 2
"""Of the battles that are followed: the one before may have ended since the last look."""
_HOW_TO_SEE = {
    "tensorboard": "tensorboard --logdir {out}",
    "trackio": "TRACKIO_DIR={out} trackio show",
    "wandb": "wandb leet {out}/wandb, or wandb sync {out}/wandb/*",
}


class Command(BaseCommand):
    help = "Carry curves, recipe and validation losses of battles to TensorBoard, trackio or W&B's offline files."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tool", choices=TOOLS)
        parser.add_argument("battle", nargs="?", metavar="BATTLE", help="its id, or how it begins; default: the newest")
        parser.add_argument("--all", action="store_true", help="every battle of this world")
        parser.add_argument("--follow", action="store_true", help="go on while they are fought, until Ctrl+C")
        parser.add_argument("--out", metavar="DIR", help="default: bridges/TOOL in the world")

    def handle(self, *args: Any, **options: Any) -> None:
        tool, world = options["tool"], settings.WORLD
        out = Path(options["out"]).expanduser().resolve() if options["out"] else world.bridges / tool
        if options["all"] and options["battle"]:
            raise CommandError("--all and the id of a battle exclude each other")
        chosen = _chosen(options["battle"], every=options["all"])
        if not chosen and not options["follow"]:
            raise CommandError("there is no battle yet")
        os.nice(NICENESS)  # training comes first
        ending = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: ending.set())
        try:
            found = tool_of(tool, out)
            with locks.only_one(out / ".bridge.lock"), Carrier(world, found, out) as carrier:
                if options["follow"]:
                    self.stdout.write(f"Battles are carried into {out}, until Ctrl+C.")
                    self.stdout.flush()
                    following = NEWEST if not options["battle"] and not options["all"] else 0
                    carrier.follow(
                        lambda: battles(world)[:following] if following else chosen, lambda s: _wait(ending, s)
                    )
                else:
                    for battle in chosen if not ending.is_set() else ():
                        self.stdout.write(f"{battle}: {carrier.carry(battle):,} points")
        except locks.Taken as taken:
            raise CommandError(
                f"another bridge writes into {out} already: {service_lock.in_words(str(taken))}"
            ) from taken
        except (MissingTool, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"To see them: {_HOW_TO_SEE[tool].format(out=out)}")


def _wait(ending: threading.Event, seconds: float) -> bool:
    notify.beat()
    return ending.wait(seconds)


def _chosen(battle: str | None, *, every: bool) -> list[str]:
    """Raises CommandError."""
    known = battles(settings.WORLD)
    if battle is None:
        return known if every else known[:1]
    named = [one for one in known if one == battle] or [one for one in known if one.startswith(battle)]
    if len(named) != 1:
        few = ", ".join(known[:5]) or "none"
        raise CommandError(f"{battle[:80]!r} names {len(named)} battles; the newest are {few}")
    return named
