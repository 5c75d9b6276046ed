from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Q
from django.http import HttpRequest
from django.template.loader import render_to_string
from django_object_actions import action

from realm.world import World
from vault.admin.base import VaultAdmin
from vault.admin.checkpoints import HERO, step_or_id
from vault.admin.columns import NOTHING, age, page_of, rows_of, size, when_verified
from vault.admin.confirming import Act, Done, Fate, Plan, confirmed, one_by_one
from vault.admin.copies import Copies, copies_of
from vault.admin.counted import Facet
from vault.admin.jobs import DestinationForm, ask_for, waiting
from vault.assets.ids import is_asset_id, parse_checkpoint_id
from vault.jobs.kinds import fetched_path
from vault.keeper import VaultKeeper
from vault.models import Asset


def counted(rows: list[Asset]) -> str:
    return f"{len(rows)} {'asset' if len(rows) == 1 else 'assets'}, {size(sum(row.size_bytes for row in rows))}"


def fates(rows: list[Asset]) -> list[Fate]:
    return [Fate(name=row.asset_id, size_bytes=row.size_bytes) for row in rows]


class NameForm(forms.Form):
    folder = forms.CharField(
        max_length=200, required=False, help_text="Its name below vault/fetched/ in the world; empty: the asset's id."
    )


class Fetch(Act):
    label = "Fetch"
    help = "Bring it from the nearest place that has it into this world."
    form = NameForm

    def plan(self, world: World, rows: list[Asset]) -> Plan:
        if len(rows) != 1:
            return Plan(sentence="", refusal=f"A folder takes one asset, and {len(rows)} are chosen: choose one.")
        return Plan(
            sentence=f"Copied here from the nearest place, with every byte compared: {counted(rows)}.",
            stays="All copies that there are stay.",
            fates=fates(rows),
        )

    def perform(self, world: World, rows: list[Asset], answers: dict[str, Any]) -> Done:
        if len(rows) != 1:
            return Done(refusals=["Choose one asset to fetch."])
        fetched_path(world, answers["folder"] or rows[0].asset_id)
        return waiting(
            world, *one_by_one(rows, lambda row: ask_for("fetch", row.asset_id, destination=answers["folder"]))
        )


class CopyTo(Act):
    label = "Copy to…"
    help = "Copy it to a stronghold or zone, where every byte is read back."
    form = DestinationForm

    def plan(self, world: World, rows: list[Asset]) -> Plan:
        return Plan(
            sentence=f"Copied, with every byte read back there: {counted(rows)}.",
            stays="All copies that there are stay.",
            fates=fates(rows),
        )

    def perform(self, world: World, rows: list[Asset], answers: dict[str, Any]) -> Done:
        where = answers["destination"]
        return waiting(world, *one_by_one(rows, lambda row: ask_for("push", row.asset_id, destination=where)))


class Scan(Act):
    label = "Scan"
    help = "Look anew at what lies here and in all other places, and list it."

    def plan(self, world: World, rows: list[Asset]) -> Plan:
        return Plan(
            sentence="This world, its strongholds and zones are looked at anew by the vault's process.",
            stays="No byte of an asset is moved or deleted; what is gone or damaged is marked so.",
        )

    def perform(self, world: World, rows: list[Asset], answers: dict[str, Any]) -> Done:
        return waiting(world, *one_by_one(["everything"], lambda _: ask_for("scan")))


@admin.register(Asset)
class AssetAdmin(VaultAdmin):
    list_display = ("asset_id", "kind", "size", "age", "copies", "where", "verified", "page")
    facets = (Facet(parameter="kind", title="kind", labels=dict(Asset.Kind.choices)), HERO)
    texts = ("asset_id", "name")
    ordering = ("-created_at", "-pk")  # as the index of ages has them
    fields = ("asset_id", "kind", "name", "hero", "step", "size", "age", "manifest_sha256", "page", "lies")
    fetch = confirmed(Fetch())
    copy_to = confirmed(CopyTo())
    scan = confirmed(Scan())
    actions = ("copy_to",)
    change_actions = ("locate", "fetch", "copy_to")
    changelist_actions = ("scan",)

    def _locate(self, request: HttpRequest, row: Asset) -> None:
        located = VaultKeeper().locate(row.asset_id)
        if located.best_location is None:
            messages.error(request, located.message)
        else:
            messages.info(
                request, f"The nearest copy is at {located.best_location.stronghold}: {located.best_location.path}"
            )

    locate = action(label="Locate", permissions=("view",), button_type="a")(_locate)

    def find_exactly(self, term: str) -> Q | None:
        return Q(asset_id=term) if is_asset_id(term) and not _is_short(term) else step_or_id(term)

    def prepare(self, rows: list[Any]) -> None:
        found = copies_of(row.asset_id for row in rows)
        for row in rows:
            row.copies = found.get(row.asset_id, Copies())

    def asset_id_of(self, row: Asset) -> str:
        return row.asset_id

    @admin.display(description="size", ordering="size_bytes")
    def size(self, row: Asset) -> str:
        return size(row.size_bytes)

    @admin.display(description="age", ordering="created_at")
    def age(self, row: Asset) -> str:
        return age(row.created_at)

    @admin.display(description="copies")
    def copies(self, row: Any) -> str:
        return rows_of("location", str(len(row.copies.whole)), search=row.asset_id)

    @admin.display(description="where")
    def where(self, row: Any) -> str:
        return str(row.copies)

    @admin.display(description="verified")
    def verified(self, row: Any) -> str:
        """Of its copies the one that was looked at last."""
        return when_verified(row.copies.verified_at)

    @admin.display(description="copies")
    def lies(self, row: Asset) -> str:
        return render_to_string("admin/vault/copies.html", {"copies": row.locations.order_by("stronghold")})

    @admin.display(description="page")
    def page(self, row: Asset) -> str:
        known = parse_checkpoint_id(row.asset_id)
        return page_of(known.hero, known.name) if known and known.hero and known.name else NOTHING


def _is_short(term: str) -> bool:
    known = parse_checkpoint_id(term)
    return known is not None and known.name is None
