from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.urls import reverse
from django.utils.html import format_html

from realm.world import World
from vault.admin.base import VaultAdmin
from vault.admin.checkpoints import VERIFIED
from vault.admin.columns import age, size, when_verified
from vault.admin.confirming import BY, Act, Done, Fate, Plan, confirmed, one_by_one
from vault.admin.counted import Facet
from vault.admin.jobs import ask_for, waiting
from vault.assets.ids import is_asset_id, parse_checkpoint_id
from vault.keeper import VaultKeeper
from vault.models import Location
from vault.strongholds.registry import LOCAL


def counted(rows: list[Location]) -> str:
    return f"{len(rows)} {'copy' if len(rows) == 1 else 'copies'}, {size(sum(row.size_bytes for row in rows))}"


def _fate(row: Location, stays: str = "") -> Fate:
    return Fate(name=f"{row.asset.asset_id} at {row.stronghold}", size_bytes=row.size_bytes, stays=stays)


class Verify(Act):
    label = "Verify"
    help = "Read every byte of the copy and compare it with its digest."

    def plan(self, world: World, rows: list[Location]) -> Plan:
        return Plan(
            sentence=f"Every byte of {counted(rows)}, is read where it lies, by the vault's process.",
            stays="Nothing is changed; what is found stands in the columns State and Verified.",
            fates=[_fate(row) for row in rows],
        )

    def perform(self, world: World, rows: list[Location], answers: dict[str, Any]) -> Done:
        return waiting(
            world, *one_by_one(rows, lambda row: ask_for("verify", row.asset.asset_id, source=row.stronghold))
        )


class DropCopy(Act):
    label = "Drop copy"
    help = "Delete this copy, if enough others were verified lately."
    permission = "discard"
    is_destructive = True

    def plan(self, world: World, rows: list[Location]) -> Plan:
        away = [row for row in rows if row.stronghold != LOCAL]
        if not away:
            return Plan(sentence="", refusal="What lies in this world is deleted as a checkpoint, or by you as a file.")
        return Plan(
            sentence=f"Deleted where they lie, without a trash: {counted(away)}.",
            stays="A copy goes only after another one, verified lately, was read and found whole, which takes its time;"
            " else it stays, and you are told why.",
            fates=[_fate(row, stays="" if row in away else "it lies in this world") for row in rows],
        )

    def perform(self, world: World, rows: list[Location], answers: dict[str, Any]) -> Done:
        keeper, freed = VaultKeeper(world, by=BY), [0]
        done, refusals = one_by_one(rows, lambda row: freed.append(keeper.drop_copy(row)))
        said = f"Dropped {len(done)}: {size(sum(freed))}." if done else ""
        return Done(sentence=said, rows=done, refusals=refusals)


@admin.register(Location)
class LocationAdmin(VaultAdmin):
    list_display = ("path", "of_asset", "stronghold", "state", "size", "seen", "verified", "reason")
    list_select_related = ("asset",)
    facets = (
        Facet(parameter="stronghold", title="stronghold"),
        Facet(parameter="state", title="state", labels=dict(Location.State.choices)),
        VERIFIED,
    )
    texts = ("asset__asset_id", "path")
    fields = ("of_asset", "stronghold", "path", "state", "reason", "size", "seen", "verified")
    verify = confirmed(Verify())
    drop_copy = confirmed(DropCopy())
    actions = change_actions = ("verify", "drop_copy")

    def find_exactly(self, term: str) -> Q | None:
        if term.isdecimal() and len(term) < 19:
            return Q(asset__step=int(term))
        known = parse_checkpoint_id(term)
        if known and known.name is None:
            return Q(asset__step=known.step) & (Q(asset__hero=known.hero) if known.hero else Q())
        return Q(asset__asset_id=term) if is_asset_id(term) else None

    def asset_id_of(self, row: Location) -> str:
        return row.asset.asset_id

    @admin.display(description="asset", ordering="asset")
    def of_asset(self, row: Location) -> str:
        address = reverse("admin:vault_asset_change", args=(row.asset_id,))
        return format_html('<a href="{}">{}</a>', address, row.asset.asset_id)

    @admin.display(description="size", ordering="size_bytes")
    def size(self, row: Location) -> str:
        return size(row.size_bytes)

    @admin.display(description="seen", ordering="seen_at")
    def seen(self, row: Location) -> str:
        return format_html("{} ago", age(row.seen_at))

    @admin.display(description="verified", ordering="verified_at")
    def verified(self, row: Location) -> str:
        return when_verified(row.verified_at)
