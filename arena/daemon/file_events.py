"""Rings the daemon's bell when a file appears where it looks. A lost ring only costs time: it also looks by itself."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from watchdog.events import FileClosedEvent, FileCreatedEvent, FileMovedEvent, FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver
from watchdog.observers.polling import PollingObserver

from realm.world import PRIORITIES, World

log = logging.getLogger(__name__)

logging.getLogger("watchdog.observers.inotify").addFilter(
    lambda record: "called when the thread is inactive" not in record.msg
)
"""What an observer says as an error where it is told to stop while an event comes."""

TELLING = (FileClosedEvent, FileCreatedEvent, FileMovedEvent)


class _Bell(FileSystemEventHandler):
    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake

    def on_any_event(self, event: FileSystemEvent) -> None:
        if isinstance(event, TELLING):
            self._wake()


@contextmanager
def watching(world: World, wake: Callable[[], None]) -> Iterator[None]:
    """Watch inbox, lanes and control; by polling where the system's file events are used up."""
    try:
        observer = _start(Observer(), world, wake)
    except OSError as error:
        log.warning("no file events (%s): looking every 2 s instead", error)
        observer = _start(PollingObserver(timeout=2), world, wake)
    try:
        yield
    finally:
        observer.stop()
        observer.join()


def _start(observer: BaseObserver, world: World, wake: Callable[[], None]) -> BaseObserver:
    wake_up = _Bell(wake)
    observer.schedule(wake_up, str(world.inbox), recursive=True)
    for folder in (world.control, *(world.lane(priority) for priority in PRIORITIES)):
        observer.schedule(wake_up, str(folder))
    observer.start()
    return observer
