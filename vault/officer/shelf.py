"""What lies here as it was when it was last looked at, which is not long ago."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from vault.assets.manifest import Manifest
from vault.errors import NotFound
from vault.officer import catalog
from vault.officer.catalog import Catalog, Held
from vault.officer.manifests import Manifests

ZONE_FOLDER = ".zone"
"""An officer's own folder below its base."""
_FRESH_SECONDS = 30.0
_SCANS_SHARE = 20
"""A scan that took a second is good for at least twenty."""


class Shelf:
    """All calls may come from any thread."""

    def __init__(self, base: Path) -> None:
        self._base = base
        self._manifests = Manifests(base, base / ZONE_FOLDER / "manifests")
        self._catalog: Catalog | None = None
        self._stale_at = 0.0
        self._scanning = threading.Lock()

    def catalog(self) -> Catalog:
        with self._scanning:
            known = self._catalog
            if known is None or time.monotonic() >= self._stale_at:
                return self._scan()
            return known

    def scan(self) -> Catalog:
        with self._scanning:
            return self._scan()

    def find(self, asset_id: str) -> Held:
        """Raises NotFound."""
        try:
            return self.catalog().find(asset_id)
        except NotFound as error:
            raise NotFound(f"{error}; POST /scan looks for what is new") from None

    def manifest(self, held: Held) -> Manifest:
        """Raises Damaged, Refused."""
        return self._manifests.of(held)

    def _scan(self) -> Catalog:
        began = time.monotonic()
        self._catalog = catalog.scan(self._base)
        took = time.monotonic() - began
        self._stale_at = time.monotonic() + max(_FRESH_SECONDS, _SCANS_SHARE * took)
        return self._catalog
