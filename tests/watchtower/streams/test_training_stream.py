"""A battle as events: each step and each word of the trainer once, in order, after whatever absence."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from channels.db import database_sync_to_async

from arena import steps
from arena.jobs import NoSuchJob
from arena.models import Battle, ChronicleEntry, Quest
from realm.world import World
from tests.support.sse_events import Heard, seqs_of, steps_of
from tests.watchtower.factories import append_steps, make_battle, record, tell
from tests.watchtower.streams.listening import listener, until
from watchtower.streams import feed, sse, training
from watchtower.streams.training import Place, Training

pytestmark = pytest.mark.django_db(transaction=True)
in_thread = database_sync_to_async


def fight(world: World, first: int, last: int) -> None:
    append_steps(world, "b1", [record(step) for step in range(first, last + 1)])


def say(number: int, step: int, kind: str = "checkpoint_saved") -> None:
    entry = tell("b1", number, kind=kind, step=step)
    ChronicleEntry.objects.filter(pk=entry.pk).update(time=datetime.fromtimestamp(1_000_000.5 + step, UTC))


def end(state: Battle.State = Battle.State.COMPLETED) -> None:
    Battle.objects.filter(battle_id="b1").update(state=state)


async def heard_until_end(world: World, place: Place | None = None) -> list[Heard]:
    async with listener(await in_thread(Training)(world, "b1"), place or Place()) as body:
        return await until(body, lambda heard: bool(heard) and heard[-1].name == "end")


async def test_a_battle_that_is_over_is_told_in_order_and_then_ended(world: World) -> None:
    await in_thread(make_battle)(world)
    fight(world, 1, 30)
    for number, (step, kind) in enumerate([(0, "battle_started"), (10, "validated"), (20, "checkpoint_saved")], 1):
        await in_thread(say)(number, step, kind)
    await in_thread(end)()
    heard = await heard_until_end(world)
    assert [event.name for event in heard] == [
        "battle_started", "progress", "validation", "progress", "checkpoint", "progress", "end",
    ]  # fmt: skip
    assert steps_of(heard) == list(range(1, 31))
    assert [event.data["step"] for event in heard] == [0, 10, 10, 20, 20, 30, 30]
    assert heard[-1].data["state"] == "completed"
    assert len({event.id for event in heard}) == len(heard)
    for number, event in enumerate(heard[:-1]):
        assert await heard_until_end(world, Place.read(event.id)) == heard[number + 1 :]


async def test_what_comes_while_one_listens(world: World) -> None:
    await in_thread(make_battle)(world)
    fight(world, 1, 5)
    async with listener(await in_thread(Training)(world, "b1"), Place()) as body:
        heard = await until(body, lambda heard: 5 in steps_of(heard))
        fight(world, 6, 9)
        await in_thread(say)(1, 9)
        heard += await until(body, lambda heard: 9 in steps_of(heard) and seqs_of(heard) == [1])
        await in_thread(end)()
        heard += await until(body, lambda heard: heard[-1].name == "end")
        assert [part async for part in body] == [], "it is over"
    assert steps_of(heard) == list(range(1, 10))
    assert not feed._feeds, "nobody listens, nobody looks"


async def test_all_who_listen_share_one_look(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await in_thread(make_battle)(world)
    fight(world, 1, 3)
    monkeypatch.setattr(Training, "look_seconds", 0.01)
    encoded = 0

    def counted(*arguments: Any) -> bytes:
        nonlocal encoded
        encoded += 1
        return sse_encoded(*arguments)

    sse_encoded = sse.encoded
    bodies = [feed.watch(await in_thread(Training)(world, "b1"), Place()) for _ in range(20)]
    for body in bodies:
        await until(body, lambda heard: 3 in steps_of(heard))
    monkeypatch.setattr(training, "encoded", counted)
    fight(world, 4, 6)
    for heard in await asyncio.gather(*(until(body, lambda heard: 6 in steps_of(heard)) for body in bodies)):
        assert steps_of(heard) == [4, 5, 6]
    assert encoded == 1
    assert len(feed._feeds) == 1
    for body in bodies:
        await body.aclose()


async def test_steps_that_are_done_again_are_told_again(world: World) -> None:
    await in_thread(make_battle)(world)
    fight(world, 1, 30)
    with open(steps.path_of(world, "b1"), "r+b") as file:
        file.truncate(20 * steps.DTYPE.itemsize)
    append_steps(world, "b1", [record(step, time=1_000_100.0 + step) for step in range(21, 26)])
    await in_thread(end)()
    heard = await heard_until_end(world, Place(30, 1_000_030_000, 0))
    assert [event.name for event in heard] == ["rewound", "progress", "end"]
    assert (heard[0].data["step"], steps_of(heard)) == (20, [21, 22, 23, 24, 25])
    assert steps_of(await heard_until_end(world, Place(24, 1_000_024_000, 0))) == [21, 22, 23, 24, 25]
    assert steps_of(await heard_until_end(world, Place(24, 1_000_124_000, 0))) == [25]


async def test_what_history_no_longer_holds_is_a_gap(world: World) -> None:
    await in_thread(make_battle)(world)
    append_steps(world, "b1", [record(step) for step in range(11, 21)])
    for number in range(1, 9):
        await in_thread(say)(number, 20)
    await in_thread(ChronicleEntry.objects.filter(source_seq__in=[1, 2, 3, 6]).delete)()
    await in_thread(end)()
    heard = await heard_until_end(world)
    gaps = [(event.data["of"], event.data["from"], event.data["to"]) for event in heard if event.name == "gap"]
    assert gaps == [("steps", 1, 10), ("events", 1, 3), ("events", 6, 6)]
    assert (steps_of(heard), seqs_of(heard)) == (list(range(11, 21)), [4, 5, 7, 8])
    later = await heard_until_end(world, Place(20, 1_000_020_000, 12))
    assert [(event.name, event.data.get("from")) for event in later] == [("gap", 9), ("end", None)]


async def test_a_long_past_is_thinned_unless_every_step_is_asked_for(world: World) -> None:
    await in_thread(make_battle)(world)
    fight(world, 1, 3_000)
    await in_thread(end)()
    short = steps_of(await heard_until_end(world))
    assert len(short) <= steps.MOST_CURVE_POINTS
    assert (short[0], short[-1]) == (1, 3_000)
    assert steps_of(await heard_until_end(world, Place.read("0"))) == list(range(1, 3_001))
    assert steps_of(await heard_until_end(world, Place.read("2990"))) == list(range(2_991, 3_001))


async def test_more_than_one_reading_stays_in_order(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "MOST_RECORDS", 7)
    monkeypatch.setattr(training, "MOST_ENTRIES", 3)
    await in_thread(make_battle)(world)
    fight(world, 1, 40)
    for number in range(1, 21):
        await in_thread(say)(number, 2 * number)
    await in_thread(end)()
    heard = await heard_until_end(world)
    assert (steps_of(heard), seqs_of(heard)) == (list(range(1, 41)), list(range(1, 21)))
    assert [event.data["step"] for event in heard] == sorted(event.data["step"] for event in heard)


async def test_there_is_no_such_battle(world: World) -> None:
    with pytest.raises(NoSuchJob, match="no job 'b9'"):
        await in_thread(Training)(world, "b9")
    for text in ("x", "1-2", "-1", "1-2-3-4", "1-2-x", "", "9" * 30):
        with pytest.raises(ValueError, match="since"):
            Place.read(text)


async def test_a_job_that_waits_is_told_once_its_battle_begins(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "DATABASE_SECONDS", 0.0)
    quest = (await in_thread(make_battle)(world)).quest
    await in_thread(Battle.objects.all().delete)()
    await in_thread(Quest.objects.update)(job="job-0123456789abcdef", state=Quest.State.QUEUED)
    source = await in_thread(Training)(world, "job-0123456789abcdef")
    async with listener(source, Place()) as body:
        assert await anext(body) == sse.BEGINNING
        fight(world, 1, 3)
        await in_thread(Battle.objects.create)(battle_id="b1", quest=quest, hero="DIO", started_at=datetime.now(UTC))
        heard = await until(body, lambda heard: 3 in steps_of(heard))
        assert heard[0].data["run"] == "b1"
    await in_thread(Battle.objects.all().delete)()
    await in_thread(Quest.objects.update)(state=Quest.State.CANCELLED, reason="why")
    async with listener(await in_thread(Training)(world, f"quest-{quest.pk}"), Place()) as body:
        (end_of_it,) = await until(body, lambda heard: bool(heard))
    assert (end_of_it.name, end_of_it.data["state"], end_of_it.data["reason"]) == ("end", "cancelled", "why")


async def test_a_quiet_stream_says_that_it_lives(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await in_thread(make_battle)(world)
    monkeypatch.setattr(sse, "HEARTBEAT_SECONDS", 0.01)
    async with listener(await in_thread(Training)(world, "b1"), Place()) as body:
        assert [await anext(body), await anext(body)] == [sse.BEGINNING, sse.HEARTBEAT]
