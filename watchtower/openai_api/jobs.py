"""A fine-tuning job: the record of what a client asked, beside the arena's own job."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from secrets import token_hex
from typing import Any

from arena import jobs as arena_jobs
from arena import status as arena_status
from arena.jobs import NoSuchJob, NotPossible
from arena.models import Battle, Quest
from arena.protocol import Event
from arena.rows.lines import stem_of, suffix_of
from realm.config import RealmConfig
from realm.disk import durable
from realm.quest_names import is_own_name
from realm.world import World
from watchtower.openai_api import battle_log, files, hyperparameters, models, results
from watchtower.openai_api.errors import ApiError, not_found
from watchtower.openai_api.hyperparameters import Hyperparameters, JobRequest
from watchtower.openai_api.records import JobRecord

OVER = ("succeeded", "failed", "cancelled")
_LONGEST_STEM = 60
_ORDERS = {"cancel": arena_jobs.stop, "pause": arena_jobs.pause, "resume": arena_jobs.resume}


@dataclass(frozen=True, kw_only=True)
class Job:
    record: JobRecord
    quest: Quest | None
    battle: Battle | None
    status: str
    reason: str = ""
    """Why it failed or was cancelled, for people."""

    @property
    def id(self) -> str:
        return self.record.id

    @property
    def is_over(self) -> bool:
        return self.status in OVER

    def folder(self, world: World) -> Path | None:
        """Of its battle."""
        return world.battles / self.battle.battle_id if self.battle else None

    def events(self, world: World) -> list[Event]:
        """What the trainer said of it, the oldest first."""
        folder = self.folder(world)
        return battle_log.events(folder) if folder else []


def create(world: World, config: RealmConfig, asked: JobRequest, *, by: str) -> Job:
    """Raises ApiError, OSError."""
    hyper = hyperparameters.chosen(asked)
    models.check(world, config, asked.model)
    training = _file(world, asked.training_file, "training_file")
    validation = _file(world, asked.validation_file, "validation_file") if asked.validation_file else None
    keys = hyperparameters.recipe_keys(world, config, hyper, seed=asked.seed)
    name = _quest_name(asked.suffix or stem_of(files.get(world, asked.training_file).filename))
    with _copied(world, validation) as copy, hyperparameters.refusals():
        started = arena_jobs.start(
            world, config, file=training, name=f"{name}{suffix_of(training.name)}", recipe=keys, repeated=True,
            validation=copy, by=by,
        )  # fmt: skip
    record = _record(asked, hyper, started.id, copy)
    try:
        record.write(world)
    except OSError:  # whoever is told that there is no job asks for it again
        arena_jobs.stop(world, started.id, by=by)
        raise
    return stand(world, record)


def _record(asked: JobRequest, hyper: Hyperparameters, job_id: str, copy: Path | None) -> JobRecord:
    return JobRecord(
        id=f"{JobRecord.prefix}{job_id.removeprefix('job-')}",
        job=job_id,
        model=asked.model,
        training_file=asked.training_file,
        validation_file=asked.validation_file,
        validation_copy=copy.name if copy else None,
        suffix=asked.suffix,
        seed=asked.seed or 0,
        method=asked.hyperparameters is None,
        n_epochs=hyperparameters.number(hyper.n_epochs),
        batch_size=hyperparameters.number(hyper.batch_size),
        learning_rate_multiplier=_float(hyperparameters.number(hyper.learning_rate_multiplier)),
        metadata=asked.metadata,
    )


def _file(world: World, file_id: str, param: str) -> Path:
    try:
        found = files.get(world, file_id)
    except ApiError as error:
        words = f"{param}: there is no file {file_id[:80]!r}"
        raise ApiError(words, param=param, code="invalid_value") from error
    if found.purpose != files.FINE_TUNE:
        words = f"{param}: {file_id} is no file for fine-tuning, its purpose is {found.purpose!r}"
        raise ApiError(words, param=param, code="invalid_value")
    return found.path(world)


@contextmanager
def _copied(world: World, validation: Path | None) -> Iterator[Path | None]:
    """The client may delete its file while the job waits; a job that does not begin leaves none."""
    copy = world.openai_jobs / f"validation-{token_hex(6)}{suffix_of(validation.name)}" if validation else None
    if copy and validation:
        world.openai_jobs.mkdir(parents=True, exist_ok=True)
        durable.copy(validation, copy)
    try:
        yield copy
    except BaseException:
        if copy:
            copy.unlink(missing_ok=True)
        raise


def _quest_name(wished: str) -> str:
    name = re.sub(r"\W+", "-", wished).strip("-")[:_LONGEST_STEM] or "job"
    return name if is_own_name(name) else f"job-{name}"  # what the guild makes is trained by other rules


def _float(value: Any) -> float | None:
    return None if value is None else float(value)


def get(world: World, job_id: str) -> Job:
    """Raises ApiError."""
    record = JobRecord.read(world, job_id)
    if record is None:
        raise not_found(f"fine-tune job: {job_id[:80]}", param="fine_tuning_job_id")
    return stand(world, record)


def order(world: World, job_id: str, act: str, *, by: str) -> Job:
    """`cancel` it, which keeps its steps in the hero, `pause` or `resume` it, and no other job. Raises ApiError."""
    job = get(world, job_id)
    rests = bool(arena_status.read_rest(world))
    may = {
        "cancel": not job.is_over,
        "pause": not job.is_over and job.status != "paused",
        "resume": _may_resume(job, rests),
    }
    if not may[act]:
        raise ApiError(f"Job {job.id} is {job.status}: {act} makes no sense", code="invalid_status")
    try:
        _ORDERS[act](world, job.record.job, by=by)
    except (NoSuchJob, NotPossible) as error:
        raise ApiError(str(error), code="invalid_status") from error
    return get(world, job_id)


def _may_resume(job: Job, rests: bool) -> bool:
    """A battle that saves before it rests is still running for a moment."""
    return job.status in ("paused", "validating_files") or (job.status == "running" and rests)


def records(world: World, *, metadata: Mapping[str, str], without_metadata: bool) -> list[JobRecord]:
    """The newest first, with all these pairs; or those that have none."""
    found = JobRecord.all(world)
    if without_metadata:
        return [record for record in found if not record.metadata]
    return [record for record in found if metadata.items() <= (record.metadata or {}).items()]


def stand(world: World, record: JobRecord) -> Job:
    """How it stands now; once it has succeeded, the file of its curves is there."""
    job = _stand(world, record)
    if job.status == "succeeded" and record.results is None:
        record = replace(record, results=results.make(world, record, job.folder(world)).id)
        record.write(world)
    return replace(job, record=record)


def _stand(world: World, record: JobRecord) -> Job:
    try:
        found = arena_jobs.get(world, record.job)
    except NoSuchJob:
        reason = "Its rows are gone from the queue, and no battle knows of it."
        return Job(record=record, quest=None, battle=None, status="cancelled", reason=reason)
    quest = Quest.objects.filter(pk=found.quest).first() if found.quest else None
    battle = Battle.objects.filter(battle_id=found.battle).first() if found.battle else None
    status = {"completed": "succeeded", "failed": "failed", "cancelled": "cancelled"}.get(found.state)
    return Job(
        record=record,
        quest=quest,
        battle=battle,
        status=status or _waiting_as(world, quest, battle),
        reason=found.reason if found.is_over else "",
    )


def _waiting_as(world: World, quest: Quest | None, battle: Battle | None) -> str:
    if quest is None or quest.state == Quest.State.ARRIVED:
        return "validating_files"
    if quest.state == Quest.State.INSPECTED:
        return "paused"
    if battle is None or quest.state == Quest.State.QUEUED:
        return "queued"
    rests = battle.state == Battle.State.PAUSED and arena_status.read_rest(world)
    return "paused" if rests else "running"
