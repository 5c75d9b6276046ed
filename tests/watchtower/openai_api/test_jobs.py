"""Fine-tuning jobs by OpenAI's own client: from the file to the model, and orders that reach one job alone."""

from __future__ import annotations

import errno
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from openai import APIStatusError, BadRequestError, NotFoundError, OpenAI

from arena import jobs as arena_jobs
from arena import orders
from arena.daemon import recovery
from arena.daemon.pause import Pause
from arena.models import Battle, Quest
from arena.orders import Wish
from arena.protocol import STEPS_FILE, Command, EventKind, StepRecord
from realm.world import World
from tests.watchtower.openai_api.conftest import ROWS, Realm, lines
from watchtower.openai_api.records import JobRecord

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


def take_steps(realm: Realm, count: int) -> None:
    record = StepRecord(
        step=0, time=0.0, loss=2.0, learning_rate=0.01, grad_norm=1.0, step_seconds=0.1, tokens=30, trained_tokens=10,
        slots=64, quest_step=0, memory_bytes=1,
    )  # fmt: skip
    now = time.time()
    steps = (replace(record, step=n, quest_step=n, time=now + n / 1000, loss=2.0 - n / 10) for n in range(1, count + 1))
    (realm.fought / STEPS_FILE).write_bytes(b"".join(step.pack() for step in steps))


def fight(realm: Realm, steps: int = 4) -> None:
    realm.trainer.begin(total_steps=steps)
    take_steps(realm, steps)
    realm.trainer.save(steps)
    realm.trainer.say(EventKind.VALIDATED, step=steps, losses={"file/other": 9.0}, quest_step=steps)
    realm.trainer.complete(steps)
    realm.settle()


def test_a_job_from_its_file_to_its_model(realm: Realm) -> None:
    file = realm.upload(name="Grüße 1.jsonl")
    made = realm.client.fine_tuning.jobs.create(
        model="DIO", training_file=file, suffix="sums", seed=7, metadata={"team": "α"},
        method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 2, "batch_size": 3}}},
    )  # fmt: skip
    assert (made.status, made.model, made.training_file, made.seed) == ("validating_files", "DIO", file, 7)
    assert (made.fine_tuned_model, made.finished_at, made.trained_tokens, made.result_files) == (None, None, None, [])
    realm.settle()
    assert (realm.status(made.id), realm.trainer.orders[-1].quest) == ("running", "sums")
    recipe = realm.trainer.orders[-1].recipe
    assert (recipe.epochs, recipe.rows_per_step, recipe.seed) == (2, 3, 7)
    fight(realm)
    done = realm.client.fine_tuning.jobs.retrieve(made.id)
    assert (done.status, done.trained_tokens, done.metadata) == ("succeeded", 120, {"team": "α"})
    assert done.hyperparameters.n_epochs == 2
    assert done.fine_tuned_model
    assert done.fine_tuned_model.startswith("DIO/checkpoint-4-")
    assert done.finished_at
    assert done.finished_at >= done.created_at
    table = realm.client.files.content(done.result_files[0]).text.splitlines()
    assert table[:2] == ["step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy", "1,1.9,,,"]
    assert len(table) == 5
    (checkpoint,) = realm.client.fine_tuning.jobs.checkpoints.list(made.id)
    assert (checkpoint.step_number, checkpoint.fine_tuned_model_checkpoint) == (4, done.fine_tuned_model)
    again = realm.job(file)  # the very same rows: a client that asks for them twice means it
    realm.settle()
    assert realm.status(again) == "running"


def test_events_are_paged_from_the_newest_to_the_first_without_a_gap(realm: Realm) -> None:
    job = realm.job()
    realm.settle()
    fight(realm, steps=30)
    told = list(realm.client.fine_tuning.jobs.list_events(job, limit=7))
    assert len({event.id for event in told}) == len(told) == 30 + 2 + 4
    assert [event.data["step"] for event in told if event.type == "metrics"] == list(range(30, 0, -1))  # type: ignore[index]
    assert told[-1].message == f"Created fine-tuning job: {job}"
    with pytest.raises(BadRequestError, match="there is no 'ftevent-1-q0'"):
        realm.client.fine_tuning.jobs.list_events(job, after="ftevent-1-q0")
    assert realm.client.fine_tuning.jobs.list_events(job, limit=0).data == []


def test_pause_holds_what_waits_and_lets_what_battles_rest(realm: Realm) -> None:
    first, second = realm.job(), realm.job(realm.upload([*ROWS, ROWS[0]]))
    realm.settle()
    realm.trainer.begin()
    realm.settle()
    jobs = realm.client.fine_tuning.jobs
    jobs.pause(second)
    realm.settle()
    assert [realm.status(job) for job in (first, second)] == ["running", "paused"]
    assert realm.trainer.commands == []
    jobs.pause(first)
    realm.settle()
    assert realm.trainer.commands == [Command.PAUSE]
    realm.trainer.say(EventKind.BATTLE_PAUSED, step=1, asked="pause")
    realm.settle()
    assert [realm.status(job) for job in (first, second)] == ["paused", "paused"]
    jobs.resume(second)
    realm.settle()
    assert [realm.status(job) for job in (first, second)] == ["paused", "queued"]
    fought = realm.trainer.orders[-1].battle
    jobs.resume(first)
    realm.settle()
    assert realm.trainer.orders[-1].battle == fought
    with pytest.raises(BadRequestError, match="resume makes no sense"):
        jobs.resume(second)


