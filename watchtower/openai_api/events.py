"""Events of a job: what became of its quest, what the trainer said, and the losses of every step."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from arena.protocol import Event, EventKind
from arena.steps import NO_RECORDS, finite
from realm.world import World
from watchtower.openai_api import battle_log, pages
from watchtower.openai_api.jobs import Job

_WARNINGS = frozenset(
    {EventKind.FAULT, EventKind.CONVERGENCE_WARNING, EventKind.CHECKPOINT_FAILED, EventKind.CHECKPOINT_REFUSED}
)
_ID = re.compile(r"ftevent-(?P<job>[0-9a-f]+)-(?P<kind>[qms])(?P<number>[0-9]{1,12})")


class Told:
    """All events of a job in the order of their time, each made only when its page is asked for."""

    def __init__(self, world: World, job: Job) -> None:
        folder = job.folder(world)
        self._job, self._of_quest = job, list(_of_quest(job))
        self._messages = job.events(world)
        self._steps = battle_log.records(folder) if folder else NO_RECORDS
        times = np.concatenate(
            [[at for at, *_ in self._of_quest], [event.time for event in self._messages], self._steps["time"]]
        )
        self._order = np.argsort(times, kind="stable")[::-1]

    def page(self, *, after: str, limit: int) -> dict[str, Any]:
        """The newest first. Raises ApiError."""
        start = self._behind(after) if after else 0
        chosen = self._order[start : start + limit]
        has_more = start + limit < len(self._order)
        return pages.listed([self._event(int(place)) for place in chosen], has_more=has_more)

    def _behind(self, after: str) -> int:
        """By its name alone: a long battle has a hundred thousand events. Raises ApiError."""
        found = _ID.fullmatch(after)
        place = self._place_of(found["kind"], int(found["number"])) if found and found["job"] == self._tail else None
        if place is None:
            raise pages.unknown_cursor(after)
        return int(np.flatnonzero(self._order == place)[0]) + 1

    def _place_of(self, kind: str, number: int) -> int | None:
        quest, messages = len(self._of_quest), len(self._messages)
        if kind == "q":
            return number if number < quest else None
        if kind == "m":
            at = next((at for at, event in enumerate(self._messages) if event.seq == number), None)
            return None if at is None else quest + at
        steps = np.flatnonzero(self._steps["quest_step"] == number)
        return quest + messages + int(steps[-1]) if len(steps) else None

    @property
    def _tail(self) -> str:
        return self._job.id.removeprefix(self._job.record.prefix)

    def _id(self, place: int) -> str:
        kind, at = self._split(place)
        number = self._messages[at].seq if kind == "m" else int(self._steps["quest_step"][at]) if kind == "s" else at
        return f"ftevent-{self._tail}-{kind}{number}"

    def _split(self, place: int) -> tuple[str, int]:
        quest, messages = len(self._of_quest), len(self._messages)
        if place < quest:
            return "q", place
        return ("m", place - quest) if place < quest + messages else ("s", place - quest - messages)

    def _event(self, place: int) -> dict[str, Any]:
        kind, number = self._split(place)
        if kind == "s":
            return self._metrics(place, number)
        if kind == "q":
            at, level, message, data = self._of_quest[number]
        else:
            event = self._messages[number]
            at, level, message, data = event.time, _level(event), event.message, event.data
        return self._shape(place, at, level, message, "message", data)

    def _metrics(self, place: int, number: int) -> dict[str, Any]:
        step = self._steps[number]
        loss, total = finite(float(step["loss"]), 6), self._job.battle.total_steps if self._job.battle else None
        data = {
            "step": int(step["quest_step"]),
            "total_steps": total,
            "train_loss": loss,
            "learning_rate": finite(float(step["learning_rate"])),
            "grad_norm": finite(float(step["grad_norm"]), 6),
        }
        message = f"Step {data['step']}/{total or '?'}: training loss={loss}"
        return self._shape(place, float(step["time"]), "info", message, "metrics", data)

    def _shape(
        self, place: int, at: float, level: str, message: str, kind: str, data: dict[str, Any]
    ) -> dict[str, Any]:
        return {
            "object": "fine_tuning.job.event",
            "id": self._id(place),
            "created_at": int(at),
            "level": level,
            "message": message,
            "type": kind,
            "data": data,
        }


def _of_quest(job: Job) -> Iterator[tuple[float, str, str, dict[str, Any]]]:
    yield job.record.created, "info", f"Created fine-tuning job: {job.id}", {}
    quest = job.quest
    if quest is None:
        return
    if quest.sha256:
        rows = {"rows": quest.rows, "taken": quest.taken, "tokens": quest.tokens}
        yield job.record.created, "info", f"File checked: {quest.taken} of {quest.rows} rows are trained on", rows
    if job.is_over and quest.reason and quest.ended_at:
        yield quest.ended_at.timestamp(), "error" if job.status == "failed" else "info", quest.reason, {}


def _level(event: Event) -> str:
    if event.kind == EventKind.BATTLE_FAILED:
        return "error"
    return "warn" if event.kind in _WARNINGS else "info"
