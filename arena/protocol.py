"""What the daemon and the trainer say to each other: orders, events, step records, exit codes.

Standard library only: the daemon imports no torch, the trainer imports no Django, both import this.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from arena.recipe import Recipe
from realm import placed_folders, strict
from realm.disk import durable
from realm.world import World

ORDER_FILE = "order.json"
TRAINER_LOCK_FILE = ".trainer.lock"
"""In the hero's folder; held for the time of a battle."""
STEPS_FILE = "steps.bin"
EVENTS_FILE = "events.jsonl"
ANSWERS_FOLDER = "answers"
REFUSED_FILE = "refused.json"
"""Rows that a battle leaves out: `[{"line": …, "reason": …}]`."""

RATE_FILE = "rate.json"
"""`{"learning_rate": …}`: what the player lowered the rate of a battle under way to."""

SHORTAGE_FILE = "shortage.json"
"""`{"step": …, "quest_step": …, "rows": …, "said": …}`: where one of several processes ran out of memory, with so many
rows at once, 0 outside of a step. There until the battle's next run has told of it."""

SET_ASIDE_FILE = "set_aside.npy"
"""Lines that a battle leaves out, int64, sorted: the gatekeepers' copies of other rows and the like, and the rows that
are held out."""


REHEARSAL_FILE = "rehearsal.jsonl"
"""Rows of won levels and of earlier quests that a battle trains on beside its quest's own."""


@dataclass(frozen=True, kw_only=True)
class EvaluationSet:
    """Held-out problems that the hero answers after each checkpoint; the guild judges the answers."""

    skill: str
    level: int
    path: str
    """JSONL file with one `{"prompt": …, "answer": …}` a line."""
    max_new_tokens: int