def test_a_pause_before_the_gatekeepers_have_looked_holds_it_then(
    realm: Realm, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = realm.job(suffix="bin-level-3-0001")
    with pytest.raises(BadRequestError, match="cannot be paused"):
        realm.client.fine_tuning.jobs.pause(job)  # nobody has seen it
    with monkeypatch.context() as patch:
        patch.setattr(realm.daemon._doorway, "_ask_gate", lambda: False)
        realm.settle()
        assert Quest.objects.get().name == "job-bin-level-3-0001"  # or the guild's rules would be its own
        assert realm.client.fine_tuning.jobs.pause(job).status == "validating_files"
        realm.settle()
    realm.settle()
    assert realm.status(job) == "paused"


def test_a_pause_of_the_arena_stays_one(world: World) -> None:
    rest = Pause(world)
    rest.begin(Wish.PAUSE)
    rest.begin(Wish.PAUSE, battle="b1")
    assert (rest.active, rest.battle) == (True, "")
    rest.end()
    rest.begin(Wish.PAUSE, battle="b1")
    assert rest.battle == "b1"


def reaches_another(realm: Realm) -> bool:
    """Whether a pause that was meant for a job that has ended stops the next one."""
    first, second = realm.job(), realm.job(realm.upload([*ROWS, ROWS[0]]))
    realm.settle()
    realm.trainer.begin()
    realm.settle()
    realm.client.fine_tuning.jobs.pause(first)
    obey, realm.daemon._obey = realm.daemon._obey, lambda: False  # type: ignore[method-assign]
    realm.trainer.complete(4)
    realm.settle()
    realm.daemon._obey = obey  # type: ignore[method-assign]
    realm.settle()
    return Command.PAUSE in realm.trainer.commands or realm.status(second) != "running"


def test_a_late_pause_stops_no_other_job(realm: Realm) -> None:
    assert not reaches_another(realm)


def test_twin_without_its_battle_in_the_order_it_does(realm: Realm, monkeypatch: pytest.MonkeyPatch) -> None:
    send = orders.send
    monkeypatch.setattr(orders, "send", lambda *at, battle="", **given: send(*at, **given))
    assert reaches_another(realm)


def goes_on(realm: Realm) -> bool:
    """Whether the next job is fought once one that rested was cancelled."""
    first, second = realm.job(), realm.job(realm.upload([*ROWS, ROWS[0]]))
    realm.settle()
    realm.trainer.begin()
    realm.client.fine_tuning.jobs.pause(first)
    realm.settle()
    realm.trainer.say(EventKind.BATTLE_PAUSED, step=1, asked="pause")
    realm.settle()
    realm.client.fine_tuning.jobs.cancel(first)
    realm.settle()
    assert realm.status(first) == "cancelled"
    return realm.status(second) in ("queued", "running") and len(realm.trainer.orders) == 2


def test_a_rest_ends_with_the_job_that_it_was_of(realm: Realm) -> None:
    assert goes_on(realm)


def test_twin_a_rest_of_the_arena_does_not(realm: Realm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realm.daemon, "_end_rest_of_battle", lambda: False)
    assert not goes_on(realm)


def test_what_waits_is_cancelled_whether_the_arena_runs_or_not(realm: Realm) -> None:
    unseen = realm.job()
    assert realm.client.fine_tuning.jobs.cancel(unseen).status == "cancelled"
    fought = realm.job(realm.upload(ROWS[:4]))
    waiting = realm.job(realm.upload(ROWS[:5]))
    realm.settle()
    realm.client.fine_tuning.jobs.cancel(waiting)
    realm.settle()
    assert [realm.status(job) for job in (unseen, fought, waiting)] == ["cancelled", "running", "cancelled"]
    with pytest.raises(BadRequestError, match="is cancelled: cancel makes no sense"):
        realm.client.fine_tuning.jobs.cancel(waiting)


def test_a_file_that_the_gatekeepers_refuse_fails_its_job(realm: Realm) -> None:
    job = realm.job(realm.upload([ROWS[0], {"nothing": 1}, {"nothing": 2}]))
    realm.settle()
    failed = realm.client.fine_tuning.jobs.retrieve(job)
    assert failed.status == "failed"
    assert failed.error
    assert failed.finished_at
    assert (failed.error.param, failed.error.code) == ("training_file", "bad-rows")


def test_a_validation_file_is_scored_by_its_job_alone(realm: Realm, world: World) -> None:
    held = realm.upload(ROWS[:3], name="held.jsonl")
    job = realm.job(realm.upload(ROWS[3:]), validation_file=held)
    realm.client.files.delete(held)
    realm.settle()
    (asked,) = (each for each in realm.trainer.orders[-1].validation_sets if each.always)
    assert Path(asked.path).read_bytes() == lines(ROWS[:3])
    realm.trainer.begin()
    realm.trainer.save(4)
    realm.trainer.say(EventKind.VALIDATED, step=4, losses={asked.name: 1.5}, quest_step=4)
    realm.settle()
    (checkpoint,) = realm.client.fine_tuning.jobs.checkpoints.list(job)
    assert checkpoint.metrics.valid_loss == 1.5
    assert world.home in Path(asked.path).parents


def test_jobs_are_listed_the_newest_first_and_by_their_metadata(realm: Realm) -> None:
    file = realm.upload()
    made = [realm.job(file, metadata=given) for given in ({"a": "1"}, {"a": "2", "b": ""}, None)]
    jobs = realm.client.fine_tuning.jobs
    assert [job.id for job in jobs.list(limit=2)] == made[::-1]
    assert [job.id for job in jobs.list(metadata={"a": "2"})] == [made[1]]
    assert [job.id for job in jobs.list(metadata={"b": ""})] == [made[1]]
    assert [job.id for job in jobs.list(extra_query={"metadata": "null"})] == [made[2]]
    assert jobs.list(limit=0).data == []
    with pytest.raises(BadRequestError, match="after"):
        jobs.list(after="ftjob-0123456789abcdef")


def test_jobs_outlive_the_database(realm: Realm, world: World, openai: OpenAI) -> None:
    job = realm.job()
    realm.settle()
    fight(realm)
    before = openai.fine_tuning.jobs.retrieve(job)
    Battle.objects.all().delete()
    Quest.objects.all().delete()
    recovery.bring_into_line(world)
    assert openai.fine_tuning.jobs.retrieve(job) == before


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"model": "gpt-4o-mini"}, "model", "there are DIO, DIO/base"),
    ({"training_file": "file-nope"}, "training_file", "no file 'file-nope'"),
    ({"method": {"type": "dpo"}}, "method", "a better and a worse"),
    ({"method": {"type": "reinforcement"}}, "method", "no graders"),
    ({"integrations": [{"type": "wandb", "wandb": {"project": "x"}}]}, "integrations", "W&B"),
    ({"hyperparameters": {"n_epochs": 0}}, "hyperparameters", "epochs"),
    ({"hyperparameters": {"learning_rate_multiplier": 1000}}, "hyperparameters", "ruin"),
    ({"hyperparameters": {"batch_size": "many"}}, "hyperparameters", "batch_size"),
    ({"seed": -1}, "seed", "greater"),
    ({"suffix": "x" * 65}, "suffix", "64"),
    ({"metadata": {str(n): "" for n in range(17)}}, "metadata", "16"),
    ({"extra_body": {"foo": 1}}, "foo", "foo"),
]


