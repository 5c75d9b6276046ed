"""Small checkpoint folders as a trainer writes them, for tests that need no trainer."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from realm.checkpoints import sidecar
from realm.checkpoints.cursor import Cursor
from realm.checkpoints.names import canonical_name
from realm.checkpoints.sidecar import Sidecar
from realm.disk import durable

WEIGHTS = "model.safetensors"


def a_sidecar(step: int, *, hero: str = "DIO") -> Sidecar:
    return Sidecar(
        name=canonical_name(step, datetime(2026, 1, 1, 12, 30, tzinfo=UTC)),
        hero=hero,
        step=step,
        created_at="2026-01-01T12:30:15.250000+00:00",
        train_loss=1.5,
        val_loss=None,
        learning_rate=0.002,
        epoch=0,
        skill="bin",
        level=1,
        quest="bin-level-1-0001",
        battle="battle-1",
        cursor=Cursor(quest_sha256="0" * 64, epoch=0, position=3, quest_step=3, finished=False),
        parent=None,
        mode="full",
        base_model="embedded",
        versions={"torch": "2.13.0"},
    )


def make_checkpoint(heroes: Path, step: int, *, hero: str = "DIO", **changes: Any) -> Path:
    """A whole checkpoint of `hero`, with weights of its own; `changes` are fields of its sidecar."""
    said = replace(a_sidecar(step, hero=hero), **changes)
    folder = heroes / hero / said.name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with durable.new_folder(folder) as fresh:
        (fresh / WEIGHTS).write_bytes(one_tensor(f"weights of step {step} ".encode() * 50))
        (fresh / "tokenizer").mkdir()
        (fresh / "tokenizer" / "tokenizer.json").write_text("{}", encoding="utf-8")
        sidecar.write(fresh, replace(said, files=sidecar.prove_files(fresh)))
    return folder


def one_tensor(data: bytes) -> bytes:
    """A safetensors file that holds `data` as a tensor of bytes."""
    header = json.dumps({"w": {"dtype": "U8", "shape": [len(data)], "data_offsets": [0, len(data)]}}).encode()
    return len(header).to_bytes(8, "little") + header + data


def rewrite_sidecar(folder: Path, **changes: Any) -> None:
    """Put other values into a sidecar and seal it anew, as a broken program would."""
    path = folder / sidecar.SIDECAR
    durable.write_json(path, sidecar.seal(json.loads(path.read_bytes()) | changes))
