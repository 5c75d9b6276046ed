"""Carries out one run in this process, whatever its kind, and notes how it ended."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any, NamedTuple

from django.db import transaction

from guild.errors import GuildError
from guild.models import Run
from guild.work import forging, outbox, runs, sparring, trials
from guild.work.runs import StopAsked, Watch
from guild.workers.claims import Claim
from realm import strict
from realm.hosts import UnknownHost
from realm.oracle.errors import HostTrouble
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
    claim: Claim | None = None,
    instead: Mapping[str, Any] | None = None,
) -> Run:
    """Claim the run and see it through. Raises GuildError if it is not to be had; how it ends is in its row.

    A worker performs it by the `claim` of its job: what it makes lies in the database as soon as the run is completed.
    `instead` of some parameters are what they meant on the machine that knows, such as `newest`.
    """
    run = runs.claim(run_id, claim)
    kind = _KINDS[Run.Kind(run.kind)]
    try:
        with outbox.of_run(world, run) as inbox:
            watch = Watch(run, stop=stop, on_progress=on_progress, inbox=inbox)
            result = kind.perform(world, {**run.parameters, **(instead or {})}, watch)
            with transaction.atomic():
                if runs.finish(run, outbox.told(result, inbox), message=kind.in_words(result)) and inbox:
                    outbox.ship(run, inbox)
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
