"""A form needs no preflight, a program has no CSRF token: the guard alone keeps other sites' pages out of `/v1`."""

from __future__ import annotations

import asyncio
import json
from io import BytesIO
from typing import Any

import pytest
from django.test import Client

from realm.web.guard import Guard, Message
from realm.web.token_wall import TokenWall
from realm.web.tokens import of_world
from realm.world import World
from tests.watchtower.openai_api.conftest import ROWS, lines

FOREIGN = [
    [(b"origin", b"http://evil.example")], [(b"origin", b"null")], [(b"sec-fetch-site", b"cross-site")],
    [(b"sec-fetch-site", b"same-site"), (b"origin", b"http://127.0.0.1:9999")],
]  # fmt: skip


def answer(application: Any, headers: list[tuple[bytes, bytes]], *, host: bytes = b"127.0.0.1:8888") -> list[Message]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    kind = (b"content-type", b"multipart/form-data; boundary=x")
    scope = {
        "type": "http", "method": "POST", "path": "/v1/files", "headers": [(b"host", host), kind, *headers],
    }  # fmt: skip
    asyncio.run(application(scope, None, send))
    return sent


async def inner(scope: Any, receive: Any, send: Any) -> None:
    await send({"status": 200})


@pytest.mark.parametrize("headers", FOREIGN)
def test_a_form_of_another_sites_page_is_refused_in_the_shape_that_clients_read(
    headers: list[tuple[bytes, bytes]],
) -> None:
    start, body = answer(Guard(inner, port=8888), headers)
    assert start["status"] == 403
    assert json.loads(body["body"])["error"]["type"] == "invalid_request_error"


def test_a_name_that_resolves_here_is_no_name_of_ours_and_a_program_is_let_in() -> None:
    assert answer(Guard(inner, port=8888), [], host=b"evil.example:8888")[0]["status"] == 421
    assert answer(Guard(inner, port=8888), [(b"authorization", b"Bearer any")]) == [{"status": 200}]


@pytest.mark.django_db
def test_twin_behind_the_guard_nothing_else_would_keep_the_form_out(world: World) -> None:
    strict = Client(enforce_csrf_checks=True, headers={"origin": "http://evil.example"})
    file = BytesIO(lines(ROWS))
    file.name = "x.jsonl"
    assert strict.post("/v1/files", {"file": file, "purpose": "fine-tune"}).status_code == 200


def test_beyond_loopback_a_token_is_needed_and_told_so_in_the_same_shape(world: World) -> None:
    store = of_world(world)
    secret = store.issue("api").secret
    wall = TokenWall(inner, store, purposes_of=lambda scope: ("api",))
    start, body = answer(wall, [(b"authorization", b"Bearer any")])
    assert start["status"] == 401
    assert "rot_" in json.loads(body["body"])["error"]["message"]
    assert answer(wall, [(b"authorization", f"Bearer {secret}".encode())]) == [{"status": 200}]