@dataclass(frozen=True, kw_only=True)
class ValidationSet:
    """Rows that are never trained on, whose loss is measured before, during and after a battle."""

    name: str
    """`<skill>/<level>`, `quest/<quest>` for rows held out of a quest, `file/<stem>` for a file of the player's."""
    path: str
    """JSONL in the forms of a quest."""
    always: bool = False
    """Scored first and last whatever it costs: the rows held out of the quest itself."""
    most_rows: int = 500
    """Rows of the file that are scored, the first ones."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """One battle: what to train on, from and to where, and how."""

    battle: str
    battle_folder: str
    quest: str
    """Name that people see; the file's name without its suffix."""
    quest_file: str
    quest_sha256: str
    hero: str
    hero_folder: str
    branch: str = ""
    """The hero's branch that was active when the battle was opened; it goes on from that one's newest checkpoint."""
    base_model: str
    """Local folder or hub id."""
    skill: str | None = None
    level: int | None = None
    evaluation_sets: tuple[EvaluationSet, ...] = ()
    """What the trainer asks the hero after each checkpoint; none where `evaluated_by` is `queue`."""
    outcome_sets: tuple[EvaluationSet, ...] = ()
    """Levels won before a quest of the player's, asked again when it is completed."""
    asked_first: tuple[EvaluationSet, ...] = ()
    """Of these the ones that the checkpoint which the battle begins from has not answered yet."""
    evaluated_by: Literal["trainer", "queue"] = "trainer"
    """`queue`: a host answers for each checkpoint; decided when the battle was opened."""
    validation_sets: tuple[ValidationSet, ...] = ()
    flagged_folder: str | None = None
    """Where rows of a step that went wrong are written down; None: nowhere."""
    dataset_specs: dict[str, dict[str, str]] = field(default_factory=dict)
    """Forms of rows beside the built-in ones, as arena.rows.formats.load_declared gives them."""
    set_aside_file: str | None = None
    """SET_ASIDE_FILE of this battle; None: every row that can be trained on is."""
    rehearsal_file: str | None = None
    """REHEARSAL_FILE of this battle; None: the quest's rows alone are trained on."""
    job: str = ""
    """Id of the job that the quest is; empty for one that nobody asked for."""
    repeat_of: str = ""
    """The battle that it fights once more with one change; empty: none."""
    opened_on: str | None = None
    """ISO date: the day that a chat template which writes the date takes for today, whenever the battle goes on."""
    recipe: Recipe = field(default_factory=Recipe)
    recipe_reason: str = ""
    """Why this mode and micro-batch: what it needs of which memory, in a line."""

    @property
    def day(self) -> datetime | None:
        return datetime.fromisoformat(self.opened_on) if self.opened_on else None

    def write(self) -> Path:
        """Paths inside the world are written relative to the battle's folder, so that a copied world stays whole."""
        folder = Path(self.battle_folder)
        durable.write_json(folder / ORDER_FILE, asdict(self._with_paths(lambda path: portable_path(path, folder))))
        return folder / ORDER_FILE

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises strict.BadConfig or ValueError for a file that is no order."""
        value = json.loads(path.read_bytes())
        if isinstance(value, dict):
            value.pop("validation_file", None)  # of earlier releases, whose one set of all levels is no more
        order = strict.read(cls, value, source=str(path))
        return order._with_paths(lambda text: resolved_path(text, path.parent))

    @property
    def asked_last(self) -> tuple[EvaluationSet, ...]:
        """What the trainer asks the hero when the battle is over."""
        if self.evaluated_by == "queue":
            return ()
        asked = {(one.skill, one.level): one for one in (*self.evaluation_sets, *self.outcome_sets)}
        return tuple(asked.values())

    def _with_paths(self, change: Callable[[str], str]) -> Self:
        def moved(sets: tuple[EvaluationSet, ...]) -> tuple[EvaluationSet, ...]:
            return tuple(replace(asked, path=change(asked.path)) for asked in sets)

        return replace(
            self,
            battle_folder=change(self.battle_folder),
            quest_file=change(self.quest_file),
            hero_folder=change(self.hero_folder),
            base_model=change(self.base_model),
            validation_sets=tuple(replace(scored, path=change(scored.path)) for scored in self.validation_sets),
            flagged_folder=change(self.flagged_folder) if self.flagged_folder else None,
            set_aside_file=change(self.set_aside_file) if self.set_aside_file else None,
            rehearsal_file=change(self.rehearsal_file) if self.rehearsal_file else None,
            evaluation_sets=moved(self.evaluation_sets),
            outcome_sets=moved(self.outcome_sets),
            asked_first=moved(self.asked_first),
        )


def portable_path(path: str, anchor: Path) -> str:
    """`path` relative to `anchor`, with a leading dot, if both lie within two folders of each other; else as it is.

    A hub id is no absolute path and stays what it is.
    """
    if not Path(path).is_absolute() or not Path(path).is_relative_to(anchor.parent.parent):
        return path
    relative = os.path.relpath(path, anchor)
    return relative if relative.startswith(".") else f"./{relative}"


def resolved_path(path: str, anchor: Path) -> str:
    """The reverse of `portable_path`, also where the world's folder that `anchor` lies in is a link to another disk."""
    if not path.startswith("."):
        return path
    return os.path.normpath(placed_folders.within(World.from_environment(), anchor.resolve()) / path)


@dataclass(frozen=True)
class StepRecord:
    """One optimizer step in `steps.bin`."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<qdffffiiiiq")
    SIZE: ClassVar[int] = LAYOUT.size

    step: int
    """Of the hero's whole life; the first step ever is 1."""
    time: float
    """Unix seconds at the end of the step."""
    loss: float
    """Mean over trained tokens of the whole optimizer step, natural log."""
    learning_rate: float
    grad_norm: float
    step_seconds: float
    tokens: int
    """Real tokens, padding left out."""
    trained_tokens: int
    slots: int
    """Processed positions, padding included."""
    quest_step: int
    memory_bytes: int
    """The most since the step before: resident in the trainer on CPU, allocated on CUDA."""

    def pack(self) -> bytes:
        return self.LAYOUT.pack(
            self.step, self.time, self.loss, self.learning_rate, self.grad_norm, self.step_seconds,
            self.tokens, self.trained_tokens, self.slots, self.quest_step, self.memory_bytes,
        )  # fmt: skip

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        return cls(*cls.LAYOUT.unpack(data))


# The same layout for readers that map the file with NumPy.
STEP_DTYPE = [
    ("step", "<i8"), ("time", "<f8"), ("loss", "<f4"), ("learning_rate", "<f4"), ("grad_norm", "<f4"),
    ("step_seconds", "<f4"), ("tokens", "<i4"), ("trained_tokens", "<i4"), ("slots", "<i4"), ("quest_step", "<i4"),
    ("memory_bytes", "<i8"),
]  # fmt: skip


