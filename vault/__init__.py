"""Where everything lies: `from vault import VaultKeeper`. Names are imported when they are asked for, since parts of
the vault run without Django, and Django imports the package before its models are ready.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from realm.standalone import ensure_django

if TYPE_CHECKING:
    from vault.assets.discovery import VaultDiscovery
    from vault.keeper import VaultKeeper, ask_vault_first
    from vault.strongholds.registry import StorageRegistry, StrongholdType
    from vault.zones.moving import pull_from_zone, push_to_zone

_HOMES = {
    "VaultKeeper": "vault.keeper",
    "ask_vault_first": "vault.keeper",
    "VaultDiscovery": "vault.assets.discovery",
    "StorageRegistry": "vault.strongholds.registry",
    "StrongholdType": "vault.strongholds.registry",
    "push_to_zone": "vault.zones.moving",
    "pull_from_zone": "vault.zones.moving",
}
__all__ = [
    "StorageRegistry",
    "StrongholdType",
    "VaultDiscovery",
    "VaultKeeper",
    "ask_vault_first",
    "pull_from_zone",
    "push_to_zone",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    ensure_django()
    return getattr(import_module(_HOMES[name]), name)
