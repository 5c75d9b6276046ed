"""What there is and where: `/api/stats`, `/api/locate`, `/api/asset`, `/api/checkpoints`, `/api/search`."""

from __future__ import annotations

from typing import Annotated, Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from ninja import Router
from pydantic import Field

from realm import strict
from realm.management.as_json import plain
from vault.api.asking import Limit, checked_id, ledger_of
from vault.assets.ids import checkpoint_id
from vault.errors import NotFound
from vault.ledger.entries import record
from vault.models import Asset

router = Router()


@router.get("/stats")
def stats(request: HttpRequest) -> Any:
    """How many assets and copies of each kind, and how many bytes."""
    from vault.keeper import VaultKeeper

    return VaultKeeper(settings.WORLD).stats()


@router.get("/locate/{asset_id}")
def locate(request: HttpRequest, asset_id: str, response: HttpResponse) -> Any:
    """Where copies of an asset lie, and the best of them; short ids such as checkpoint_175000 are understood."""
    from vault.keeper import VaultKeeper

    try:
        found = VaultKeeper(settings.WORLD).locate(checked_id(asset_id))
    except NotFound as error:
        response.status_code = 404
        return _lost(asset_id, str(error))
    if not found.found:
        response.status_code = 404
        return _lost(asset_id, f"the vault knows no {strict.shown(asset_id)}; `vault scan` looks anew")
    return {"success": True, **plain(found), "best_location": plain(found.best_location)}


def _lost(asset_id: str, sentence: str) -> dict[str, Any]:
    nowhere = {"found": False, "asset_id": asset_id[:200], "locations": [], "best_location": None}
    return {"success": False, "error": sentence, **nowhere}


@router.get("/asset/{asset_id}")
def asset(request: HttpRequest, asset_id: str) -> Any:
    """All that is known of an asset, its copies and who did what to it."""
    from vault.assets.resolving import resolve
    from vault.keeper import VaultKeeper
    from vault.models import HistoryEntry

    found = resolve(settings.WORLD, checked_id(asset_id))
    located = VaultKeeper(settings.WORLD).locate(found.asset_id)
    return {
        **plain(found),
        "type": found.kind,
        "locations": plain(located.locations),
        "best_location": plain(located.best_location),
        "history": HistoryEntry.objects.filter(asset_id=found.asset_id)[:100],
    }


@router.get("/checkpoints")
def checkpoints(request: HttpRequest, limit: Limit = 100, hero: str | None = None) -> Any:
    """Checkpoints of every branch, newest first, each with its asset id."""
    ledger = ledger_of(hero)
    listed = [
        record(entry) | {"asset_id": checkpoint_id(entry.hero, entry.canonical_name)}
        for entry in ledger.list_all(limit=limit or None)
    ]
    return {"hero": ledger.hero, "count": len(listed), "checkpoints": listed}


@router.get("/search")
def search(
    request: HttpRequest,
    type: Annotated[str | None, Field(description="checkpoint, model, data or config")] = None,
    kind: Annotated[str | None, Field(description="the same")] = None,
    text: Annotated[str, Field(max_length=200, description="somewhere in its id or name")] = "",
    q: Annotated[str, Field(max_length=200, description="the same")] = "",
    limit: Limit = 100,
) -> Any:
    """Assets of one type, newest first."""
    from vault.keeper import VaultKeeper

    wanted = type or kind
    if wanted is not None and wanted not in Asset.Kind.values:
        raise ValueError(f"type: {strict.shown(wanted)} is not allowed; allowed are {', '.join(Asset.Kind.values)}")
    found = list(VaultKeeper(settings.WORLD).search(kind=wanted, text=text or q))
    return {"count": len(found), "assets": found[: limit or None]}
