"""The bytes of what lies in this world at `/fetch/{asset_id}`, as a branch officer gives out those of its folder."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from django.db import connection
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from realm.world import World
from vault.assets.manifest import Manifest
from vault.errors import NotFound
from vault.keeper import VaultKeeper
from vault.officer import catalog
from vault.officer.app import Officer
from vault.officer.catalog import Held
from vault.officer.manifests import Manifests
from vault.officer.protocol_door import ProtocolDoor
from vault.strongholds.registry import LOCAL

_FOLDER = "served"
"""Below `vault/` of the world: digests of files that were read already."""


class Members(Officer):
    """It knows what the vault knows, and receives nothing."""

    def __init__(self, world: World) -> None:
        super().__init__("vault", world.home)
        self._world = world
        self._manifests = Manifests(world.home, world.vault / _FOLDER)
        routes = [Route("/fetch/{asset_id}", self._told), Route("/fetch/{asset_id}/{path:path}", self._bytes)]
        self.application = Starlette(routes=routes, exception_handlers=self.application.exception_handlers)

    @property
    def guarded(self) -> ProtocolDoor:
        return ProtocolDoor(self.application)

    async def _manifest(self, request: Request) -> tuple[Held, Manifest]:
        return await asyncio.to_thread(self._look, request.path_params["asset_id"])

    def _look(self, asset_id: str) -> tuple[Held, Manifest]:
        """In a thread."""
        try:
            held = self._held(asset_id)
        finally:
            connection.close()
        return held, self._manifests.of(held)

    def _held(self, asset_id: str) -> Held:
        """Raises NotFound, Refused."""
        found = VaultKeeper(self._world).locate(asset_id)
        here = next((each for each in found.locations if each.stronghold == LOCAL and each.is_present), None)
        if here is None:
            raise NotFound(found.message or f"{found.asset_id} lies on another machine; POST /api/fetch brings it here")
        place = self._world.home / here.path
        if not place.is_relative_to(self._world.home):
            raise NotFound(f"{found.asset_id} lies outside this world, from where nothing is given out")
        path = place.relative_to(self._world.home)
        return replace(catalog.look_at(place), asset_id=found.asset_id, path=path)
