"""The vault for a script or a notebook: see realm.facade."""

from __future__ import annotations

from realm.place import BY, Place
from vault.keeper import VaultKeeper
from vault.ledger.local import Ledger, get_ledger


class Vault(Place):
    def in_words(self) -> str:
        stats = self.keeper.stats()
        return f"{stats.assets} assets"

    @property
    def keeper(self) -> VaultKeeper:
        """Where everything lies, and what brings it here: `locate`, `fetch`, `search`, `stats`."""
        return VaultKeeper(self.world, by=BY)

    @property
    def ledger(self) -> Ledger:
        """The active hero's checkpoints: `get_latest`, `get_best`, `list_all`, `find`."""
        return get_ledger()
