"""Streams as a server gives them out: checks first, no thread each, an end with the client or with the process."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from channels.db import database_sync_to_async
from django.core.asgi import get_asgi_application

from arena.models import Battle
from realm.web.guard import Application
from realm.web.streaming import Streaming
from realm.world import World
from tests.support.sse_events import parsed, steps_of
from tests.watchtower.factories import append_steps, make_battle, record
from vault.jobs.waiting import ENDING
from watchtower.streams import feed

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
in_thread = database_sync_to_async
PATH = "/api/training/stream/b1"


class Asked:
    """One request to the application."""

    def __init__(self, application: Application, path: str, method: str, headers: dict[str, str]) -> None:
        path, _, query = path.partition("?")
        encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        scope = {
            "type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": encoded,
            "server": ("127.0.0.1", 80), "http_version": "1.1",
        }  # fmt: skip
        self.client = ApplicationCommunicator(application, scope)

    async def head(self) -> tuple[int, dict[str, str]]:
        await self.client.send_input({"type": "http.request", "body": b""})
        message = await self.client.receive_output(timeout=20)
        return message["status"], {name.decode().lower(): value.decode() for name, value in message["headers"]}

    async def part(self) -> bytes:
        message = await self.client.receive_output(timeout=20)
        body: bytes = message["body"]
        return body

    async def leave(self) -> None:
        """Waits for the application's end, and for the thread that still reads for whoever was cancelled."""
        if not self.client.future.done():
            await self.client.send_input({"type": "http.disconnect"})
        await asyncio.wait([self.client.future], timeout=20)
        await in_thread(lambda: None)()


@asynccontextmanager
async def asked(path: str = PATH, method: str = "GET", **headers: str) -> AsyncIterator[Asked]:
    request = Asked(Streaming(get_asgi_application()), path, method, headers)
    try:
        yield request
    finally:
        await request.leave()


@pytest.fixture
async def battle(world: World) -> World:
    await in_thread(make_battle)(world)
    append_steps(world, "b1", [record(step) for step in range(1, 4)])
    return world


async def first_steps(request: Asked) -> str:
    """The id of the last event of what is there."""
    while not (heard := parsed((await request.part()).decode())):
        pass
    assert steps_of(heard) == [1, 2, 3]
    return heard[-1].id


async def test_a_stream_begins_and_ends_with_its_client(battle: World) -> None:
    async with asked() as request:
        status, headers = await request.head()
        assert (status, headers["content-type"], "content-length" in headers) == (200, "text/event-stream", False)
        assert headers["content-security-policy"], "it went through all of Django"
        await first_steps(request)
        assert feed._feeds
        await request.leave()
    assert not feed._feeds


async def test_it_ends_when_the_process_is_told_to_end(battle: World) -> None:
    async with asked() as request:
        await request.head()
        await first_steps(request)
        ENDING.set()
        try:
            assert await request.part() == b""
            await request.client.wait(timeout=20)
        finally:
            ENDING.clear()
    assert not feed._feeds


async def test_a_server_that_is_stopped_ends_it_at_once(battle: World) -> None:
    """daphne cancels what is under way."""
    async with asked() as request:
        await request.head()
        await first_steps(request)
        request.client.future.cancel()
        await asyncio.wait([request.client.future])
    assert not feed._feeds


async def test_who_has_the_end_is_told_to_stay_away(battle: World) -> None:
    await in_thread(Battle.objects.update)(state=Battle.State.STOPPED)
    async with asked() as request:
        await request.head()
        text = b"".join([part async for part in _parts(request)])
    end = parsed(text.decode())[-1]
    assert end.name == "end"
    async with asked(**{"Last-Event-ID": end.id}) as request:
        assert (await request.head())[0] == 204
    async with asked(f"{PATH}?since={end.id}") as request:
        assert (await request.head())[0] == 204
    await in_thread(Battle.objects.update)(state=Battle.State.TRAINING)
    append_steps(battle, "b1", [record(4)])
    async with asked(**{"Last-Event-ID": end.id}) as request:
        assert (await request.head())[0] == 200
        await request.part()
        assert steps_of(parsed((await request.part()).decode())) == [4], "it went on"


async def _parts(request: Asked) -> AsyncIterator[bytes]:
    while part := await request.part():
        yield part


async def test_head_and_refusals(battle: World) -> None:
    for path, method, status in (
        (PATH, "HEAD", 200), ("/api/training/stream/b9", "GET", 404), ("/api/simulation/stream/1", "HEAD", 404),
        ("/api/benchmark/stream/x", "GET", 422), (f"{PATH}?since=x", "GET", 422), (PATH, "POST", 405),
    ):  # fmt: skip
        async with asked(path, method) as request:
            assert (await request.head())[0] == status, path
            body = await request.part()
            assert not (status == 200 and body)
            if status >= 400 and method != "HEAD":
                assert json.loads(body)["success"] is False
    assert not feed._feeds


async def threads_of_open_streams(count: int) -> int:
    async with AsyncExitStack() as stack:
        before = threading.active_count()
        for _ in range(count):
            request = await stack.enter_async_context(asked())
            await request.head()
            await first_steps(request)
        return threading.active_count() - before


async def test_an_open_stream_holds_no_thread(battle: World) -> None:
    assert await threads_of_open_streams(20) < 5


async def test_twin_django_holds_one_for_each(battle: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def direct(self: Any, *arguments: Any) -> None:
        await self._application(*arguments)

    monkeypatch.setattr(Streaming, "__call__", direct)
    assert await threads_of_open_streams(20) >= 20
