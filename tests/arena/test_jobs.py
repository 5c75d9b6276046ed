"""A job is there from the moment of asking, under one id, whatever becomes of the arena or its database."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from arena import jobs
from arena.daemon.loop import ArenaDaemon
from arena.jobs import Job, NoSuchJob, NotPossible
from arena.models import Battle, Quest
from arena.orders import MAILBOX
from arena.protocol import Command, EventKind
from arena.quest_orders import Act, send
from arena.queue import ticket
from arena.queue.asking import BadRows
from arena.queue.names import BadName
from arena.sources import folders
from arena.sources.folders import BadSource
from realm.config import RealmConfig
from realm.strict import BadConfig
from realm.world import World
from tests.arena.daemon.test_loop import clock, open_daemon, settle, trainer
from tests.support.fake_trainer import FakeTrainer

__all__ = ["clock", "open_daemon", "trainer"]  # fixtures

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
Opener = Callable[..., ArenaDaemon]
ROWS = [{"prompt": "2 + 2 =", "completion": "4"}, {"prompt": "née", "completion": "ß"}]


def ask(world: World, **options: Any) -> Job:
    given = {"rows": ROWS} if not options.keys() & {"rows", "file", "source"} else {}
    return jobs.start(world, RealmConfig(), by="test", **given, **options)


def states(world: World, *asked: Job) -> list[str]:
    return [jobs.get(world, job.id).state for job in asked]


def test_every_way_in_is_a_job_before_the_arena_runs(world: World, tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    file.write_text("".join(f"{json.dumps(row)}\n" for row in ROWS))
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "talk.jsonl").write_text(file.read_text())
    folders.register(world, "talks", str(folder))
    asked = [
        ask(world, rows=ROWS, name="rows", facts={"seed": 7}), ask(world, rows=file.read_text(), name="rows.jsonl"),
        ask(world, file=file, priority="high"), ask(world, file=file, name="other.jsonl"),
        ask(world, source="talks/talk.jsonl"), ask(world, source="talks"),
    ]  # fmt: skip
    assert [job.name for job in asked] == ["rows", "rows-2", "mine", "other", "talk", "talk-2"]
    assert {(job.state, job.quest, job.asked_by) for job in asked} == {("waiting", None, "test")}
    assert "the arena is not running" in asked[0].reason
    assert (asked[0].facts, asked[2].priority) == ({"seed": 7}, "high")
    assert len({job.id for job in asked}) == 6
    assert [jobs.get(world, job.id) for job in asked] == asked
    listed = jobs.jobs(world, limit=4)
    assert (listed.total, [job.id for job in listed.items]) == (6, [job.id for job in reversed(asked[2:])])
    written = (world.lane("normal") / "rows.jsonl").read_text()
    assert [json.loads(line) for line in written.splitlines()] == ROWS


@pytest.mark.parametrize(
    ("options", "refusal", "says"),
    [
        ({"rows": []}, BadRows, "no rows"),
        ({"rows": [{"a": float("nan")}]}, BadRows, "cannot be written"),
        ({"rows": ["text"]}, BadRows, "Row 1 is no object"),
        ({"rows": "[1 2]"}, BadRows, "a comma is missing"),
        ({"rows": ROWS, "name": "/"}, BadName, "no quest"),
        ({"source": "nothing"}, BadSource, "There is no source"),
        ({"recipe": {"epoch": 2}}, BadConfig, "epochs"),
        ({"recipe": {"preset": "nope"}}, BadConfig, "nope"),
        ({"priority": "urgent"}, ValueError, "urgent"),
        ({"rows": ROWS, "source": "talks"}, ValueError, "just one of"),
    ],
)
def test_what_cannot_be_leaves_nothing(
    world: World, options: dict[str, Any], refusal: type[Exception], says: str
) -> None:
    with pytest.raises(refusal, match=says):
        ask(world, **options)
    assert jobs.jobs(world).total == 0
    assert not [path for lane in ("high", "normal", "low") for path in world.lane(lane).iterdir()]


def fought(world: World, trainer: FakeTrainer, open_daemon: Opener) -> Job:
    """One job that was completed."""
    job = ask(world, name="mine", recipe={"epochs": 2}, facts={"suffix": "x"})
    daemon = open_daemon()
    settle(daemon)
    assert states(world, job) == ["running"]
    trainer.begin(total_steps=8)
    settle(daemon)
    told = jobs.get(world, job.id)
    assert (told.progress.total, told.progress.step, told.battle) == (8, 0, trainer.orders[-1].battle)
    trainer.save(8)
    trainer.complete(8)
    settle(daemon)
    return job


def outlives(world: World, job: Job, open_daemon: Opener) -> bool:
    """Whether the id is known to an arena whose database was lost."""
    Battle.objects.all().delete()
    Quest.objects.all().delete()
    open_daemon()
    try:
        found = jobs.get(world, job.id)
    except NoSuchJob:
        return False
    return (found.id, found.state, found.name) == (job.id, "completed", "mine") and found.battle is not None


def test_an_id_outlives_the_database(world: World, trainer: FakeTrainer, open_daemon: Opener) -> None:
    job = fought(world, trainer, open_daemon)
    assert states(world, job) == ["completed"]
    assert outlives(world, job, open_daemon)
    assert jobs.get(world, job.id).facts == {"suffix": "x"}
    (world.recently_completed / "mine.jsonl").unlink()
    assert outlives(world, job, open_daemon), "the battle's order knows it where the file made room"


def test_an_id_outlives_the_database_twin(
    world: World, trainer: FakeTrainer, open_daemon: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = fought(world, trainer, open_daemon)
    monkeypatch.setattr(ticket, "id_of", lambda path: "")
    assert not outlives(world, job, open_daemon)


def stops_unseen(world: World, trainer: FakeTrainer, open_daemon: Opener) -> bool:
    """Whether what was stopped while the arena was away is never fought."""
    job = ask(world, name="unwanted")
    jobs.stop(world, job.id, by="test")
    assert states(world, job) == ["cancelled"]
    settle(open_daemon())
    return not trainer.orders


def test_a_job_is_stopped_before_the_arena_runs_and_may_be_wanted_again(
    world: World, trainer: FakeTrainer, open_daemon: Opener
) -> None:
    assert stops_unseen(world, trainer, open_daemon)
    quest = Quest.objects.get(name="unwanted")
    assert (quest.state, quest.reason) == ("cancelled", "cancelled by the player")
    send(world, act=Act.RETRY, quests=[quest], by="test")
    settle(open_daemon())
    assert [order.quest for order in trainer.orders] == ["unwanted"]


def test_a_job_is_stopped_before_the_arena_runs_twin(
    world: World, trainer: FakeTrainer, open_daemon: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("arena.queue.intake.ticket", SimpleNamespace(read=lambda path: None))
    assert not stops_unseen(world, trainer, open_daemon)


def test_orders_reach_the_quest_in_every_state(world: World, trainer: FakeTrainer, open_daemon: Opener) -> None:
    first, second = ask(world, name="first"), ask(world, name="second", rows=[{"text": "another"}])
    daemon = open_daemon()
    settle(daemon)
    trainer.begin()
    settle(daemon)
    assert states(world, first, second) == ["running", "waiting"]
    jobs.pause(world, second.id, by="test")
    settle(daemon)
    assert jobs.get(world, second.id).reason == "on hold until it is released"
    jobs.resume(world, second.id, by="test")
    jobs.pause(world, first.id, by="test")
    settle(daemon)
    assert trainer.commands[-1] is Command.PAUSE
    trainer.say(EventKind.BATTLE_PAUSED)
    settle(daemon)
    assert states(world, first, second) == ["paused", "waiting"]
    assert [job.id for job in jobs.jobs(world, state="paused").items] == [first.id]
    assert jobs.jobs(world, state="running").total == 0
    jobs.resume(world, first.id, by="test")
    assert [request.wish for _, request in MAILBOX.waiting(world)] == ["resume"]
    jobs.stop(world, second.id, by="test")
    settle(daemon)
    assert states(world, second) == ["cancelled"]
    for order in (jobs.stop, jobs.pause, jobs.resume):
        with pytest.raises(NotPossible, match="cancelled"):
            order(world, second.id, by="test")
    assert jobs.get(world, trainer.orders[0].battle).id == first.id == jobs.get(world, f"quest-{first_number()}").id
    for nothing in ("job-0000000000000000", "job-x", "", "quest-99", "9" * 40, "\0"):
        with pytest.raises(NoSuchJob):
            jobs.get(world, nothing)


def first_number() -> int:
    return Quest.objects.get(name="first").pk
