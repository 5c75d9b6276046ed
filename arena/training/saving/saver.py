"""Checkpoints written behind the training's back, one at a time.

Training stops only while the state is copied. The copy waits for the loss that the next step measures with the very
weights it holds, then a thread of its own writes it; only when it lies on the disk is it announced.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from arena.hero.model import Hero
from arena.training.saving import checkpoint
from arena.training.saving.checkpoint import Captured, Copies
from arena.training.saving.full_disk import Left, Room
from arena.training.saving.patience import Patience
from realm.checkpoints.cursor import Cursor
from realm.checkpoints.sidecar import Sidecar

log = logging.getLogger(__name__)

RETRY_SECONDS = 5.0
LOOK_SECONDS = 0.1
LONGEST_SAVE_SECONDS = 3600.0
"""A save that is waited for longer than this is no longer taken for one that gets on."""


class SaveFailed(Exception):
    """A checkpoint could not be written, the second time either; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A checkpoint on its way to the disk."""

    hero: Hero
    captured: Captured
    step: int
    cursor: Cursor
    mode: str
    facts: dict[str, Any]
    compresses: bool
    """Whether its moments are written as a smaller file."""
    told: dict[str, Any]
    """What the event that announces it says beside; while it is written more is added."""
    measure: Callable[[Captured], dict[str, Any]] = lambda captured: {}
    """Asked once it is written, on the writing thread; what it gives is told, too."""


class Saver:
    """At most one draft waits for its loss, and at most one is being written: the same one."""

    def __init__(
        self,
        hero_folder: Path,
        room: Room,
        device: torch.device,
        *,
        before_writing: Callable[[], None],
        while_waiting: Callable[[], None] = lambda: None,
        writes: bool = True,
    ) -> None:
        """`before_writing` brings to the disk what a checkpoint builds on; it runs on the writing thread.
        `while_waiting` is called again and again while `finished` waits for one.

        With `writes` off only `capture` may be called: another rank keeps the copies.
        """
        self._folder = hero_folder
        self._room = room
        self._before_writing = before_writing
        self._while_waiting = while_waiting
        self._copies = Copies(device, keeps=writes)
        self._waiting: Draft | None = None
        self._thread: threading.Thread | None = None
        self._done: tuple[Draft, Sidecar | Exception] | None = None
        self._patience = Patience()
        self._begun_at = 0.0
        self._waited_seconds = 0.0

    def prepare(self, hero: Hero, optimizer: torch.optim.Optimizer) -> None:
        """To be called before the first step, which need not wait for memory then."""
        self._copies.prepare(hero, optimizer)

    def capture(self, hero: Hero, optimizer: torch.optim.Optimizer, *, moments_since: int) -> Captured:
        """Copy the state. The copies' memory is used again, so nothing may be on its way."""
        assert self._waiting is None
        assert self._thread is None
        return self._copies.capture(hero, optimizer, moments_since=moments_since)

    def hold_weights(self) -> None:
        """To be called before weights change: copies in flight come first."""
        self._copies.hold_weights()

    @property
    def idle(self) -> bool:
        return self._waiting is None and self._thread is None

    @property
    def writing_seconds(self) -> float:
        """For which a draft is being written; 0 where none is."""
        return time.monotonic() - self._begun_at if self._thread and self._thread.is_alive() else 0.0

    def is_free(self) -> bool:
        """Whether another draft may be captured without keeping the training waiting for the storage.

        A write that has just begun is waited for where writes are quick.
        """
        if self._waiting:
            return not self._patience.exhausted
        if seconds := self.writing_seconds:
            started = time.perf_counter()
            self.wait(self._patience.seconds - seconds)
            self._waited_seconds += time.perf_counter() - started
        if self.writing_seconds:
            self._patience.exhausted = True
            return False
        return True

    def take_waited_seconds(self) -> float:
        """For which `is_free` kept the training waiting since this was asked last."""
        waited, self._waited_seconds = self._waited_seconds, 0.0
        return waited

    def keep(self, draft: Draft) -> None:
        """Take a draft that still lacks its `train_loss`."""
        self._waiting = draft

    def write_after(self, step: int, train_loss: float | None) -> None:
        """Begin to write the draft of `step`, if that one waits; `train_loss` is that of its weights."""
        if self._waiting is None or self._waiting.step != step:
            return
        draft, self._waiting = self._waiting, None
        self._begin(draft, train_loss)

    def write_now(self, draft: Draft, train_loss: float | None) -> None:
        """Begin to write a draft at once."""
        self._begin(draft, train_loss)

    def wait(self, seconds: float) -> None:
        """Up to so long for what is being written; what waits for its loss is not waited for."""
        if self._thread:
            self._thread.join(max(seconds, 0.0))

    def close(self) -> None:
        """Let nothing be written any more when this returns; what is written by then is for the next run to find."""
        if self._thread:
            self._thread.join()

    def finished(self, *, wait: bool = False) -> tuple[Draft, Sidecar] | None:
        """What has been written since the last call, if anything. Raises SaveFailed, or Left.

        With `wait` what is being written is waited for; a draft without its loss is written without it.
        """
        if wait and self._waiting:
            self.write_after(self._waiting.step, None)
        if self._thread is None or (not wait and self._thread.is_alive()):
            return None
        while self._thread.is_alive():
            if self.writing_seconds < LONGEST_SAVE_SECONDS:
                self._while_waiting()
            self._thread.join(LOOK_SECONDS)
        self._thread = None
        assert self._done is not None
        (draft, result), self._done = self._done, None
        if isinstance(result, Left):
            raise result
        if isinstance(result, OSError):
            raise SaveFailed(f"the checkpoint of step {draft.step} could not be saved: {result}") from result
        if isinstance(result, Exception):
            raise result
        return draft, result

    def _begin(self, draft: Draft, train_loss: float | None) -> None:
        assert self._thread is None
        self._begun_at = time.monotonic()
        self._thread = threading.Thread(target=self._write, args=(draft, train_loss), name="saver")
        self._thread.start()

    def _write(self, draft: Draft, train_loss: float | None) -> None:
        def write() -> Sidecar:
            self._before_writing()
            return checkpoint.write(
                self._folder,
                draft.hero,
                draft.captured,
                step=draft.step,
                cursor=draft.cursor,
                facts=draft.facts | {"train_loss": train_loss},
                mode=draft.mode,
                compresses=draft.compresses,
            )

        def write_with_room() -> Sidecar:
            return self._room.write(write, where=self._folder, needed_bytes=draft.captured.size_bytes)

        started = time.perf_counter()
        try:
            written = _twice(write_with_room)
            draft.told["write_seconds"] = time.perf_counter() - started
            self._patience.took(draft.told["write_seconds"])
        except Exception as error:  # it crosses over to the training thread, which raises it
            self._done = draft, error
            return
        draft.told.update(_measured(draft))
        self._done = draft, written


def _measured(draft: Draft) -> dict[str, Any]:
    """Nothing where that fails: the checkpoint lies there, whatever can be said of it."""
    try:
        return draft.measure(draft.captured)
    except Exception:
        log.exception("the checkpoint of step %d is written, and could not be measured", draft.step)
        return {}


def _twice(action: Callable[[], Sidecar]) -> Sidecar:
    """A disk that failed once may have recovered a moment later."""
    try:
        return action()
    except OSError as error:
        log.warning("a checkpoint could not be saved, once more in %s s: %s", RETRY_SECONDS, error)
        time.sleep(RETRY_SECONDS)
        return action()
