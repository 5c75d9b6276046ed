"""Files and jobs of the fine-tuning API, a small JSON file each in the world: they outlive the database."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

from realm import strict
from realm.disk import durable
from realm.strict import BadConfig
from realm.world import World

_SUFFIX = ".json"


@dataclass(frozen=True, kw_only=True)
class Record:
    prefix: ClassVar[str]

    id: str
    created: float = field(default_factory=time.time)
    """Unix seconds."""

    @classmethod
    def folder(cls, world: World) -> Path:
        raise NotImplementedError

    @classmethod
    def new_id(cls) -> str:
        return f"{cls.prefix}{secrets.token_hex(12)}"

    @classmethod
    def read(cls, world: World, record_id: str) -> Self | None:
        """None where there is none of that id, or what lies there is none."""
        if not re.fullmatch(rf"{cls.prefix}[0-9a-f]{{16,24}}", record_id):
            return None
        path = cls.folder(world) / f"{record_id}{_SUFFIX}"
        try:
            return strict.read(cls, json.loads(path.read_bytes()), source=path.name)
        except (FileNotFoundError, BadConfig, ValueError):
            return None

    @classmethod
    def all(cls, world: World) -> list[Self]:
        """The newest first."""
        found = [record for path in cls._paths(world) if (record := cls.read(world, path.stem))]
        return sorted(found, key=lambda record: (record.created, record.id), reverse=True)

    @classmethod
    def _paths(cls, world: World) -> Iterator[Path]:
        with suppress(FileNotFoundError):
            yield from cls.folder(world).glob(f"{cls.prefix}*{_SUFFIX}")

    def write(self, world: World) -> None:
        self.folder(world).mkdir(parents=True, exist_ok=True)
        durable.write_json(self.folder(world) / f"{self.id}{_SUFFIX}", asdict(self))

    def forget(self, world: World) -> None:
        (self.folder(world) / f"{self.id}{_SUFFIX}").unlink(missing_ok=True)


@dataclass(frozen=True, kw_only=True)
class StoredFile(Record):
    prefix: ClassVar[str] = "file-"

    filename: str
    purpose: str
    content: str
    """Its file's name, beside the record."""
    size_bytes: int
    expires_at: int | None = None

    @classmethod
    def folder(cls, world: World) -> Path:
        return world.openai_files

    def path(self, world: World) -> Path:
        return world.openai_files / self.content

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "file",
            "bytes": self.size_bytes,
            "created_at": int(self.created),
            "expires_at": self.expires_at,
            "filename": self.filename,
            "purpose": self.purpose,
            "status": "processed",
            "status_details": None,
        }


@dataclass(frozen=True, kw_only=True)
class JobRecord(Record):
    """What a client asked for. How it stands the arena's job tells."""

    prefix: ClassVar[str] = "ftjob-"

    job: str
    """Its id in arena.jobs."""
    model: str
    training_file: str
    validation_file: str | None = None
    validation_copy: str | None = None
    """Beside the record: its rows stay scored though the client deletes its file."""
    suffix: str | None = None
    seed: int = 0
    method: bool = True
    """Whether it was asked with `method`, or with `hyperparameters` of old."""
    n_epochs: int | None = None
    batch_size: int | None = None
    learning_rate_multiplier: float | None = None
    metadata: dict[str, str] | None = None
    results: str | None = None
    """The file of its curves, once it has succeeded."""

    @classmethod
    def folder(cls, world: World) -> Path:
        return world.openai_jobs
