"""Requests into batches: rows of one model are written together, requests and models take turns. No torch.

Several batches run at once, so that a long answer holds nobody up: other models', and a second one of the same model's.
What comes while they run gathers into the next batch. Each batch is written from one model object, by a thread of a
pool; all else happens in the event loop's thread.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from arena.oracle.rows import Row
from arena.oracle.trouble import OracleTrouble, Stopping

if TYPE_CHECKING:
    from arena.oracle.loading import LoadedModel

BATCHES = 4
BATCHES_OF_A_MODEL = 2
BATCH_ROWS = 128
BATCH_TOKENS = 32_768
"""Rows times the longest prompt and answer: what the keys and values of a batch may take."""
GATHER_SECONDS = 0.003
"""Requests of one moment come one after the other; a token takes about as long."""

Ended = Callable[[list[Row]], None]
Write = Callable[["LoadedModel", Sequence[Row], Ended], None]


@dataclass(eq=False)
class _Request:
    waiting: deque[Row]
    left: int
    done: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Scheduler:
    def __init__(self, write: Write) -> None:
        self._write = write
        self._pool = ThreadPoolExecutor(BATCHES, thread_name_prefix="oracle-writes")
        self._queues: dict[LoadedModel, deque[_Request]] = {}
        self._running: Counter[LoadedModel] = Counter()
        self._of: dict[Row, _Request] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_called = False
        self._stopped = False

    async def write(self, model: LoadedModel, rows: Sequence[Row]) -> None:
        """Until every row has ended; cancelled, the rows are given up. Raises OracleTrouble."""
        if self._stopped:
            raise Stopping("this host is stopping")
        request = _Request(deque(rows), len(rows))
        self._of |= dict.fromkeys(rows, request)
        self._queues.setdefault(model, deque()).append(request)
        self._call()
        try:
            await request.done
        except asyncio.CancelledError:
            for row in rows:
                row.gone = True
            raise
        finally:
            for row in rows:
                self._of.pop(row, None)
        trouble = next((row.trouble for row in rows if row.trouble), None)
        if trouble:
            raise trouble

    async def stop(self) -> None:
        """Give up everything; returns when no thread writes any more."""
        self._stopped = True
        for row in list(self._of):
            self._fail([row], Stopping("this host is stopping"))
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._pool.shutdown()

    def _call(self) -> None:
        """Start batches in a moment; what comes until then goes along."""
        if not self._is_called:
            self._is_called = True
            asyncio.get_running_loop().call_later(GATHER_SECONDS, self._start_batches)

    def _start_batches(self) -> None:
        self._is_called = False
        while not self._stopped and self._running.total() < BATCHES:
            model = next((each for each in self._queues if self._running[each] < BATCHES_OF_A_MODEL), None)
            if model is None:
                return
            queue = self._queues.pop(model)
            rows = next_batch(queue)
            if queue:
                self._queues[model] = queue  # behind the other models
            if rows:
                self._running[model] += 1
                task = asyncio.create_task(self._write_batch(model, rows))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _write_batch(self, model: LoadedModel, rows: list[Row]) -> None:
        loop = asyncio.get_running_loop()

        def ended(rows: list[Row]) -> None:
            loop.call_soon_threadsafe(self._note, rows)

        try:
            await loop.run_in_executor(self._pool, self._write, model, rows, ended)
        except Exception as error:  # whatever it is, those who wait must hear of it
            told = f"{model.id} could not answer: {type(error).__name__}: {error}"
            self._fail([row for row in rows if not row.is_done], OracleTrouble(told))
        else:
            told = f"{model.id} stopped writing before its answer was complete"
            self._fail([row for row in rows if not row.is_done], OracleTrouble(told))
        finally:
            self._note(rows)  # of whom it was not told, because what told it broke
            self._running[model] -= 1
            self._running += Counter()  # drops what is zero, and with it the model
            self._call()

    def _note(self, rows: Sequence[Row]) -> None:
        for row in rows:
            request = self._of.pop(row, None)
            if request is None:
                continue
            request.left -= 1
            if not request.left and not request.done.done():
                request.done.set_result(None)

    def _fail(self, rows: list[Row], trouble: OracleTrouble) -> None:
        for row in rows:
            row.trouble = trouble
        self._note(rows)


def next_batch(queue: deque[_Request]) -> list[Row]:
    """From each request a row at a time, in turn, as many as one batch may hold; takes them out of the queue."""
    rows: list[Row] = []
    longest = 0
    while queue:
        request = queue[0]
        while request.waiting and request.waiting[0].gone:
            request.waiting.popleft()
        if not request.waiting:
            queue.popleft()
            continue
        row = request.waiting[0]
        length = max(longest, len(row.prompt_ids) + row.max_new_tokens)
        if rows and (len(rows) == BATCH_ROWS or length * (len(rows) + 1) > BATCH_TOKENS):
            break
        rows.append(request.waiting.popleft())
        longest = length
        queue.rotate(-1)
    return rows
