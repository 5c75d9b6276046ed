"""Requests into batches: together, in turn, several at once, and given up when nobody wants them."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from arena.oracle import scheduler as scheduler_module
from arena.oracle.rows import Row
from arena.oracle.scheduler import BATCH_ROWS, BATCH_TOKENS, Ended, Scheduler, next_batch
from arena.oracle.trouble import OracleTrouble, Stopping


class Desk:
    """Writes a row's number of tokens; a batch waits at the gate of its model."""

    def __init__(self) -> None:
        self.batches: list[tuple[Any, list[Row]]] = []
        self.gates: dict[str, threading.Event] = {}
        self.fails = False

    def write(self, model: Any, rows: Sequence[Row], ended: Ended) -> None:
        self.batches.append((model.id, list(rows)))
        for row in rows:
            if row.max_new_tokens == 1:
                row.finish_reason = "stop"
                ended([row])
        if gate := self.gates.get(model.id):
            while not gate.wait(0.01) and not all(row.is_done for row in rows):
                pass
        if self.fails:
            raise MemoryError("no memory")
        late = [row for row in rows if not row.is_done]
        for row in late:
            row.finish_reason = "length"
        ended(late)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest_asyncio.fixture
async def scheduler(desk: Desk) -> AsyncIterator[Scheduler]:
    made = Scheduler(desk.write)
    yield made
    for gate in desk.gates.values():
        gate.set()
    await made.stop()


@dataclass(eq=False)
class FakeModel:
    id: str


def model(name: str) -> Any:
    return FakeModel(name)


def row(tokens: int = 8, prompt: int = 4) -> Row:
    return Row(prompt_ids=[1] * prompt, max_new_tokens=tokens)


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.005)


async def test_requests_of_one_moment_are_written_together(scheduler: Scheduler, desk: Desk) -> None:
    one = model("one")
    await asyncio.gather(*(scheduler.write(one, [row(), row()]) for _ in range(10)))
    assert [len(rows) for _, rows in desk.batches] == [20]


async def test_twin_without_gathering_they_are_not(
    scheduler: Scheduler, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Scheduler, "_call", Scheduler._start_batches)
    one = model("one")
    await asyncio.gather(*(scheduler.write(one, [row()]) for _ in range(10)))
    assert len(desk.batches) > 1


async def test_a_batch_is_of_one_model(scheduler: Scheduler, desk: Desk) -> None:
    models = [model("one"), model("two"), model("three")]
    mine = [(each, [row(), row()]) for each in models for _ in range(4)]
    await asyncio.gather(*(scheduler.write(each, rows) for each, rows in mine))
    for each, rows in mine:
        for wanted in rows:
            assert [name for name, batch in desk.batches if wanted in batch] == [each.id]


async def test_a_short_row_does_not_wait_for_its_long_neighbour(scheduler: Scheduler, desk: Desk) -> None:
    one = model("one")
    gate = desk.gates["one"] = threading.Event()
    long = asyncio.create_task(scheduler.write(one, [row(100)]))
    await scheduler.write(one, [row(1)])
    assert not long.done()
    assert len(desk.batches) == 1
    gate.set()
    await long


async def test_a_model_that_writes_long_leaves_room_for_others(scheduler: Scheduler, desk: Desk) -> None:
    gate = desk.gates["slow"] = threading.Event()
    slow = model("slow")
    tasks = []
    for _ in range(6):
        tasks.append(asyncio.create_task(scheduler.write(slow, [row()])))
        await asyncio.sleep(0.02)
    await scheduler.write(model("quick"), [row()])
    assert [name for name, _ in desk.batches] == ["slow", "slow", "quick"]
    gate.set()
    await asyncio.gather(*tasks)
    assert [len(rows) for name, rows in desk.batches if name == "slow"] == [1, 1, 4]


async def test_who_leaves_is_not_written_for(scheduler: Scheduler, desk: Desk) -> None:
    one = model("one")
    desk.gates["one"] = threading.Event()
    left = row(100)
    task = asyncio.create_task(scheduler.write(one, [left]))
    await until(lambda: desk.batches)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert left.gone
    await until(lambda: not scheduler._running.total())  # its batch ended though the gate is shut


async def test_an_error_is_told_to_all_who_wait_and_the_next_are_written(scheduler: Scheduler, desk: Desk) -> None:
    one = model("one")
    desk.fails = True
    told = await asyncio.gather(*(scheduler.write(one, [row()]) for _ in range(3)), return_exceptions=True)
    assert [str(each) for each in told] == ["one could not answer: MemoryError: no memory"] * 3
    assert all(isinstance(each, OracleTrouble) for each in told)
    desk.fails = False
    await scheduler.write(one, [row()])


async def test_nobody_waits_for_ever_where_writing_ends_early(
    scheduler: Scheduler, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(model: Any, rows: Sequence[Row], ended: Ended) -> None:
        rows[0].finish_reason = "stop"  # and nobody is told

    monkeypatch.setattr(scheduler, "_write", half)
    one = model("one")
    whole, cut = await asyncio.gather(
        scheduler.write(one, [row()]), scheduler.write(one, [row()]), return_exceptions=True
    )
    assert whole is None
    assert isinstance(cut, OracleTrouble)
    assert "before its answer was complete" in str(cut)


async def test_a_host_that_stops_says_so(desk: Desk) -> None:
    scheduler = Scheduler(desk.write)
    desk.gates["one"] = threading.Event()
    task = asyncio.create_task(scheduler.write(model("one"), [row()]))
    await until(lambda: desk.batches)
    await scheduler.stop()
    with pytest.raises(Stopping):
        await task
    with pytest.raises(Stopping):
        await scheduler.write(model("one"), [row()])


async def request(*rows: Row) -> Any:
    return scheduler_module._Request(deque(rows), len(rows))


async def test_rows_are_taken_from_each_request_in_turn() -> None:
    many, few = [row() for _ in range(300)], [row()]
    queue = deque([await request(*many), await request(*few)])
    first = next_batch(queue)
    assert len(first) == BATCH_ROWS
    assert few[0] in first[:2]
    rest = [*next_batch(queue), *next_batch(queue)]
    assert not queue
    assert [each for each in [*first, *rest] if each is not few[0]] == many


async def test_a_batch_holds_no_more_tokens_than_it_may() -> None:
    queue = deque([await request(*(row(tokens=1000, prompt=1000) for _ in range(40)))])
    assert [len(next_batch(queue)) for _ in range(3)] == [BATCH_TOKENS // 2000, BATCH_TOKENS // 2000, 8]
    lonely = deque([await request(row(tokens=BATCH_TOKENS, prompt=10))])
    assert len(next_batch(lonely)) == 1


async def test_rows_that_nobody_wants_are_left_out() -> None:
    gone = row()
    gone.gone = True
    queue = deque([await request(gone), await request(gone, row())])
    assert len(next_batch(queue)) == 1
    assert not queue
