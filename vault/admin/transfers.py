from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.utils.html import format_html
from django.utils.timesince import timesince

from realm.world import World
from vault.admin.base import VaultAdmin
from vault.admin.columns import NOTHING, age, rows_of, size
from vault.admin.confirming import BY, Act, Done, Fate, Plan, confirmed, one_by_one
from vault.admin.counted import Facet
from vault.admin.jobs import ask_for, waiting
from vault.jobs import queue
from vault.jobs.queue import OPEN
from vault.models import Job


class Cancel(Act):
    label = "Cancel"
    help = "End it, or take it back before it begins."

    def plan(self, world: World, rows: list[Job]) -> Plan:
        doomed = [row for row in rows if row.state in OPEN]
        moved = size(sum(row.bytes_done for row in doomed))
        return Plan(
            sentence=f"{len(doomed)} of {len(rows)} transfers end, with {moved} done so far.",
            stays="What is whole stays where it is; what is half done appears nowhere and is used by the next try.",
            fates=[_fate(row, "" if row.state in OPEN else f"it is {row.state}") for row in rows],
        )

    def perform(self, world: World, rows: list[Job], answers: dict[str, Any]) -> Done:
        done, refusals = one_by_one([row for row in rows if row.state in OPEN], lambda row: queue.cancel(row.pk, by=BY))
        return Done(sentence=f"Cancelled: {len(done)}." if done else "", rows=done, refusals=refusals)


class Again(Act):
    label = "Again"
    help = "Ask for the same once more."

    def plan(self, world: World, rows: list[Job]) -> Plan:
        ended = [row for row in rows if row.state not in OPEN]
        moved = size(sum(row.bytes_total or 0 for row in ended))
        return Plan(
            sentence=f"{len(ended)} of {len(rows)} transfers are asked for once more, {moved} in all.",
            stays="These rows stay as they are; what arrived already is not sent again.",
            fates=[_fate(row, f"it is {row.state}" if row.state in OPEN else "") for row in rows],
        )

    def perform(self, world: World, rows: list[Job], answers: dict[str, Any]) -> Done:
        return waiting(world, *one_by_one([row for row in rows if row.state not in OPEN], _again))


def _again(row: Job) -> None:
    ask_for(row.kind, row.asset_id, source=row.source, destination=row.destination, options=row.options)


def _fate(row: Job, stays: str) -> Fate:
    return Fate(name=f"#{row.pk} {row}", size_bytes=row.bytes_total, stays=stays)


@admin.register(Job)
class TransferAdmin(VaultAdmin):
    list_display = (
        "number",
        "kind",
        "state",
        "of_asset",
        "source_or_here",
        "destination",
        "progress",
        "took",
        "age",
        "by",
        "message",
    )
    list_display_links = ("number", "kind")
    facets = (
        Facet(parameter="state", title="state", labels=dict(Job.State.choices)),
        Facet(parameter="kind", title="kind", labels=dict(Job.Kind.choices)),
    )
    texts = ("asset_id", "source", "destination", "by", "message")
    fields = (
        "kind", "state", "of_asset", "source_or_here", "destination", "options", "by", "progress", "message", "result",
        "owner", "created_at", "started_at", "beat_at", "ended_at",
    )  # fmt: skip
    cancel = confirmed(Cancel())
    again = confirmed(Again())
    actions = change_actions = ("cancel", "again")

    def asset_id_of(self, row: Job) -> str:
        return row.asset_id

    @admin.display(description="#", ordering="id")
    def number(self, row: Job) -> str:
        return f"#{row.pk}"

    @admin.display(description="asset", ordering="asset_id")
    def of_asset(self, row: Job) -> str:
        return rows_of("asset", row.asset_id, search=row.asset_id) if row.asset_id else NOTHING

    @admin.display(description="from", ordering="source")
    def source_or_here(self, row: Job) -> str:
        return row.source or "here"

    @admin.display(description="progress")
    def progress(self, row: Job) -> str:
        if not row.bytes_total:
            return size(row.bytes_done) if row.bytes_done else NOTHING
        return f"{size(row.bytes_done)} of {size(row.bytes_total)}, {row.bytes_done * 100 // row.bytes_total}%"

    @admin.display(description="took")
    def took(self, row: Job) -> str:
        until = row.ended_at or row.beat_at
        return timesince(row.started_at, until, depth=1) if row.started_at and until else NOTHING

    @admin.display(description="asked", ordering="created_at")
    def age(self, row: Job) -> str:
        return format_html("{} ago", age(row.created_at))
