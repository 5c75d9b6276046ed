"""Who answers on a port of ours: a service of this project tells its name and its world at `/health`."""

from __future__ import annotations

import json
import time
from http.client import HTTPConnection, HTTPException
from typing import Any

from realm.world import World

_LARGEST_HEALTH_BYTES = 64 * 1024


class Silent(Exception):
    """Connections are taken, and none is answered in time."""


def told(address: str, port: int, *, seconds: float) -> dict[str, Any]:
    """What a server says of itself; empty of one that is not of this project. Raises Silent, OSError."""
    connection = HTTPConnection(address, port, timeout=seconds)  # which asks no proxy
    end = time.monotonic() + seconds
    try:
        connection.connect()
        connection.request("GET", "/health")
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


def trouble(world: World, service: str, address: str, port: int, *, seconds: float) -> str:
    """Empty where that service of that world answers within `seconds`; else one sentence."""
    try:
        said = told(address, port, seconds=seconds)
    except Silent:
        return f"it takes connections on port {port} of {address} and answers none within {seconds:.0f} s"
    except OSError:
        return f"nobody answers on port {port} of {address}"
    if (said.get("service"), said.get("world")) == (service, str(world.home)):
        return ""
    return f"port {port} of {address} is taken by {_named(said)}"


def _named(said: dict[str, Any]) -> str:
    return f"the {said['service']} of {said['world']}" if said else "another program"
