from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.utils.html import format_html

from realm.world import World
from vault.admin.base import VaultAdmin
from vault.admin.columns import NOTHING, age, rows_of, size
from vault.admin.confirming import Act, Done, Fate, Plan, confirmed, one_by_one
from vault.admin.counted import Facet
from vault.admin.jobs import ask_for, waiting
from vault.models import Zone
from vault.zones import directory


class Refresh(Act):
    label = "Refresh"
    help = "Ask every zone again how it is."

    def plan(self, world: World, rows: list[Zone]) -> Plan:
        return Plan(
            sentence="Every zone of hosts.yaml is asked for its state; one that is silent is marked so.",
            stays="No byte of an asset is moved.",
        )

    def perform(self, world: World, rows: list[Zone], answers: dict[str, Any]) -> Done:
        directory.refresh(world)
        return Done(sentence="The zones were asked.", rows=rows)


class Scan(Act):
    label = "Scan"
    help = "Let the zone look anew at what lies there, and list it."

    def plan(self, world: World, rows: list[Zone]) -> Plan:
        assets = sum(row.assets for row in rows)
        return Plan(
            sentence=f"Zones that look anew at what lies there: {len(rows)}, of which {assets} assets are known.",
            stays="No byte of an asset is moved or deleted.",
            fates=[Fate(name=row.zone_id) for row in rows],
        )

    def perform(self, world: World, rows: list[Zone], answers: dict[str, Any]) -> Done:
        done, refusals = one_by_one(rows, lambda row: directory.open_zone(world, row.zone_id).client.scan())
        if done:
            ask_for("scan")
        return waiting(world, done, refusals)


@admin.register(Zone)
class ZoneAdmin(VaultAdmin):
    list_display = ("zone_id", "state", "url", "copies", "free", "seen", "version", "message")
    facets = (Facet(parameter="state", title="state", labels=dict(Zone.State.choices)),)
    texts = ("zone_id", "url", "base_dir")
    fields = ("zone_id", "url", "state", "message", "version", "protocol", "base_dir", "copies", "free", "seen")
    refresh = confirmed(Refresh())
    scan = confirmed(Scan())
    actions = change_actions = ("scan",)
    changelist_actions = ("refresh",)

    @admin.display(description="assets", ordering="assets")
    def copies(self, row: Zone) -> str:
        return rows_of("location", str(row.assets), search=row.zone_id)

    @admin.display(description="free", ordering="free_bytes")
    def free(self, row: Zone) -> str:
        return f"{size(row.free_bytes)} of {size(row.total_bytes)}"

    @admin.display(description="last seen", ordering="last_seen_at")
    def seen(self, row: Zone) -> str:
        return format_html("{} ago", age(row.last_seen_at)) if row.last_seen_at else NOTHING
