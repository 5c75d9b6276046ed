"""Requests to servers that the player's files name, of which nothing is taken on trust.

No redirects, no proxies of the environment, nothing compressed; bounded in size, and in time over the whole exchange,
however busy the server looks in between; never to an address where the machine's own credentials may lie.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio
import httpx2

from realm.web.forbidden_addresses import is_forbidden

CONNECT_SECONDS = 3.0


class OutboundError(Exception):
    """Base of what is refused of a server."""


class ForbiddenAddress(OutboundError):
    """The text is the address that the server's name led to."""


class Compressed(OutboundError):
    """Nobody knows how large the reply would become."""


class TooLarge(OutboundError):
    """The reply has more bytes than it may."""


FAILURES = (TimeoutError, httpx2.HTTPError, OutboundError)
"""All that `ask` raises."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def client(
    url: str, *, connect_seconds: float = CONNECT_SECONDS, headers: Mapping[str, str] | None = None
) -> httpx2.AsyncClient:
    """For paths below `url`. Who streams sets a limit of time to each piece."""
    return httpx2.AsyncClient(
        base_url=url,
        headers={"Accept-Encoding": "identity", "User-Agent": "realm-of-training", **(headers or {})},
        trust_env=False,
        follow_redirects=False,
        verify=url.startswith("https:"),  # reading the certificates of the world takes longer than most replies
        timeout=httpx2.Timeout(None, connect=connect_seconds),
        event_hooks={"request": [_watch]},
    )


async def ask(
    connection: httpx2.AsyncClient, method: str, path: str, *, seconds: float, largest_bytes: int, **options: Any
) -> Reply:
    """A whole exchange; `options` are httpx2's, such as `json`. Raises FAILURES."""
    with anyio.fail_after(seconds):
        async with connection.stream(method, path, **options) as response:
            body = await read(response, largest_bytes=largest_bytes)
            return Reply(status=response.status_code, body=body, headers=response.headers)


def ask_once(url: str, method: str, path: str, *, seconds: float, largest_bytes: int, **options: Any) -> Reply:
    """For code that waits. Raises FAILURES."""

    async def exchange() -> Reply:
        async with client(url) as connection:
            return await ask(connection, method, path, seconds=seconds, largest_bytes=largest_bytes, **options)

    return asyncio.run(exchange())


async def read(response: httpx2.Response, *, largest_bytes: int) -> bytes:
    """Raises Compressed, TooLarge."""
    check_encoding(response)
    body = bytearray()
    async for piece in response.aiter_raw():
        body += piece
        if len(body) > largest_bytes:
            raise TooLarge
    return bytes(body)


def check_encoding(response: httpx2.Response) -> None:
    """A few compressed bytes may be gigabytes; no server was told that it may. Raises Compressed."""
    if response.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise Compressed


async def _watch(request: httpx2.Request) -> None:
    request.extensions["trace"] = _check_address


async def _check_address(event: str, info: Mapping[str, Any]) -> None:
    """Connected, and before anything is said: a name may resolve to what its address must not be."""
    if event != "connection.connect_tcp.complete":
        return
    stream = info["return_value"]
    address = stream.get_extra_info("server_addr")[0]
    if is_forbidden(address):
        await stream.aclose()  # the pool does not know of it yet
        raise ForbiddenAddress(address)
