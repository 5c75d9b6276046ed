"""An arena that only writes: it holds the daemon's lock and leaves the rows and files that a real battle leaves.

Run as a process of its own, with the REALM_HOME of the world it plays in. Takes one JSON list `[verb, {arguments}]` a
line on standard input and answers each with a line when it is on disk.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import select
import shutil
import sqlite3
import sys
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.db import connection  # noqa: E402
from django.db.models import Max  # noqa: E402

from arena import protocol, quest_orders, steps  # noqa: E402
from arena import status as arena_status  # noqa: E402
from arena.models import Battle, ChronicleEntry, Quest  # noqa: E402
from arena.quest_orders import Act, QuestOrder  # noqa: E402
from guild.models import Evaluation, SkillProgress  # noqa: E402
from realm.checkpoints.names import canonical_name  # noqa: E402
from realm.checkpoints.sidecar import SIDECAR  # noqa: E402
from realm.disk import durable  # noqa: E402
from tavern.models import Visitor  # noqa: E402
from tests.support.checkpoints import make_checkpoint  # noqa: E402
from vault.index import index_checkpoint  # noqa: E402
from vault.models import Checkpoint  # noqa: E402

WORLD, HERO = settings.WORLD, settings.REALM.hero
BEAT_SECONDS = 2.0
TAUGHT = {"name": "taught", "rows": 60, "sha256": "a" * 64}


def loss_at(step: int) -> float:
    """Falls as a real one does, with a bounded ripple that is the same every time."""
    return (
        0.45
        + 5.6 * math.exp(-step / 260)
        + 0.9 * math.exp(-step / 1500)
        + 0.11 * math.sin(step * 2.399) * math.cos(step)
    )


class StandInArena:
    def __init__(self) -> None:
        self.lock = os.open(WORLD.control / arena_status.LOCK_FILE, os.O_RDWR | os.O_CREAT)
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self._begin()

    def _begin(self) -> None:
        self.battle: Battle | None = None
        self.said_last: dict[str, Any] | None = None
        self.step = 0
        self.said = ChronicleEntry.objects.count()

    def reset(self, empty: str) -> None:
        """A world as fresh as at the start, with what lies in the database `empty`, under the feet of the web server.

        Ids of quests go on rising: battles bear them, and what the web remembers of a battle never changes.
        """
        last = Quest.objects.aggregate(last=Max("id"))["last"] or 0
        connection.close()
        with closing(sqlite3.connect(empty)) as source, closing(sqlite3.connect(WORLD.database)) as live:
            source.backup(live)
            live.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('arena_quest', ?)", (last,))
            live.commit()
        for path in WORLD.home.iterdir():
            if path.is_dir() and path not in (WORLD.control, WORLD.logs, WORLD.secrets):
                shutil.rmtree(path)
            elif path.is_file() and not path.name.startswith(WORLD.database.name):
                path.unlink()
        for path in WORLD.control.iterdir():
            if path.name != arena_status.LOCK_FILE:
                path.unlink()
        WORLD.create()
        self._begin()

    def status(self, state: str, message: str = "", waits: bool = False) -> None:
        battle = self.battle
        said = {
            "state": state,
            "message": message,
            "waits": waits,
            "battle": battle.battle_id if battle else None,
            "quest": battle.quest.name if battle else None,
            "time": time.time(),
            "pid": os.getpid(),
        }
        self.said_last = said
        durable.write_json(WORLD.arena_status, said, sync=False)

    def beat(self) -> None:
        """What it said last still holds; a busy machine takes longer over a test than a status stays fresh."""
        if self.said_last and WORLD.arena_status.exists():
            durable.write_json(WORLD.arena_status, self.said_last | {"time": time.time()}, sync=False)

    def quest(self, name: str, priority: str = "normal", taken: int = 1200) -> Quest:
        return Quest.objects.create(
            name=name, sha256=f"{Quest.objects.count():064}", priority=priority, file=f"{priority}/{name}.jsonl",
            rows=taken, taken=taken, arrived_at=datetime.now(UTC),
        )  # fmt: skip

    def carry_out(self) -> None:
        """The player's orders, as far as rows show them."""
        for path, order in quest_orders.MAILBOX.waiting(WORLD):
            path.unlink()
            for target in order.quests:
                quest = Quest.objects.get(pk=target.id)
                if order.act is Act.MOVE:
                    self._move(quest, order)
                if order.act is Act.CANCEL:
                    quest.state, quest.ended_at = Quest.State.CANCELLED, datetime.now(UTC)
                    quest.save()
            kind = "quest_moved" if order.act is Act.MOVE else "quest_refused"
            self.event(kind, f"{order.act}: carried out", step=0)

    def _move(self, quest: Quest, order: QuestOrder) -> None:
        lane = Quest.objects.filter(state=Quest.State.QUEUED, priority=order.priority).exclude(pk=quest.pk)
        ids = list(lane.order_by("position", "id").values_list("pk", flat=True))
        ids.insert(ids.index(order.before.id) if order.before else len(ids), quest.pk)
        Quest.objects.filter(pk=quest.pk).update(priority=order.priority)
        for position, pk in enumerate(ids):
            Quest.objects.filter(pk=pk).update(position=position)

    def begin(self, name: str, total: int, skill: str = "", level: int | None = None) -> None:
        quest = self.quest(name)
        quest.state, quest.skill, quest.level = Quest.State.BATTLING, skill, level
        quest.save()
        self.battle = Battle.objects.create(
            battle_id=f"battle-{quest.id}", quest=quest, hero=HERO, started_at=datetime.now(UTC), first_step=self.step,
            total_steps=total,
        )  # fmt: skip
        (WORLD.battles / self.battle.battle_id).mkdir()

    def go_on(self) -> None:
        """With the battle and at the step that an arena before this one left."""
        self.battle = Battle.objects.get(state=Battle.State.TRAINING)
        self.step = (self.battle.first_step or 0) + steps.count(steps.path_of(WORLD, self.battle.battle_id))

    def steps(
        self, count: int, seconds_each: float = 0.1, nan_at: int | None = None, loss: float | None = None
    ) -> None:
        """`count` steps of which the last ends now."""
        assert self.battle is not None
        start, ended, first = self.step, time.time(), self.battle.first_step or 0
        with open(WORLD.battles / self.battle.battle_id / protocol.STEPS_FILE, "ab") as file:
            for step in range(start + 1, start + count + 1):
                said = math.nan if step == nan_at else loss_at(step) if loss is None else loss
                record = protocol.StepRecord(
                    step=step, time=ended - (start + count - step) * seconds_each, loss=said,
                    learning_rate=2e-3 * min(1.0, step / 200), grad_norm=0.8, step_seconds=seconds_each, tokens=310,
                    trained_tokens=120, slots=320, quest_step=step - first, memory_bytes=500_000_000,
                )  # fmt: skip
                file.write(record.pack())
        self.step = start + count

    def skip_to(self, step: int) -> None:
        """The next step is the one after `step`."""
        self.step = step

    def win(self, count: int) -> None:
        """Quests that were completed in no time."""
        assert self.battle is not None
        for number in range(count):
            quest = self.quest(f"won-{number}")
            quest.state, quest.ended_at = Quest.State.COMPLETED, datetime.now(UTC)
            quest.save()
            Battle.objects.create(
                battle_id=f"won-{quest.id}", quest=quest, hero=HERO, state=Battle.State.COMPLETED,
                started_at=self.battle.started_at,
            )  # fmt: skip

    def event(self, kind: str, message: str, data: dict[str, Any] | None = None, step: int | None = None) -> None:
        self.said += 1
        ChronicleEntry.objects.create(
            source=self.battle.battle_id if self.battle else "arena", source_seq=self.said, kind=kind,
            time=datetime.now(UTC), step=self.step if step is None else step, message=message, data=data or {},
        )  # fmt: skip

    def checkpoint(self, train_loss: float, val_loss: float | None) -> None:
        assert self.battle is not None
        name = f"checkpoint-{self.step}-20240101-0000"
        (WORLD.heroes / HERO / name).mkdir(parents=True)
        (WORLD.heroes / HERO / name / SIDECAR).write_text("{}")
        Checkpoint.objects.create(
            name=name, hero=HERO, step=self.step, created_at=datetime.now(UTC),
            train_loss=train_loss, val_loss=val_loss, val_set=TAUGHT, learning_rate=2e-3, epoch=0,
            quest=self.battle.quest.name, battle=self.battle.battle_id, size_bytes=4_000_000, sidecar_sha256="0" * 64,
        )  # fmt: skip

    def checkpoint_again(self, train_loss: float, val_loss: float | None) -> None:
        """After one more step."""
        self.steps(1)
        self.checkpoint(train_loss, val_loss)

    def hoard(self, steps: list[int]) -> None:
        """Whole checkpoints, each an hour older than the next one."""
        now = datetime.now(UTC)
        for back, step in enumerate(reversed(steps)):
            at = now - timedelta(hours=back)
            folder = make_checkpoint(
                WORLD.heroes, step, hero=HERO, name=canonical_name(step, at), created_at=at.isoformat()
            )
            index_checkpoint(WORLD, HERO, folder.name)

    def account(self, name: str, password: str) -> None:
        User.objects.create_superuser(name, "", password)

    def leave(self, seconds: float) -> None:
        """Nobody has looked at the pages for so long."""
        Visitor.objects.update(seen_at=datetime.now(UTC) - timedelta(seconds=seconds))

    def evaluation(self, skill: str, level: int, correct: int, total: int) -> None:
        SkillProgress.objects.get_or_create(hero=HERO, skill=skill, defaults={"level": level})
        Evaluation.objects.create(
            hero=HERO, checkpoint=f"checkpoint-{self.step}-20240101-0000", step=self.step, skill=skill, level=level,
            correct=correct, total=total, evaluated_at=datetime.now(UTC),
        )  # fmt: skip

    def end(self, state: str) -> None:
        assert self.battle is not None
        self.battle.state, self.battle.ended_at = state, datetime.now(UTC)
        self.battle.save()
        if state == Battle.State.COMPLETED:
            Quest.objects.filter(id=self.battle.quest_id).update(state=Quest.State.COMPLETED)


def main() -> None:
    arena = StandInArena()
    while True:
        if not select.select([sys.stdin], [], [], BEAT_SECONDS)[0]:  # one line at a time is sent, and waited for
            arena.beat()
            continue
        if not (line := sys.stdin.readline()):
            return
        verb, arguments = json.loads(line)
        getattr(arena, verb)(**arguments)
        print("done", flush=True)


if __name__ == "__main__":
    main()
