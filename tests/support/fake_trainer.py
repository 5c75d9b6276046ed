"""A trainer that keeps the files' contract without training: for tests of the daemon alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from arena.daemon.trainer.process import Group
from arena.protocol import EVENTS_FILE, REFUSED_FILE, Command, Event, EventKind, Order
from realm.checkpoints import sidecar
from realm.checkpoints.cursor import Cursor
from realm.checkpoints.names import free_name
from realm.disk import durable
from tests.support.checkpoints import a_sidecar


class FakeTrainer:
    """Stands where `TrainerProcess` stands. Orders wait in `orders` until a test lets something happen."""

    pid = 4242

    def __init__(self) -> None:
        self.alive = False
        self.busy = False
        """Set where a test tells a trainer that runs from one that waits."""
        self.orders: list[Order] = []
        self.commands: list[Command] = []
        self.pauses_at: list[int] = []
        self.exit_code: int | None = None
        self.hung = ""
        self.trouble = ""
        self.missing = ""
        self.group = Group()
        self.starts = 0

    @property
    def ready(self) -> bool:
        return self.alive and not self.busy and not self.missing

    def start(self) -> None:
        self.alive, self.starts, self.hung, self.missing = True, self.starts + 1, "", ""

    def reap(self) -> None:
        self.exit_code = None

    def why_hung(self) -> str:
        return self.hung if self.alive else ""

    def kill(self) -> None:
        if self.alive:
            self.die()

    def run(self, order: Path) -> None:
        self.orders.append(Order.read(order))

    def pause_at(self, step: int) -> None:
        self.pauses_at.append(step)

    def send(self, command: Command) -> None:
        self.commands.append(command)

    def shut_down(self, *, meanwhile: Callable[[], None]) -> None:
        self.alive = False

    def last_lines(self) -> str:
        return "out of luck"

    def die(self, code: int = -9) -> None:
        self.alive, self.exit_code = False, code

    def say(self, kind: EventKind, *, step: int = 0, **data: Any) -> None:
        path = Path(self.orders[-1].battle_folder) / EVENTS_FILE
        seq = 1 + (path.read_bytes().count(b"\n") if path.exists() else 0)
        event = Event(seq=seq, time=time.time(), kind=kind, step=step, message=f"{kind} at {step}", data=data)
        durable.append_line(path, event.to_line())

    def begin(
        self,
        *,
        first_step: int = 0,
        total_steps: int = 10,
        refused: int = 0,
        named: Sequence[Mapping[str, int | str]] = (),
    ) -> None:
        durable.write_json(Path(self.orders[-1].battle_folder) / REFUSED_FILE, list(named))
        self.say(EventKind.BATTLE_STARTED, first_step=first_step, total_steps=total_steps, refused=refused)

    def save(self, step: int, *, val_loss: float | None = None, parent: str | None = None) -> str:
        """A whole checkpoint of the running battle, and the event that announces it."""
        order = self.orders[-1]
        name = free_name(Path(order.hero_folder), step, datetime(2026, 1, 1, tzinfo=UTC))
        cursor = Cursor(quest_sha256=order.quest_sha256, epoch=1, position=0, quest_step=step, finished=True)
        said = replace(a_sidecar(step), name=name, battle=order.battle, cursor=cursor, val_loss=val_loss, parent=parent)
        said = replace(said, hero=order.hero, branch=order.branch)
        with durable.new_folder(Path(order.hero_folder) / name) as folder:
            (folder / "model.safetensors").write_bytes(b"weights")
            sidecar.write(folder, replace(said, files=sidecar.prove_files(folder)))
        self.say(EventKind.CHECKPOINT_SAVED, step=step, name=name, train_loss=said.train_loss, val_loss=val_loss)
        return name

    def complete(self, step: int) -> None:
        self.say(EventKind.BATTLE_COMPLETED, step=step, quest=self.orders[-1].quest)
