"""A battle's streams, all append-only: `steps.bin` (fixed-width records) with `worst_rows.bin` beside it, and
`events.jsonl` (rising `seq`). They are written in the order in which things were told, beside the training."""

from __future__ import annotations

import errno
import logging
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from arena import battle_errors, worst_rows
from arena.battle_errors import errors_by_kind
from arena.protocol import EVENTS_FILE, STEP_DTYPE, STEPS_FILE, Event, EventKind, StepRecord
from arena.training.reporting.log_writer import LogWriter
from arena.training.reporting.metrics import MeasuredStep
from arena.training.reporting.progress_log import ProgressLog, log_errors, log_event
from arena.training.saving.full_disk import Room
from arena.worst_rows import WORST_ROWS_FILE
from realm.disk import durable

log = logging.getLogger(__name__)


class BattleLog:
    """Opened once a run. What a killed run left half-written is cut off first."""

    def __init__(self, folder: Path, *, on_event: Callable[[Event], None], room: Room, writes: bool = True) -> None:
        """With `writes` off it remembers and writes nothing: another rank of the run keeps the log."""
        self._on_event = on_event
        self._room = room
        self.writes = writes
        self._folder = folder
        self._events_path = folder / EVENTS_FILE
        self._progress = ProgressLog(folder.name)
        self.events = _whole_events(self._events_path)
        self._steps: BinaryIO = open(folder / STEPS_FILE, "ab", buffering=0)  # noqa: SIM115 - closed by close()
        self._worst_rows: BinaryIO = open(folder / WORST_ROWS_FILE, "ab", buffering=0)  # noqa: SIM115
        # A step's rows before it: who sees the step finds them.
        self._writer = LogWriter(self._append, order=(self._worst_rows, self._steps), name=folder.name)

    def cut_steps_after(self, step: int) -> None:
        """Drop records of steps that the checkpoint does not know: they are about to be done again."""
        if not self.writes:
            return
        self._writer.flush()
        for file, dtype in ((self._steps, np.dtype(STEP_DTYPE)), (self._worst_rows, worst_rows.DTYPE)):
            os.truncate(file.name, len(_records_until(Path(file.name), dtype, step)) * dtype.itemsize)

    def losses_until(self, step: int) -> Iterator[tuple[int, float]]:
        """Step and loss of this battle's records up to the hero's `step`, in order."""
        self._writer.flush()
        records = _records_until(Path(self._steps.name), np.dtype(STEP_DTYPE), step)
        return zip(records["step"].tolist(), records["loss"].tolist(), strict=True)

    def add_step(self, record: StepRecord, *, total_steps: int) -> None:
        """Returns at once; it is written as soon as the folder takes it."""
        if self.writes:
            if isinstance(record, MeasuredStep) and record.worst_rows:
                self._writer.append(self._worst_rows, record.worst_rows.pack())
            self._writer.append(self._steps, record.pack())
            self._progress.add(record, total_steps=total_steps)

    def _append(self, file: BinaryIO, data: bytes) -> None:
        self._room.write(lambda: _append_whole(file, data), where=self._folder)

    def sync(self) -> None:
        """Until all that was told is on the disk: what a checkpoint builds on."""
        self._writer.flush()
        for file in (self._steps, self._worst_rows):
            os.fsync(file.fileno())

    def write(self, kind: EventKind, *, step: int, message: str, **data: Any) -> Event:
        """Append an event; when this returns it is on disk, but where the folder is slow: then it will be.

        One that ends the battle is on disk always, and says all that went wrong in it.
        """
        seq = self.events[-1].seq + 1 if self.events else 1
        event = Event(seq=seq, time=time.time(), kind=kind, step=step, message=message, data=data)
        if event.is_ending:
            errors = errors_by_kind([*self.events, event])
            event = replace(event, data={**data, "errors": battle_errors.to_data(errors)})
        self.events.append(event)
        if self.writes:
            self._writer.do(lambda: self._append_event(event), must=event.is_ending)
            log_event(self._folder.name, event)
            if event.is_ending:
                log_errors(self._folder.name, errors)
        return event

    def write_file(self, path: Path, value: Any) -> None:
        """A JSON file of the battle's, whole before the next event is told."""
        if self.writes:
            where = self._folder
            self._writer.do(lambda: self._room.write(lambda: _write_json(path, value), where=where))

    def _append_event(self, event: Event) -> None:
        self._room.write(lambda: durable.append_line(self._events_path, event.to_line()), where=self._folder)
        self._on_event(event)

    def has(self, kind: EventKind, **data: Any) -> bool:
        """Whether an event of this kind with these data was written, by this run or a killed one, and holds yet."""
        return any(data.items() <= event.data.items() for event in self.standing(kind))

    def standing(self, kind: EventKind) -> Iterator[Event]:
        """Events of this kind, the newest first, without those of steps that were undone since and go otherwise now."""
        undone_after = math.inf
        for event in reversed(self.events):
            if event.kind == kind and event.step <= undone_after:
                yield event
            if event.data.get("undone_after") is not None:
                undone_after = min(undone_after, event.data["undone_after"])

    def close(self) -> None:
        self._writer.close()
        try:
            self.sync()
        finally:
            self._steps.close()
            self._worst_rows.close()


def _records_until(path: Path, dtype: np.dtype[np.void], step: int) -> npt.NDArray[np.void]:
    """Whole records as long as their steps rise: what a power loss left of later ones may be zeros."""
    records = np.fromfile(path, dtype)
    sound = (np.diff(records["step"], prepend=0) > 0) & (records["step"] <= step)
    return records if sound.all() else records[: int(sound.argmin())]


def _write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    durable.write_json(path, value)


def _append_whole(file: BinaryIO, data: bytes) -> None:
    """A full disk may take a part of it, which is cut off again."""
    size = os.fstat(file.fileno()).st_size
    try:
        if file.write(data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), file.name)
    except OSError:
        os.truncate(file.name, size)
        raise


def _whole_events(path: Path) -> list[Event]:
    if not path.exists():
        return []
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) != len(data):
        os.truncate(path, len(whole))
    return [event for line in whole.split(b"\n")[:-1] if (event := _event(line))]


def _event(line: bytes) -> Event | None:
    """What a power loss left of a line that was never synced is passed over. It stays: the daemon has read it, too."""
    try:
        return Event.from_line(line)
    except ValueError as error:
        log.error("a line of %s is no event: %s", EVENTS_FILE, error)
        return None
