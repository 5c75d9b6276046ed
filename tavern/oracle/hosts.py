"""How the inference hosts are, asked all at once; none of them can hold up the others."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings

from realm import hosts
from realm.hosts import Host, Registry
from realm.oracle.client import AsyncOracle
from realm.oracle.errors import HostTrouble


async def known_hosts() -> Registry:
    """Raises strict.BadConfig."""
    return await sync_to_async(read_hosts)()


async def find_host(name: str | None) -> Host:
    """Raises hosts.UnknownHost, or strict.BadConfig."""
    return (await known_hosts()).find_inference(name)


def read_hosts() -> Registry:
    return hosts.read_hosts(settings.WORLD, oracle_port=settings.REALM.oracle_port)


async def states(found: Iterable[Host]) -> dict[str, dict[str, Any]]:
    """By id."""
    told = await asyncio.gather(*map(state, found))
    return {each["id"]: each for each in told}


async def state(host: Host) -> dict[str, Any]:
    """`alive`, what it has loaded, and what ails it."""
    told: dict[str, Any] = describe(host) | {
        "alive": False, "trouble": None, "health": {}, "loaded_models": [], "model_count": 0,
    }  # fmt: skip
    try:
        async with AsyncOracle(host) as oracle:
            health, loaded = await asyncio.gather(oracle.health(), oracle.loaded())
    except HostTrouble as trouble:
        return told | {"trouble": str(trouble)}
    models = [model.model_dump() for model in loaded]
    return told | {"alive": True, "health": health, "loaded_models": models, "model_count": len(models)}


def describe(host: Host) -> dict[str, Any]:
    return {
        "id": host.id,
        "name": host.name,
        "role": host.role,
        "url": host.url,
        "kind": host.kind,
        "device": host.device,
        "trainer_local": host.trainer_local,
        "evaluates": host.evaluates,
        "hero": host.hero or settings.REALM.hero,
        "steps": sorted(host.models, reverse=True),
    }
