"""Requests with bodies are judged on their headers, before a byte of the body is kept; the channel is Twisted's own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import override_settings
from django.urls import path
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.web import http

from realm.disk import room
from realm.web import body_limit
from realm.web.body_limit import BODY_SECONDS, HEAD_SECONDS, STRANGERS_BYTES, BoundedRequest, Deadline
from realm.web.body_sizes import FORM_BYTES, largest_body_bytes, takes_up_to
from realm.web.guard import Guard

OWN = "Host: localhost:8888"
MUCH = f"Content-Length: {39 * 1024**2}"


@takes_up_to(50 * 1024**2)
def files(request: Any) -> None:
    """A view that takes large bodies."""


urlpatterns = [path("files", files)]


@pytest.fixture(autouse=True)
def _routes() -> Iterator[None]:
    with override_settings(ROOT_URLCONF=__name__):
        yield


class Visit:
    """One connection to a channel of Twisted's, and what came of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock, self.transport = Clock(), StringTransport()
        self.processed: list[Any] = []
        monkeypatch.setattr(BoundedRequest, "process", lambda request: self.processed.append(request))
        self.channel = http.HTTPChannel()
        self.channel.callLater = self.clock.callLater
        self.channel.timeOut = None
        connected: Callable[..., None] = lambda *_: None  # noqa: E731
        server = SimpleNamespace(protocol_connected=connected, protocol_disconnected=connected)
        self.channel.factory = SimpleNamespace(server=server)
        self.ended = False
        self.deadline = Deadline(self._end, self.clock.callLater)
        self.known = False
        self.asked: list[Any] = []
        self.channel.requestFactory = partial(BoundedRequest, guard=Guard(_nobody, port=8888), deadline=self.deadline)
        self.channel.makeConnection(self.transport)
        self.deadline.set(HEAD_SECONDS)

    def _end(self) -> None:
        self.ended = True

    async def lets_in(self, scope: Any) -> bool:
        self.asked.append(scope)
        return self.known

    def say(self, *lines: str, body: bytes = b"") -> bytes:
        self.channel.dataReceived(("\r\n".join([*lines, "", ""]) if lines else "").encode() + body)
        return self.transport.value()


