"""Who answers on a port of ours: a service of this project tells its name and its world at `/health`.

To strangers the pages tell no more than a mark of their world there, which its own programs know.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from http.client import HTTPConnection, HTTPException
from typing import Any

from realm.web import secret_key
from realm.world import World

_LARGEST_HEALTH_BYTES = 64 * 1024
_ASKED_AT = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""By an address that stands for all of a machine's."""


class Silent(Exception):
    """Connections are taken, and none is answered in time."""


def told(address: str, port: int, *, seconds: float, token: str = "") -> dict[str, Any]:
    """What a server says of itself; empty of one that is not of this project, or wants another token.

    Raises Silent, OSError.
    """
    connection = HTTPConnection(_ASKED_AT.get(address, address), port, timeout=seconds)  # which asks no proxy
    end = time.monotonic() + seconds
    try:
        connection.connect()
        connection.request("GET", "/health", headers={"Authorization": f"Bearer {token}"} if token else {})
        reply = connection.getresponse()
        body = b""
        while len(body) < _LARGEST_HEALTH_BYTES and (piece := reply.read1(_LARGEST_HEALTH_BYTES)):
            body += piece
            if time.monotonic() > end:
                raise Silent
        value = json.loads(body)
    except TimeoutError as error:
        raise Silent from error
    except (HTTPException, ValueError, RecursionError):
        return {}
    finally:
        connection.close()
    return value if isinstance(value, dict) and {"service", "world"} <= value.keys() else {}


def taker(address: str, port: int, *, seconds: float) -> str:
    """Who holds the port, in words."""
    try:
        return _named(told(address, port, seconds=seconds))
    except (Silent, OSError):
        return "another program"


def trouble(world: World, service: str, address: str, port: int, *, seconds: float, token: str = "") -> str:
    """Empty where that service of that world answers within `seconds`; else one sentence."""
    try:
        said = told(address, port, seconds=seconds, token=token)
    except Silent:
        return f"it takes connections on port {port} of {address} and answers none within {seconds:.0f} s"
    except OSError:
        return f"nobody answers on port {port} of {address}"
    if said.get("service") == service and _is_of(world, str(said.get("world"))):
        return ""
    return f"port {port} of {address} is taken by {_named(said)}"


def mark(world: World) -> str:
    """By which programs of this world know it, and nobody else."""
    key = secret_key.load_or_create(world).encode()
    return hmac.digest(key, b"world", hashlib.sha256).hex()


def _is_of(world: World, told: str) -> bool:
    return told == str(world.home) or (_is_mark(told) and hmac.compare_digest(told, mark(world)))


def _named(said: dict[str, Any]) -> str:
    if not said:
        return "another program"
    return f"the {said['service']} of {'another world' if _is_mark(str(said['world'])) else said['world']}"


def _is_mark(told: str) -> bool:
    """Every world's folder is told as a whole path."""
    return told.isalnum() and told.isascii()
