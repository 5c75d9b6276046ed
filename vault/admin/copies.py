"""Where the copies of assets lie, for a page of rows at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from vault.models import Location


@dataclass(kw_only=True)
class Copies:
    whole: list[str] = field(default_factory=list)
    """Strongholds."""
    broken: list[str] = field(default_factory=list)
    """`nas (damaged)`."""
    verified_at: datetime | None = None
    """When one of the whole was last read and right."""

    def __str__(self) -> str:
        return ", ".join([*self.whole, *self.broken]) or "--"


def copies_of(asset_ids: Iterable[str]) -> dict[str, Copies]:
    """By asset id, of those that have any."""
    rows = Location.objects.filter(asset__asset_id__in=list(asset_ids)).order_by("stronghold")
    found: dict[str, Copies] = {}
    facts = rows.values_list("asset__asset_id", "stronghold", "state", "verified_at")
    for asset_id, stronghold, state, verified_at in facts:
        copies = found.setdefault(asset_id, Copies())
        if state == Location.State.PRESENT:
            copies.whole.append(stronghold)
            copies.verified_at = max(filter(None, (copies.verified_at, verified_at)), default=None)
        else:
            copies.broken.append(f"{stronghold} ({state})")
    return found
