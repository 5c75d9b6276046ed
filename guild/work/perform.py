"""Carries out one run in this process, whatever its kind, and notes how it ended."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from types import FrameType
from typing import Any, NamedTuple

from guild.errors import GuildError
from guild.models import Run
from guild.work import forging, runs, sparring, trials
from guild.work.runs import StopAsked, Watch
from realm import strict
from realm.hosts import UnknownHost
from realm.oracle.sync_client import HostTrouble
from realm.world import World


class _Kind(NamedTuple):
    perform: Callable[[World, dict[str, Any], Watch], Any]
    in_words: Callable[[Any], str]


_KINDS = {
    Run.Kind.FORGE: _Kind(forging.perform, forging.in_words),
    Run.Kind.TRIAL: _Kind(trials.perform, trials.in_words),
    Run.Kind.SPARRING: _Kind(sparring.perform, sparring.in_words),
}
_TROUBLES = (GuildError, HostTrouble, UnknownHost, strict.BadConfig, OSError)
"""What is told in one sentence; all else is an error of the realm's own and is raised."""


def perform(
    world: World,
    run_id: int,
    *,
    stop: threading.Event | None = None,
    on_progress: Callable[[Run], None] = lambda run: None,
) -> Run:
    """Claim the run and see it through. Raises GuildError if it is not to be had; how it ends is in its row."""
    run = runs.claim(run_id)
    kind = _KINDS[Run.Kind(run.kind)]
    try:
        result = kind.perform(world, run.parameters, Watch(run, stop=stop, on_progress=on_progress))
        runs.finish(run, asdict(result), message=kind.in_words(result))
    except StopAsked:
        runs.stopped(run)
    except _TROUBLES as error:
        runs.fail(run, str(error))
    except BaseException as error:
        runs.fail(run, f"an error of the realm's own: {type(error).__name__}: {error}")
        raise
    return run


@contextmanager
def stop_on_signal() -> Iterator[threading.Event]:
    """SIGTERM and Ctrl+C ask the run to stop; a second one ends the process as usual."""
    stop = threading.Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def ask(number: int, frame: FrameType | None) -> None:
        stop.set()
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, ask)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
