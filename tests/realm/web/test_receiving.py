"""Bodies are bounded in bytes, in time and in what they list, and heads in time, on every server beside the Tavern."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn
from starlette.requests import Request
from uvicorn.server import ServerState

from guild.trainers import protocol
from realm.oracle.wire import MOST_MESSAGES, MOST_PROMPTS, AnswersRequest, ChatRequest
from realm.strict import BadConfig
from realm.web import bodies, head_limit
from realm.web.bodies import Body, TooLarge, TooSlow
from realm.web.head_limit import TimedProtocol

TURN = {"role": "user", "content": ""}


def request(*pieces: bytes, **headers: str) -> Request:
    """One whose sender falls silent after these pieces."""
    waiting = list(pieces)

    async def receive() -> dict[str, Any]:
        if not waiting:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": waiting.pop(0), "more_body": True}

    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "headers": named}, receive)


def run(work: Coroutine[Any, Any, bytes]) -> bytes:
    return asyncio.run(work)


def test_a_body_that_says_it_is_too_large_is_not_read() -> None:
    with pytest.raises(TooLarge, match="at most 10 bytes"):
        run(bodies.receive(request(content_length="11"), largest_bytes=10))


def test_a_body_that_says_nothing_is_read_no_further_than_it_may_be() -> None:
    with pytest.raises(TooLarge, match="at most 10 bytes"):
        run(bodies.receive(request(b"x" * 8, b"x" * 3), largest_bytes=10))


def test_a_body_that_trickles_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0)
    with pytest.raises(TooSlow, match="within 0 s"):
        run(bodies.receive(request(b"x"), largest_bytes=10))


def test_twin_without_a_limit_of_time_a_body_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_SECONDS", None)
    with pytest.raises(TimeoutError):
        run(asyncio.wait_for(bodies.receive(request(b"x"), largest_bytes=10), timeout=0.01))


@pytest.mark.parametrize(
    ("cls", "body", "told"),
    [
        (ChatRequest, {"model": "m", "messages": [TURN] * 200_000}, f"messages: 0 to {MOST_MESSAGES} .* not 200000"),
        (ChatRequest, {"model": "m", "messages": [0] * 200_000}, "not 200000"),
        (ChatRequest, {"model": "m", "messages": []}, "messages: at least one"),
        (ChatRequest, {"model": "m", "messages": [TURN], "stop": [0] * 200_000}, "stop: 0 to 16 .* not 200000"),
        (AnswersRequest, {"model": "m", "prompts": [0] * 200_000, "max_new_tokens": 1}, f"1 to {MOST_PROMPTS} .*"),
        (protocol.JudgeRequest, {"level": 1, "problems": [0] * 200_000}, "problems: 1 to 1000 .* not 200000"),
        (protocol.JudgeReply, {"verdicts": [0] * 200_000}, "verdicts: 0 to 1000 .* not 200000"),
        (protocol.SampleReply, {"skill": "s", "level": 1, "problems": [0] * 200_000}, "problems: .* not 200000"),
    ],
)
def test_what_a_body_lists_is_counted_before_it_is_read(cls: type[Body], body: Any, told: str) -> None:
    with pytest.raises(BadConfig, match=told):
        bodies.read(cls, body, source="request")


def test_twin_without_the_count_each_entry_would_be_read() -> None:
    class Careless(Body):
        messages: list[str]

    with pytest.raises(BadConfig, match=r"messages\[0\]: a text is expected"):
        bodies.read(Careless, {"messages": [0] * 20_000}, source="request")


class Connection(TimedProtocol):
    """As far as its watch goes."""

    def __init__(self) -> None:
        self.loop: Any = self
        self.transport: Any = self
        self.cycle: Any = None
        self.later: Any = None
        self.aborted = False

    def call_later(self, seconds: float, look: Any, *seen: Any) -> None:
        assert seconds == head_limit.HEAD_SECONDS
        self.later = (look, seen)

    def pass_time(self) -> bool:
        (look, seen), self.later = self.later, None
        look(*seen)
        return self.aborted

    def is_closing(self) -> bool:
        return False

    def abort(self) -> None:
        self.aborted = True


def cycle(*, complete: bool) -> Any:
    return SimpleNamespace(response_complete=complete)


def test_a_connection_without_a_request_is_ended() -> None:
    connection = Connection()
    connection._watch()
    assert connection.pass_time()


def test_a_request_has_all_time_to_be_answered_and_the_next_one_begins_anew() -> None:
    connection = Connection()
    connection._watch()
    connection.cycle = cycle(complete=False)
    assert not connection.pass_time()
    assert not connection.pass_time()
    connection.cycle.response_complete = True
    assert not connection.pass_time(), "it was answered a moment ago"
    connection.cycle = cycle(complete=True)
    assert not connection.pass_time(), "another one was answered meanwhile"
    assert connection.pass_time()


class Socket:
    """A transport whose other end is at some address."""

    def __init__(self, address: str) -> None:
        self.address, self.aborted = address, False

    def get_extra_info(self, name: str) -> Any:
        return {"peername": (self.address, 50_000), "sockname": ("192.0.2.1", 8768)}.get(name)

    def set_protocol(self, protocol: Any) -> None: ...

    def close(self) -> None: ...

    def abort(self) -> None:
        self.aborted = True


async def nothing(scope: Any, receive: Any, send: Any) -> None: ...


@contextmanager
def connected(addresses: list[str]) -> Iterator[list[bool]]:
    """To a server that has at most 4 connections: which were ended at once."""
    config = uvicorn.Config(nothing, limit_concurrency=4, log_config=None)
    loop = SimpleNamespace(call_later=lambda *later: None)
    sockets = [Socket(address) for address in addresses]
    made = [TimedProtocol(config, ServerState(), {}, loop) for _ in sockets]  # type: ignore[arg-type]
    for server_end, transport in zip(made, sockets, strict=True):
        server_end.connection_made(transport)  # type: ignore[arg-type]
    yield [transport.aborted for transport in sockets]
    for server_end in made:
        server_end.connection_lost(None)


def test_one_other_machine_has_no_more_than_half_of_all_connections() -> None:
    greedy = ["192.0.2.7", "192.0.2.7", "192.0.2.7", "192.0.2.8", "127.0.0.1", "127.0.0.1", "127.0.0.1"]
    for _ in range(2):  # what has ended counts no more
        with connected(greedy) as ended:
            assert ended == [False, False, True, False, False, False, False]


def test_twin_with_all_of_them_it_leaves_none_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head_limit, "_ONES_SHARE", 1)
    with connected(["192.0.2.7"] * 4) as ended:
        assert ended == [False] * 4
