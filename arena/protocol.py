"""What the daemon and the trainer say to each other: recipe, order, events, step records, exit codes.

Standard library only: the daemon imports no torch, the trainer imports no Django, both import this.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from realm import strict
from realm.disk import durable

ORDER_FILE = "order.json"
STEPS_FILE = "steps.bin"
EVENTS_FILE = "events.jsonl"
ANSWERS_FOLDER = "answers"
REFUSED_FILE = "refused.json"
"""Rows that a battle leaves out: `[{"line": …, "reason": …}]`."""

SET_ASIDE_FILE = "set_aside.npy"
"""Lines that a battle leaves out, int64, sorted: the gatekeepers' copies of other rows and the like."""

LARGEST_LINE_BYTES = 16 * 1024 * 1024

MOST_STEP_TOKENS = 2**31 - 1
"""A step record counts its tokens in 32 bits."""
_COUNT = 10**9
# The least and the most of each number of a recipe: beyond them lies a slip of the keyboard, or what torch refuses.
_RANGES: dict[str, tuple[float, float]] = {
    "max_length": (8, 2**20), "rows_per_step": (1, 2**16), "rows_per_micro_batch": (1, 2**16), "epochs": (1, 10_000),
    "learning_rate": (0, 10), "warmup_steps": (0, _COUNT), "schedule_steps": (1, _COUNT), "weight_decay": (0, 100),
    "beta1": (0, 1), "beta2": (0, 1), "clip_norm": (0, 10**6), "seed": (0, 2**32 - 1), "save_every": (1, _COUNT),
    "save_seconds": (0, _COUNT), "validate_every": (0, _COUNT), "most_faults": (1, _COUNT), "threads": (0, 1024),
    "lora_rank": (1, 2**16), "lora_alpha": (1, 10**6), "lora_dropout": (0, 1),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides how a battle trains. Written into each order as it was resolved."""

    mode: Literal["full", "lora", "qlora"] = "full"
    """`qlora` holds the frozen weights in 4 bits; it needs bitsandbytes and a CUDA device."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """What is computed in. What is trained is kept in float32 in either case."""
    max_length: int = 256
    """Tokens in a packed row; a longer example is refused, or cut if `over_long` says so."""
    over_long: Literal["refuse", "truncate"] = "refuse"
    rows_per_step: int = 8
    """Packed rows in one optimizer step."""
    rows_per_micro_batch: int = 8
    epochs: int = 1
    learning_rate: float = 2e-3
    warmup_steps: int = 20
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    schedule_steps: int = 100_000
    """Hero steps over which linear and cosine fall to a tenth; the schedule goes on across quests."""
    weight_decay: float = 0.01
    beta1: float = 0.9
    beta2: float = 0.95
    clip_norm: float = 1.0
    seed: int = 0
    save_every: int = 200
    """A checkpoint is saved at each hero step that this divides, and at the last step of a battle."""
    save_seconds: int = 600
    """A checkpoint is also saved when the last one is this old, for steps that take long; 0 means never for that."""
    validate_every: int = 0
    """The validation set is scored at each hero step that this divides and at the last; 0: with each checkpoint."""
    most_faults: int = 3
    """Faults at one step (a loss that is not finite, a divergence) after which the battle pauses by itself."""
    threads: int = 0
    """CPU threads of torch; 0 leaves torch's own choice. Part of what makes a resume exact."""
    lora_rank: int = 16
    lora_alpha: int = 32
    lora_dropout: float = 0.0
    lora_targets: tuple[str, ...] = ()
    """Names of the linear layers that get adapters, such as q_proj; none named means every linear layer of the body."""
    gradient_checkpointing: bool = False

    def __post_init__(self) -> None:
        for name, (least, most) in _RANGES.items():
            value = getattr(self, name)
            if not value >= least:
                raise ValueError(f"{name}: {value!r} is too small; the least allowed is {least}")
            if not value <= most:
                raise ValueError(f"{name}: {value!r} is too large; the most allowed is {most}")
        for name in ("beta1", "beta2", "lora_dropout"):
            if not getattr(self, name) < 1:
                raise ValueError(f"{name}: {getattr(self, name)!r} must be below 1")
        if not all(self.lora_targets):
            raise ValueError("lora_targets: an empty text names no layer")
        if self.rows_per_step * self.max_length > MOST_STEP_TOKENS:
            raise ValueError(
                f"rows_per_step: {self.rows_per_step} rows of max_length {self.max_length} are too large a step; "
                f"the most allowed is {MOST_STEP_TOKENS} tokens"
            )
        if self.schedule != "constant" and self.warmup_steps >= self.schedule_steps:
            raise ValueError(
                f"warmup_steps: {self.warmup_steps} must be below schedule_steps, which is {self.schedule_steps}: "
                f"the {self.schedule} schedule would be over before it begins"
            )


@dataclass(frozen=True, kw_only=True)
class EvaluationSet:
    """Held-out problems that the hero answers after each checkpoint; the guild judges the answers."""

    skill: str
    level: int
    path: str
    """JSONL file with one `{"prompt": …, "answer": …}` a line."""
    max_new_tokens: int


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
    base_model: str
    """Local folder or hub id."""
    skill: str | None = None
    level: int | None = None
    evaluation_sets: tuple[EvaluationSet, ...] = ()
    """What the trainer asks the hero after each checkpoint; none where `evaluated_by` is `queue`."""
    evaluated_by: Literal["trainer", "queue"] = "trainer"
    """`queue`: a host answers for each checkpoint; decided when the battle was opened."""
    validation_file: str | None = None
    flagged_folder: str | None = None
    """Where rows of a step that went wrong are written down; None: nowhere."""
    dataset_specs: dict[str, dict[str, str]] = field(default_factory=dict)
    """Forms of rows beside the built-in ones, as arena.rows.formats.load_declared gives them."""
    set_aside_file: str | None = None
    """SET_ASIDE_FILE of this battle; None: every row that can be trained on is."""
    recipe: Recipe = field(default_factory=Recipe)

    def write(self) -> Path:
        """Paths inside the world are written relative to the battle's folder, so that a copied world stays whole."""
        folder = Path(self.battle_folder)
        durable.write_json(folder / ORDER_FILE, asdict(self._with_paths(lambda path: portable_path(path, folder))))
        return folder / ORDER_FILE

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises strict.BadConfig or ValueError for a file that is no order."""
        order = strict.read(cls, json.loads(path.read_bytes()), source=str(path))
        return order._with_paths(lambda text: resolved_path(text, path.parent))

    def _with_paths(self, change: Callable[[str], str]) -> Self:
        return replace(
            self,
            battle_folder=change(self.battle_folder),
            quest_file=change(self.quest_file),
            hero_folder=change(self.hero_folder),
            base_model=change(self.base_model),
            validation_file=change(self.validation_file) if self.validation_file else None,
            flagged_folder=change(self.flagged_folder) if self.flagged_folder else None,
            set_aside_file=change(self.set_aside_file) if self.set_aside_file else None,
            evaluation_sets=tuple(replace(asked, path=change(asked.path)) for asked in self.evaluation_sets),
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
    """The reverse of `portable_path`."""
    return os.path.normpath(anchor.resolve() / path) if path.startswith(".") else path


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
    """Like `battle_resumed` with `data.estimate`: steps, seconds and memory by component (arena.training.forecast)."""
    BATTLE_RESUMED = "battle_resumed"
    CHECKPOINT_SAVED = "checkpoint_saved"
    CHECKPOINT_REFUSED = "checkpoint_refused"
    VALIDATED = "validated"
    ANSWERED = "answered"
    FAULT = "fault"
    """`data.fault`: `non_finite` or `divergence` (the state rolled back), `out_of_memory` (the micro-batch shrank)."""
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
    """Lines on the trainer's standard input: `run ORDER_PATH`, `pause`, `stop`. End of input means stop and exit."""

    RUN = "run"
    PAUSE = "pause"
    STOP = "stop"


READY_LINE = "ready"
"""Said by the trainer on standard output when it waits for an order; `event` after each event."""

EVENT_LINE = "event"

BEAT_LINE = "beat"
"""`beat SECONDS`, said every BEAT_SECONDS by a thread of its own: how long ago the run last got on with something."""
BEAT_SECONDS = 2.0

TROUBLE_LINE = "trouble"
"""`trouble TEXT`: the run waits and says for what (a full disk cannot take an event); `trouble` alone: it goes on."""


class ExitCode:
    OK = 0
    BAD_ORDER = 3
    ANOTHER_TRAINER = 4
    BATTLE_FAILED = 5
    SYSTEM = 6
    """The disk or the machine is in trouble, not the quest."""
