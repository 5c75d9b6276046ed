"""`/ws/battle/`: what a browser gets, in which order, and after which absence."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import orjson
import pytest
from channels.db import database_sync_to_async
from channels.testing import WebsocketCommunicator

from arena.models import ChronicleEntry
from realm.world import World
from tests.watchtower.factories import append_steps, daemon_lock, make_battle, record, say_status, tell
from watchtower import pool
from watchtower.pool import Pool
from watchtower.routing import websocket_router
from watchtower.spectator import Spectator

pytestmark = pytest.mark.django_db(transaction=True)

TIMEOUT_SECONDS = 20


@asynccontextmanager
async def browser(query: str = "") -> AsyncIterator[WebsocketCommunicator]:
    client = WebsocketCommunicator(websocket_router, f"/ws/battle/{query}")
    accepted, _ = await client.connect()
    assert accepted
    try:
        yield client
    finally:
        await client.disconnect()


async def hear(client: WebsocketCommunicator) -> dict[str, Any]:
    message: dict[str, Any] = orjson.loads(await client.receive_from(timeout=TIMEOUT_SECONDS))
    return message


async def hear_until(client: WebsocketCommunicator, wanted: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
    """All messages up to and with the first wanted one."""
    heard = [await hear(client)]
    while not wanted(heard[-1]):
        heard.append(await hear(client))
    return heard


def events_of(messages: list[dict[str, Any]]) -> list[int]:
    return [message["seq"] for message in messages if message["type"] == "event"]


def is_event(seq: int) -> Callable[[dict[str, Any]], bool]:
    return lambda message: message["type"] == "event" and message["seq"] == seq


def is_tick(message: dict[str, Any]) -> bool:
    return message["type"] == "tick"


in_thread = database_sync_to_async


@contextmanager
def shorter_memory(events: int) -> Iterator[None]:
    before, pool.RECENT_EVENTS = pool.RECENT_EVENTS, events
    try:
        yield
    finally:
        pool.RECENT_EVENTS = before


async def test_the_first_message_is_a_snapshot_of_what_there_is(world: World) -> None:
    battle = await in_thread(make_battle)(world)
    append_steps(world, "b1", [record(step) for step in range(1, 31)])
    told = [await in_thread(tell)("b1", number, kind="validated", step=number, val_loss=1.5) for number in (1, 2)]
    say_status(world)
    with daemon_lock(world):
        async with browser() as client:
            snapshot = await hear(client)
    assert (snapshot["v"], snapshot["type"], snapshot["seq"]) == (1, "snapshot", told[-1].id)
    assert [event["seq"] for event in snapshot["events"]] == [entry.id for entry in told]
    assert snapshot["events"][0]["run"] == "b1"
    assert snapshot["curve"]["step"] == list(range(1, 31))
    points = [[1, 1.5], [2, 1.5]]
    assert snapshot["validation"] == [{"set": "validation", "rows": None, "sha256": "", "points": points}]
    assert snapshot["hero"]["xp"] == 30
    assert snapshot["arena"]["alive"] is True
    shown = snapshot["battle"]
    assert (shown["id"], shown["step"], shown["total"], shown["val"]) == ("b1", 30, 100, 1.5)
    assert (shown["sps"], shown["tok_s"], shown["eta_s"]) == (1.0, 100.0, 70.0)
    assert shown["started_at"] == battle.started_at.timestamp()


async def test_an_empty_world_says_null_not_zero(world: World) -> None:
    async with browser() as client:
        snapshot, tick = await hear(client), await hear(client)
    assert snapshot["battle"] is None
    assert snapshot["curve"] == {"step": [], "loss": [], "lr": [], "battles": []}
    assert snapshot["arena"] == {
        "alive": False,
        "state": "offline",
        "message": "The arena is not running",
        "waits": False,
        "age_s": None,
        "stale": False,
    }
    assert (snapshot["hero"]["attack"], snapshot["hero"]["accuracy"]) == (None, None)
    assert (tick["run"], tick["step"], tick["loss"], tick["points"]) == (None, None, None, [])


async def test_new_steps_come_as_points_each_once(world: World) -> None:
    await in_thread(make_battle)(world)
    append_steps(world, "b1", [record(1)])
    async with browser() as client:
        drawn = (await hear(client))["curve"]["step"]
        for step in range(2, 40):
            append_steps(world, "b1", [record(step)])
            await asyncio.sleep(0.01)
        messages = await hear_until(client, lambda message: message.get("step") == 39)
    drawn += [point[0] for message in messages if is_tick(message) for point in message["points"]]
    assert drawn == list(range(1, 40))
    assert messages[-1]["points"][-1] == [39, pytest.approx(1 / 39, abs=1e-6), 0.002]


async def test_many_new_steps_are_thinned_to_500_points(world: World) -> None:
    await in_thread(make_battle)(world)
    async with browser() as client:
        await hear_until(client, is_tick)
        append_steps(world, "b1", [record(step) for step in range(1, 3001)])
        tick = (await hear_until(client, lambda message: message["type"] == "tick" and message["step"] == 3000))[-1]
    assert 400 < len(tick["points"]) <= 500
    assert (tick["points"][0][0], tick["points"][-1][0]) == (1, 3000)


async def test_more_steps_than_the_pool_keeps_bring_a_fresh_snapshot(world: World) -> None:
    await in_thread(make_battle)(world)
    async with browser() as client:
        await hear_until(client, is_tick)
        append_steps(world, "b1", [record(step) for step in range(1, 10_001)])
        snapshot = (await hear_until(client, lambda message: message["type"] == "snapshot"))[-1]
    assert len(snapshot["curve"]["step"]) <= 2000
    assert (snapshot["curve"]["step"][0], snapshot["curve"]["step"][-1]) == (1, 10_000)


async def test_a_nan_loss_is_null_on_the_wire(world: World) -> None:
    await in_thread(make_battle)(world)
    append_steps(world, "b1", [record(1), record(2, loss=float("nan"), grad_norm=float("inf"))])
    async with browser() as client:
        snapshot, tick = await hear(client), await hear(client)
    assert snapshot["curve"]["loss"] == [1.0, None]
    assert (tick["loss"], tick["gnorm"], tick["ema"]) == (None, None, 1.0)


async def test_an_event_reaches_who_watches(world: World) -> None:
    async with browser() as client:
        await hear_until(client, is_tick)
        entry = await in_thread(tell)("arena", 1, kind="new_champion", step=7, name="checkpoint-7")
        event = (await hear_until(client, is_event(entry.id)))[-1]
    assert event == {
        "v": 1, "type": "event", "seq": entry.id, "kind": "new_champion", "time": entry.time.timestamp(), "step": 7,
        "message": "new_champion 1", "run": None, "data": {"name": "checkpoint-7"},
            "topic": "checkpoints", "group": "checkpoint  7", "brief": "new champion", "hint": "",
    }  # fmt: skip


async def test_replay_brings_each_missed_event_once_in_order_before_anything_newer(world: World) -> None:
    ids = [(await in_thread(tell)("arena", number)).id for number in range(1, 451)]
    async with browser(f"?since={ids[2]}") as client:
        snapshot = await hear(client)
        later = await in_thread(tell)("arena", 451)
        heard = await hear_until(client, is_event(later.id))
    assert snapshot["events"] == []
    assert events_of(heard) == [*ids[3:], later.id]


async def test_since_now_replays_nothing(world: World) -> None:
    entry = await in_thread(tell)("arena", 1)
    async with browser(f"?since={entry.id}") as client:
        assert (await hear(client))["events"] == []
        assert is_tick(await hear(client))


async def test_pruned_history_is_an_explicit_gap(world: World) -> None:
    ids = [(await in_thread(tell)("arena", number)).id for number in range(1, 11)]
    await in_thread(ChronicleEntry.objects.filter(id__lte=ids[5]).delete)()
    async with browser(f"?since={ids[1]}") as client:
        await hear(client)
        gap = await hear(client)
        heard = await hear_until(client, is_event(ids[-1]))
    assert gap == {"v": 1, "type": "gap", "from": ids[2], "to": ids[5]}
    assert events_of(heard) == ids[6:]


async def test_a_hole_inside_the_history_is_no_gap(world: World) -> None:
    ids = [(await in_thread(tell)("arena", number)).id for number in range(1, 6)]
    await in_thread(ChronicleEntry.objects.filter(id=ids[2]).delete)()
    async with browser(f"?since={ids[1]}") as client:
        await hear(client)
        heard = await hear_until(client, is_event(ids[-1]))
    assert [message["type"] for message in heard] == ["event", "event"]


async def test_a_page_that_knows_more_than_the_last_look_gets_no_older_snapshot(world: World) -> None:
    async with browser() as first:
        await hear_until(first, is_tick)
        for number in range(1, 6):
            entry = await in_thread(tell)("arena", number)
            async with browser(f"?since={entry.id}") as later:
                snapshot = await hear(later)
                assert is_tick(await hear(later))
            assert snapshot["seq"] >= entry.id


async def test_a_since_from_another_world_does_not_silence_this_one(world: World) -> None:
    async with browser("?since=9000000") as client:
        await hear_until(client, is_tick)
        entry = await in_thread(tell)("arena", 1)
        heard = await hear_until(client, is_event(entry.id))
    assert events_of(heard) == [entry.id]


@pytest.mark.parametrize("since", ["-1", "x", "", "1.5", "%D9%A1", "9" * 40, "1&since=2"])
async def test_a_since_that_is_no_event_number_is_refused(world: World, since: str) -> None:
    client = WebsocketCommunicator(websocket_router, f"/ws/battle/?since={since}")
    await client.connect()
    assert await client.receive_output(timeout=TIMEOUT_SECONDS) == {
        "type": "websocket.close",
        "code": 4400,
    }
    await client.disconnect()


async def test_another_battle_brings_a_fresh_snapshot_after_its_events(world: World) -> None:
    await in_thread(make_battle)(world)
    append_steps(world, "b1", [record(1)])
    async with browser() as client:
        await hear_until(client, is_tick)
        battle = await in_thread(make_battle)(world, "b2", total_steps=None)
        append_steps(world, "b2", [record(500)])
        await in_thread(tell)("b2", 1, kind="battle_started")
        fresh = (await hear_until(client, lambda message: message["type"] == "snapshot"))[-1]
        await in_thread(battle.__class__.objects.filter(id=battle.id).update)(total_steps=70)
        ticks = await hear_until(client, lambda message: is_tick(message) and message["total"] == 70)
    assert fresh["events"] == []
    assert (fresh["battle"]["id"], fresh["curve"]["step"]) == ("b2", [1, 500])
    assert fresh["curve"]["battles"] == [[0, "quest-b1"], [499, "quest-b2"]]
    assert (ticks[-1]["run"], ticks[-1]["step"], ticks[-1]["points"]) == ("b2", 500, [])


async def hears_of_another_hero(world: World) -> list[dict[str, Any]]:
    """After a hero stepped in while one listens, whose battle is b2."""
    await in_thread(make_battle)(world)
    append_steps(world, "b1", [record(1)])
    async with browser() as client:
        await hear_until(client, is_tick)
        await in_thread(make_battle)(world, "b2", hero="ADA", first_step=0)
        append_steps(world, "b2", [record(1), record(2)])
        told = await in_thread(tell)("daemon", 1, kind="hero_changed", hero="ADA", before="DIO")
        heard = await hear_until(client, is_event(told.id))
        return heard + await hear_until(client, is_tick)


async def test_who_listens_follows_the_hero_that_fights(world: World) -> None:
    heard = await hears_of_another_hero(world)
    assert [message["hero"]["name"] for message in heard if message["type"] == "snapshot"] == ["ADA"]
    assert (heard[-1]["run"], heard[-1]["step"]) == ("b2", 2)


async def test_twin_without_it_one_hears_of_the_hero_that_came_first(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watchtower.view.hero_of", lambda events, before: before)
    assert (await hears_of_another_hero(world))[-1]["run"] == "b1"


async def test_steps_cut_back_by_a_resume_bring_a_fresh_snapshot(world: World) -> None:
    await in_thread(make_battle)(world)
    path = append_steps(world, "b1", [record(step) for step in range(1, 21)])
    async with browser() as client:
        await hear_until(client, is_tick)
        path.write_bytes(b"".join(record(step, time=2_000_000.0 + step).pack() for step in range(1, 31)))
        fresh = (await hear_until(client, lambda message: message["type"] == "snapshot"))[-1]
    assert fresh["curve"]["step"] == list(range(1, 31))


async def test_a_slow_reader_gets_the_newest_tick_and_loses_no_event(world: World) -> None:
    """A client that reads nothing while 900 events and 2000 steps pass keeps its place and catches up from disk."""
    await in_thread(make_battle)(world)
    with shorter_memory(64):
        async with browser() as quick:
            await hear_until(quick, is_tick)
            joined = next(iter(pool._pools.values()))
            slow = SlowReader()
            await joined.join(slow.spectator)
            watching = asyncio.create_task(slow.spectator.watch(joined, None))
            await slow.sent.get()
            ids = [(await in_thread(tell)("arena", number)).id for number in range(1, 901)]
            append_steps(world, "b1", [record(step) for step in range(1, 2001)])
            await hear_until(quick, is_event(ids[-1]))
            await hear_until(quick, lambda message: message.get("step") == 2000)
            assert slow.sent.empty()
            slow.reads.set()
            heard = [orjson.loads(await asyncio.wait_for(slow.sent.get(), TIMEOUT_SECONDS))]
            while heard[-1].get("step") != 2000 or not is_tick(heard[-1]):
                heard.append(orjson.loads(await asyncio.wait_for(slow.sent.get(), TIMEOUT_SECONDS)))
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await pool.leave(joined, slow.spectator)
    assert events_of(heard) == ids
    assert sum(map(is_tick, heard)) <= 3
    drawn: list[int] = []
    for message in heard:
        drawn = message["curve"]["step"] if message["type"] == "snapshot" else drawn
        drawn = drawn + [point[0] for point in message.get("points", [])]
    assert drawn[0] == 1
    assert drawn[-1] == 2000


async def test_ticks_are_at_most_ten_a_second(world: World) -> None:
    """Counted in looks, not by the clock: between two ticks the follower slept once at least."""
    assert pool.LOOK_SECONDS >= 0.1
    await in_thread(make_battle)(world)
    async with browser() as client:
        await hear_until(client, is_tick)
        times = []
        for step in range(1, 200):
            append_steps(world, "b1", [record(step)])
            await asyncio.sleep(0.005)
        for tick in await hear_until(client, lambda message: message.get("step") == 199):
            if is_tick(tick):
                times.append(tick["server_time"])
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert all(gap >= 0.09 for gap in gaps)


async def test_a_dead_daemon_shows_without_any_event(world: World) -> None:
    say_status(world, "training")
    async with browser() as client:
        with daemon_lock(world):
            alive = await hear_until(client, lambda message: is_tick(message) and message["arena"]["alive"])
        dead = await hear_until(client, lambda message: is_tick(message) and not message["arena"]["alive"])
    assert alive[-1]["arena"]["state"] == "training"
    assert dead[-1]["arena"]["state"] == "offline"


async def test_what_the_daemon_said_long_ago_is_stale(world: World) -> None:
    say_status(world, at=1_000_000.0)
    with daemon_lock(world):
        async with browser() as client:
            arena = (await hear(client))["arena"]
    assert arena["stale"] is True
    assert arena["age_s"] > 10


async def test_the_follower_runs_only_while_somebody_watches(world: World) -> None:
    def followers() -> list[Any]:
        return [task for task in asyncio.all_tasks() if "Pool._follow" in str(task.get_coro())]

    assert not followers()
    async with browser() as one, browser() as other:
        await hear(one)
        await hear(other)
        assert len(followers()) == 1
        assert len(pool._pools) == 1
    assert not followers()
    assert not pool._pools


async def test_what_a_browser_says_is_ignored(world: World) -> None:
    async with browser() as client:
        await hear(client)
        await client.send_to(text_data='{"type": "stop"}')
        await client.send_to(bytes_data=b"\xff\x00")
        assert is_tick((await hear_until(client, is_tick))[-1])


async def check_replay() -> None:
    ids = [(await in_thread(tell)("arena", number)).id for number in range(1, 6)]
    async with browser(f"?since={ids[1]}") as client:
        heard = await hear_until(client, lambda message: is_tick(message) and message["seq"] >= ids[-1])
        ids.append((await in_thread(tell)("arena", 6)).id)
        heard += await hear_until(client, lambda message: is_tick(message) and message["seq"] >= ids[-1])
    assert events_of(heard) == ids[2:]


async def test_replay_holds(world: World) -> None:
    await check_replay()


async def test_twin_without_since_a_missed_event_is_detected(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watchtower.consumers.parse_since", lambda query: None)
    with pytest.raises(AssertionError):
        await check_replay()


async def test_twin_without_a_place_in_the_events_a_doubled_one_is_detected(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def send_all_again(spectator: Spectator, joined: Pool) -> None:
        async for _, text in joined.events_after(spectator._seq):
            await spectator._send(text)

    monkeypatch.setattr(Spectator, "_send_events", send_all_again)
    with pytest.raises(AssertionError):
        await check_replay()


class SlowReader:
    """A client whose connection takes one message and then none until it reads again."""

    def __init__(self) -> None:
        self.sent: asyncio.Queue[str] = asyncio.Queue()
        self.reads = asyncio.Event()
        self.spectator = Spectator(self._take)

    async def _take(self, text: str) -> None:
        await self.sent.put(text)
        await self.reads.wait()
