from __future__ import annotations

from django.contrib import admin

from vault.admin.base import VaultAdmin
from vault.admin.columns import NOTHING, rows_of
from vault.admin.counted import Facet
from vault.models import HistoryEntry


@admin.register(HistoryEntry)
class HistoryAdmin(VaultAdmin):
    list_display = ("time", "action", "of_asset", "by", "what")
    facets = (Facet(parameter="action", title="action"), Facet(parameter="by", title="who"))
    texts = ("asset_id", "by", "action")
    fields = ("seq", "time", "action", "of_asset", "by", "details")

    def asset_id_of(self, row: HistoryEntry) -> str:
        return row.asset_id

    @admin.display(description="asset", ordering="asset_id")
    def of_asset(self, row: HistoryEntry) -> str:
        return rows_of("asset", row.asset_id, search=row.asset_id) if row.asset_id else NOTHING

    @admin.display(description="details")
    def what(self, row: HistoryEntry) -> str:
        return row.details_text or NOTHING
