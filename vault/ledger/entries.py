"""What a ledger says of one checkpoint, here and over HTTP. No Django."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from realm import strict
from realm.checkpoints.names import step_of_any
from realm.checkpoints.sidecar import MeasuredOver

SEED_KEYS = ("loss", "skill_name", "skill_level", "training_file")
"""Other names of what stands there already, which scripts of the first documents ask for."""


@dataclass(frozen=True, kw_only=True)
class LedgerEntry:
    canonical_name: str
    hero: str
    step: int
    created_at: datetime
    train_loss: float | None
    val_loss: float | None
    val_set: dict[str, Any] | None
    """What `val_loss` was measured over: `name`, `rows` and `sha256`; None where the sidecar does not say."""
    learning_rate: float
    epoch: int
    skill: str | None
    level: int | None
    quest: str
    battle: str = ""
    parent: str | None
    branch: str
    """Empty: the first."""
    size_bytes: int
    path: Path
    """Of its folder, on the machine whose ledger it is."""
    protected: bool = False
    weights_only: bool = False
    """Whether its moments made room: training goes on from it with a fresh optimizer."""
    verified_at: datetime | None = None
    """When every byte was last read and right."""

    @property
    def loss(self) -> float | None:
        return self.train_loss

    @property
    def skill_name(self) -> str | None:
        return self.skill

    @property
    def skill_level(self) -> int | None:
        return self.level

    @property
    def training_file(self) -> str:
        return f"{self.quest}.jsonl"


def record(entry: LedgerEntry) -> dict[str, Any]:
    """The entry as JSON has it: all its fields, and the first documents' names of some; times are ISO 8601."""
    told = asdict(entry) | {key: getattr(entry, key) for key in SEED_KEYS}
    told |= {
        "created_at": entry.created_at.isoformat(),
        "path": str(entry.path),
        "verified_at": entry.verified_at.isoformat() if entry.verified_at else None,
    }
    return told


def read_record(value: Any, *, source: str) -> LedgerEntry:
    """The entry that `record` was made of; keys that are not known are passed over. Raises strict.BadConfig."""
    if not isinstance(value, dict):
        raise strict.BadConfig(f"{source}: a record is expected, not {strict.shown(value)}")
    known = {key: item for key, item in value.items() if key in _Record.__annotations__}
    said = strict.read(_Record, known, source=source)
    try:
        times = {"created_at": datetime.fromisoformat(said.created_at)}
        times |= {"verified_at": datetime.fromisoformat(said.verified_at)} if said.verified_at else {}
    except ValueError as error:
        raise strict.BadConfig(f"{source}: {error}") from error
    return LedgerEntry(**(asdict(said) | {"verified_at": None, "path": Path(said.path)} | times))


@dataclass(frozen=True, kw_only=True)
class _Record:
    """A record on its way, before its times and its path are read."""

    canonical_name: str
    hero: str
    step: int
    created_at: str
    train_loss: float | None
    val_loss: float | None
    val_set: MeasuredOver | None = None
    learning_rate: float
    epoch: int
    skill: str | None
    level: int | None
    quest: str
    battle: str = ""
    parent: str | None = None
    branch: str = ""
    size_bytes: int = 0
    path: str = ""
    protected: bool = False
    weights_only: bool = False
    verified_at: str | None = None


def extract_step(name: str) -> int | None:
    """The step in any checkpoint's name or path, such as `checkpoint-175000`; None for anything else."""
    return step_of_any(name)
