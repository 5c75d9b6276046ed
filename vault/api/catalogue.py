"""What there is and where: `/api/stats`, `/api/locate`, `/api/asset`, `/api/checkpoints`, `/api/search`."""

from __future__ import annotations

from typing import Annotated, Any

from django.conf import settings
from django.http import HttpRequest
from ninja import Router, Status
from pydantic import Field

from realm import strict
from realm.management.as_json import plain
from realm.web.problems import problem
from vault.api import pages
from vault.api.asking import checked_id, ledger_of
from vault.api.ledger import CheckpointsPage
from vault.api.pages import AnyLimit, Offset
from vault.assets import rows
from vault.assets.ids import checkpoint_id
from vault.assets.resolving import resolve, spelled_out
from vault.keeper import VaultKeeper
from vault.ledger.entries import record
from vault.models import Asset, HistoryEntry

router = Router()
AssetsPage = pages.page_of(pages.Entry, "assets")
_MOST_FOUND, _MOST_LINES = 1_000_000, 100


@router.get("/stats", response=pages.Entry)
def stats(request: HttpRequest) -> Any:
    """How many assets and copies of each kind, and how many bytes."""
    return plain(VaultKeeper(settings.WORLD).stats())


@router.get("/locate/{asset_id}", response=dict.fromkeys((200, 404), dict[str, Any]))
def locate(request: HttpRequest, asset_id: str) -> Any:
    """Where copies of an asset lie, and the best of them; short ids such as checkpoint_175000 are understood."""
    found = VaultKeeper(settings.WORLD).locate(checked_id(asset_id))
    told = {
        **plain(found),
        "asset_id": spelled_out(asset_id),
        "whole_id": found.asset_id,
        "best_location": plain(found.best_location),
    }
    if not found.found:
        return Status(404, problem(found.message, status=404, instance=request.path) | told)
    return {"success": True, **told}


@router.get("/asset/{asset_id}", response=pages.Entry)
def asset(request: HttpRequest, asset_id: str) -> Any:
    """All that is known of an asset, its copies and who did what to it."""
    found = resolve(settings.WORLD, checked_id(asset_id))
    located = VaultKeeper(settings.WORLD).locate(found.asset_id)
    return {
        **plain(found),
        "asset_id": spelled_out(asset_id),
        "whole_id": found.asset_id,
        "type": found.kind,
        "locations": plain(located.locations),
        "best_location": plain(located.best_location),
        "history": plain(list(HistoryEntry.objects.filter(asset_id=found.asset_id)[:_MOST_LINES])),
    }


@router.get("/checkpoints", response=CheckpointsPage)
def checkpoints(request: HttpRequest, limit: AnyLimit = 100, offset: Offset = 0, hero: str | None = None) -> Any:
    """Checkpoints of every branch, newest first, each with its asset id."""
    ledger = ledger_of(hero)
    entries = {
        checkpoint_id(each.hero, each.canonical_name): each
        for each in ledger.list_all(limit=limit or None, offset=offset)
    }
    told = rows.told_ids(entries)
    listed = [record(each) | {"asset_id": told[whole], "whole_id": whole} for whole, each in entries.items()]
    page = pages.page(listed, total=ledger.count(), limit=limit, offset=offset, key="checkpoints")
    return page | {"hero": ledger.hero}


@router.get("/search", response=AssetsPage)
def search(
    request: HttpRequest,
    type: Annotated[str | None, Field(description="checkpoint, model, data or config")] = None,
    kind: Annotated[str | None, Field(description="the same")] = None,
    text: Annotated[str, Field(max_length=200, description="somewhere in its id or name")] = "",
    q: Annotated[str, Field(max_length=200, description="the same")] = "",
    limit: AnyLimit = 100,
    offset: Offset = 0,
) -> Any:
    """Assets of one type, newest first."""
    wanted = type or kind
    if wanted is not None and wanted not in Asset.Kind.values:
        raise ValueError(f"type: {strict.shown(wanted)} is not allowed; allowed are {', '.join(Asset.Kind.values)}")
    keeper, what = VaultKeeper(settings.WORLD), text or q
    found = list(keeper.search(kind=wanted or "", text=what, limit=limit or _MOST_FOUND, offset=offset))
    told = rows.told_ids(each.asset_id for each in found)
    listed = [
        plain(each) | {"asset_id": told[each.asset_id], "whole_id": each.asset_id, "type": each.kind} for each in found
    ]
    total = keeper.count(kind=wanted or "", text=what)
    return pages.page(listed, total=total, limit=limit, offset=offset, key="assets")