class EventKind(StrEnum):
    """Lines of `events.jsonl`: `{"seq": 1, "time": …, "kind": …, "step": …, "message": …, "data": {…}}`."""

    BATTLE_STARTED = "battle_started"
    """Like `battle_resumed` with `data.estimate`: steps, seconds, memory by component (training.battle_estimate)."""
    BATTLE_RESUMED = "battle_resumed"
    CHECKPOINT_SAVED = "checkpoint_saved"
    CHECKPOINT_REFUSED = "checkpoint_refused"
    VALIDATED = "validated"
    """`data.losses` by set, over the rows that `data.sets` names; `data.val_loss` over all that the hero was taught."""
    ANSWERED = "answered"
    FAULT = "fault"
    """`data.fault`: `non_finite` or `divergence` (the state rolled back), `out_of_memory` (the micro-batch shrank)."""
    RATE_CHANGED = "rate_changed"
    """`data.learning_rate` in place of the recipe's, for the steps behind `data.quest_step`."""
    CHECKPOINT_FAILED = "checkpoint_failed"
    CONVERGENCE_WARNING = "convergence_warning"
    """`data.warning` is `stagnation` or `divergence`."""
    BATTLE_PAUSED = "battle_paused"
    """`data.asked` is `pause`, `shutdown` or `faults`: then the battle itself asks for rest, with `data.reason`."""
    BATTLE_STOPPED = "battle_stopped"
    BATTLE_COMPLETED = "battle_completed"
    """`data.measured` is an arena.estimate.Measured: what it took, and the estimate's errors."""
    BATTLE_FAILED = "battle_failed"


ENDINGS = frozenset(
    {EventKind.BATTLE_PAUSED, EventKind.BATTLE_STOPPED, EventKind.BATTLE_COMPLETED, EventKind.BATTLE_FAILED}
)


@dataclass(frozen=True, kw_only=True)
class Event:
    seq: int
    """Rising from 1 within one battle."""
    time: float
    kind: EventKind
    step: int
    message: str
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def is_ending(self) -> bool:
        return self.kind in ENDINGS

    def to_line(self) -> bytes:
        return json.dumps(asdict(self), ensure_ascii=False, allow_nan=False).encode()

    @classmethod
    def from_line(cls, line: bytes) -> Self:
        """Raises ValueError for a line that is not an event."""
        value = json.loads(line)
        if not isinstance(value, dict):
            raise ValueError("an event is a mapping")
        fields = value | {"kind": EventKind(str(value.get("kind")))}
        return strict.read(cls, fields, source=EVENTS_FILE)


class Command(StrEnum):
    """Lines on the trainer's standard input: `run ORDER_PATH`, `pause`, `stop`, … Their end: stop and exit."""

    RUN = "run"
    PAUSE = "pause"
    STOP = "stop"
    FINISH = "finish"
    """Complete the quest with the steps done so far."""
    RATE = "rate"
    """Look at RATE_FILE."""
    PAUSE_AT = "pause_at"
    """`pause_at STEP`: pause once the hero has done that step."""


READY_LINE = "ready"
"""Said by the trainer on standard output when it waits for an order; `event` after each event."""

EVENT_LINE = "event"

BEAT_LINE = "beat"
"""`beat SECONDS`, said every BEAT_SECONDS by a thread of its own: how long ago the run last got on with something."""
BEAT_SECONDS = 2.0

LOST_LINE = "lost"
"""One of several processes that train together does not answer, and which: `lost rank 1 of 2 …`."""

MISSING_LINE = "missing"
"""`missing TEXT`: the launcher waits for machines that train with this one and have not joined; alone: they have."""

STARTING_LINE = "starting"
"""The launcher starts the ranks, of whom nothing is heard until they have loaded what they need."""

TROUBLE_LINE = "trouble"
"""`trouble TEXT`: the run waits and says for what (a full disk cannot take an event); `trouble` alone: it goes on."""


class ExitCode:
    OK = 0
    BAD_ORDER = 3
    ANOTHER_TRAINER = 4
    BATTLE_FAILED = 5
    SYSTEM = 6
    """The disk or the machine is in trouble, not the quest."""
    SHORT_OF_MEMORY = 7
    """One of several processes was; the next run takes up what it left in SHORTAGE_FILE."""
    MACHINE_LOST = 8
    """One of several machines; the next run waits for it and goes on from the newest checkpoint."""