async def _nobody(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("the application is not asked here")


@pytest.fixture
def visit(monkeypatch: pytest.MonkeyPatch) -> Iterator[Visit]:
    """Large bodies lie in temp files, which are closed with it."""
    here = Visit(monkeypatch)
    yield here
    for request in (*here.channel.requests, *here.processed):
        if request.content is not None:
            request.content.close()


REFUSED = [
    ("421", ["POST /files HTTP/1.1", "Host: evil.example", MUCH]),
    ("421", ["POST /files HTTP/1.1", MUCH]),
    ("403", ["POST /files HTTP/1.1", OWN, "Origin: http://evil.example", MUCH]),
    ("403", ["PUT /files HTTP/1.1", OWN, "Origin: null", "Content-Length: 1"]),
    ("403", ["POST /files HTTP/1.1", OWN, "Sec-Fetch-Site: cross-site", MUCH]),
    ("403", ["POST /files HTTP/1.1", OWN, "Sec-Fetch-Site: same-site", "Transfer-Encoding: chunked"]),
    ("403", ["GET /ws HTTP/1.1", OWN, "Origin: http://evil.example", "Upgrade: websocket", MUCH]),
    ("413", ["POST /files HTTP/1.1", OWN, f"Content-Length: {51 * 1024**2}"]),
    ("413", ["POST /files HTTP/1.1", OWN, "Transfer-Encoding: chunked"]),
    ("413", ["POST /form HTTP/1.1", OWN, MUCH]),
    ("413", ["POST /form?x=/files HTTP/1.1", OWN, f"Content-Length: {FORM_BYTES + 1}"]),
    ("413", ["GET /form HTTP/1.1", OWN, MUCH]),
    ("400", ["POST /files HTTP/1.1", OWN, "Content-Length: -1"]),
    ("400", ["POST /files HTTP/1.1", OWN, "Content-Length: 1", "Content-Length: 2"]),
]


@pytest.mark.parametrize(("status", "head"), REFUSED)
def test_a_body_is_refused_by_its_headers_and_none_of_it_is_kept(visit: Visit, status: str, head: list[str]) -> None:
    answer = visit.say(*head, body=b"&" * 1000)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert answer.count(b"HTTP/1.1") == 1
    assert visit.transport.disconnecting
    assert not visit.processed


def test_a_small_body_in_one_piece_with_its_foreign_head_reaches_nobody(visit: Visit) -> None:
    visit.say("POST /form HTTP/1.1", OWN, "Origin: http://evil.example", "Content-Length: 3", body=b"a=b")
    assert not visit.processed


def test_twin_without_the_look_at_the_headers_the_body_would_be_kept(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BoundedRequest, "_refusal", lambda self, length: None)
    answer = visit.say("POST /form HTTP/1.1", OWN, "Origin: http://evil.example", "Content-Length: 3", body=b"a=b")
    assert answer == b""
    assert visit.processed


LARGE = ["POST /files HTTP/1.1", OWN, "Cookie: a=b", f"Content-Length: {STRANGERS_BYTES + 1}"]


def send_large(visit: Visit, *, known: bool) -> None:
    """More than a stranger's body, behind a wall: nothing more is read until it is known who sends it."""
    visit.known = known
    visit.channel.requestFactory = partial(visit.channel.requestFactory, lets_in=visit.lets_in)

    async def send() -> None:
        visit.say(*LARGE, body=b"x")
        assert visit.transport.producerState == "paused"
        while not visit.asked:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        visit.say(body=b"x" * STRANGERS_BYTES)

    asyncio.run(send())


def check_a_strangers_body_is_not_received(visit: Visit) -> None:
    send_large(visit, known=False)
    assert visit.transport.value().startswith(b"HTTP/1.1 401 ")
    assert not visit.processed
    (asked,) = visit.asked
    assert (asked["path"], asked["method"], (b"cookie", b"a=b") in asked["headers"]) == ("/files", "POST", True)


def test_a_large_body_of_a_stranger_is_not_received(visit: Visit) -> None:
    check_a_strangers_body_is_not_received(visit)


def test_twin_where_nobody_asks_who_sends_it(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedRequest, "_refuse", lambda request, *refusal: None)
    with pytest.raises(AssertionError):
        check_a_strangers_body_is_not_received(visit)
    assert visit.processed


def test_a_large_body_of_a_known_one_comes_in(visit: Visit) -> None:
    send_large(visit, known=True)
    (request,) = visit.processed
    assert len(request.content.read()) == STRANGERS_BYTES + 1


def test_a_form_is_left_to_django_to_parse(visit: Visit) -> None:
    form = "Content-Type: application/x-www-form-urlencoded"
    visit.say("POST /form HTTP/1.1", OWN, form, "Content-Length: 3", body=b"a=b")
    (request,) = visit.processed
    assert (request.args, request.content.read()) == ({}, b"a=b")


def test_twin_twisted_by_itself_would_parse_it(visit: Visit) -> None:
    made = visit.channel.requestFactory

    def parsing(*arguments: Any) -> BoundedRequest:
        request = made(*arguments)
        request._parsePOSTFormSubmission = True
        return request

    visit.channel.requestFactory = parsing
    form = "Content-Type: application/x-www-form-urlencoded"
    visit.say("POST /form HTTP/1.1", OWN, form, "Content-Length: 3", body=b"a=b")
    assert visit.processed[0].args == {b"a": [b"b"]}


def test_a_view_says_how_large_its_bodies_are() -> None:
    assert (largest_body_bytes("/files"), largest_body_bytes("/form")) == (50 * 1024**2, FORM_BYTES)


@pytest.mark.parametrize("trickle", [b"G", b"GET / HTTP/1.1\r\nA", b"GET / HTTP/1.1\r\nHost: localhost:8888\r\nX: y"])
def test_a_head_that_trickles_is_ended(visit: Visit, trickle: bytes) -> None:
    visit.channel.dataReceived(trickle)
    for _ in range(int(HEAD_SECONDS)):
        assert not visit.ended
        visit.channel.dataReceived(b"x")
        visit.clock.advance(1)
    assert visit.ended


def test_a_body_that_trickles_is_ended(visit: Visit) -> None:
    visit.say("POST /form HTTP/1.1", OWN, "Content-Length: 90000")
    for _ in range(int(BODY_SECONDS)):
        assert not visit.ended
        visit.channel.dataReceived(b"x")
        visit.clock.advance(1)
    assert visit.ended


def test_a_request_that_is_whole_has_all_time_to_be_answered(visit: Visit) -> None:
    visit.say("POST /form HTTP/1.1", OWN, "Content-Length: 3", body=b"a=b")
    visit.clock.advance(10 * BODY_SECONDS)
    assert not visit.ended


def test_twin_without_a_deadline_a_trickle_holds_its_connection(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    visit.deadline.clear()
    monkeypatch.setattr(body_limit.Deadline, "set", lambda self, seconds: None)
    visit.say("POST /form HTTP/1.1", OWN, "Content-Length: 90000")
    visit.clock.advance(10 * BODY_SECONDS)
    assert not visit.ended


def test_what_does_not_fit_on_the_disk_is_refused_by_its_length(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "SPARE_BYTES", 2**62)
    answer = visit.say("POST /files HTTP/1.1", OWN, MUCH)
    assert answer.startswith(b"HTTP/1.1 507 ")
    assert b"not enough room" in answer
    assert not visit.processed


def test_twin_with_room_the_same_body_is_waited_for(visit: Visit) -> None:
    assert visit.say("POST /files HTTP/1.1", OWN, MUCH) == b""
