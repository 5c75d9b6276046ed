"""Forks that reach for one world's daemon lock at the same instant: `python -m tests.campaigns.racers RACES FORKS`.

Prints a JSON object a race: process ids that `served`, and what those that were `refused` said.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier, Event

import django
from django.conf import settings

TIMEOUT_SECONDS = 30.0
FORK = multiprocessing.get_context("fork")


def race(forks: int) -> dict[str, list[str]]:
    line, over = FORK.Barrier(forks), FORK.Event()
    said: SimpleQueue[tuple[str, str]] = FORK.SimpleQueue()
    racers = [FORK.Process(target=_reach, args=(line, said, over), daemon=True) for _ in range(forks)]
    for racer in racers:
        racer.start()
    words = [said.get() for _ in racers]
    over.set()
    for racer in racers:
        racer.join(TIMEOUT_SECONDS)
    return {outcome: [word for how, word in words if how == outcome] for outcome in ("served", "refused")}


def _reach(line: Barrier, said: SimpleQueue[tuple[str, str]], over: Event) -> None:
    from arena.daemon.loop import AnotherDaemon, only_daemon

    line.wait(TIMEOUT_SECONDS)
    try:
        with only_daemon(settings.WORLD):
            said.put(("served", str(os.getpid())))
            over.wait(TIMEOUT_SECONDS)
    except AnotherDaemon as refusal:
        said.put(("refused", str(refusal)))


if __name__ == "__main__":
    django.setup()
    import arena.daemon.loop  # noqa: F401  # before the forks, so that they start even

    for _ in range(int(sys.argv[1])):
        print(json.dumps(race(int(sys.argv[2]))))
