"""The results file of a job that has succeeded: its curves, with the columns that OpenAI's has."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from realm.disk import durable
from realm.world import World
from watchtower.openai_api import battle_log, files
from watchtower.openai_api.records import JobRecord, StoredFile

COLUMNS = ("step", "train_loss", "train_accuracy", "valid_loss", "valid_mean_token_accuracy")
"""Accuracies stay empty: training measures losses."""


def make(world: World, record: JobRecord, battle_folder: Path | None) -> StoredFile:
    """Kept beside the client's files, from where it may be deleted; made twice it is the same file. Raises OSError."""
    data = table(record, battle_folder) if battle_folder else ",".join(COLUMNS).encode()
    file_id = f"{StoredFile.prefix}{record.id.removeprefix(JobRecord.prefix)}"
    kept = StoredFile(
        id=file_id,
        filename="step_metrics.csv",
        purpose=files.RESULTS,
        content=f"{file_id}.csv",
        size_bytes=len(data),
    )
    world.openai_files.mkdir(parents=True, exist_ok=True)
    durable.write_bytes(kept.path(world), data)
    kept.write(world)
    return kept


def table(record: JobRecord, battle_folder: Path) -> bytes:
    """One line a step, counted from the job's first; losses in nats, empty where nothing was measured."""
    told = battle_log.events(battle_folder)
    valid = battle_log.valid_losses(told, record, battle_log.order(battle_folder))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    steps = battle_log.records(battle_folder)
    for hero_step, step, loss in zip(
        steps["step"].tolist(), steps["quest_step"].tolist(), steps["loss"].tolist(), strict=True
    ):
        at_step = valid.get(hero_step)
        writer.writerow((step, f"{loss:.6g}", "", "" if at_step is None else f"{at_step:.6g}", ""))
    return text.getvalue().encode()