def test_what_cannot_be_trained_is_refused_in_words(realm: Realm) -> None:
    given = {"model": "DIO", "training_file": realm.upload()}
    for asked, param, says in REFUSED:
        with pytest.raises(BadRequestError, match=says) as refused:
            realm.client.fine_tuning.jobs.create(**(given | asked))
        assert (refused.value.param, refused.value.type) == (param, "invalid_request_error")
    assert realm.client.fine_tuning.jobs.list().data == []


def test_what_there_is_not_says_so(openai: OpenAI, world: World) -> None:
    asks = [
        lambda: openai.fine_tuning.jobs.retrieve("ftjob-nope"), lambda: openai.files.content("file-../x"),
        lambda: openai.fine_tuning.checkpoints.permissions.list("DIO/checkpoint-1").data,
        lambda: openai.fine_tuning.alpha.graders.validate(grader={"type": "python", "name": "x", "source": ""}),
        lambda: openai.uploads.create(bytes=1, filename="x", mime_type="text/plain", purpose="fine-tune"),
        lambda: openai.models.list(), lambda: openai.chat.completions.create(model="DIO", messages=[]),
    ]  # fmt: skip
    for ask in asks:
        with pytest.raises(NotFoundError) as refused:
            ask()
        assert isinstance(refused.value.body, dict)
        assert refused.value.body["message"]


def _asked_without_a_record(realm: Realm, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """States of the quests there are where the disk was full for the record of a job, and its client was told so."""

    def write(record: JobRecord, world: World) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    file = realm.upload()
    monkeypatch.setattr(JobRecord, "write", write)
    with pytest.raises(APIStatusError):
        realm.job(file)
    realm.settle()
    return list(Quest.objects.values_list("state", flat=True))


def test_a_job_that_is_refused_at_last_trains_nothing(realm: Realm, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _asked_without_a_record(realm, monkeypatch) == [Quest.State.CANCELLED]


def test_twin_without_its_end_it_would(realm: Realm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arena_jobs, "stop", lambda *_, **__: None)
    assert _asked_without_a_record(realm, monkeypatch) != [Quest.State.CANCELLED]
