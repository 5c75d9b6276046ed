"""What all lists of the vault have: counted filters, quick pages of a hundred thousand rows, the asset's history."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from django.contrib import messages
from django.contrib.admin import ShowFacets
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ERROR_FLAG, IGNORED_PARAMS, PAGE_VAR, SEARCH_VAR, ChangeList
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django_object_actions import DjangoObjectActions

from realm.web.read_only_admin import ReadOnlyAdmin
from vault.admin.counted import Facet, Groups, KnownCount, chosen_of, filter_by
from vault.models import HistoryEntry

_HISTORY_SHOWN = 200
_MOST_COUNTED = 10_000
_MOST_FOUND = 2_000


class PreparedList(ChangeList):
    """Rows of one page get what their columns need from other tables, all at once."""

    model_admin: VaultAdmin

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows = list(self.result_list)
        self.model_admin.prepare(rows)
        self.result_list = rows


class VaultAdmin(DjangoObjectActions, ReadOnlyAdmin):  # type: ignore[misc]
    facets: ClassVar[tuple[Facet, ...]] = ()
    texts: ClassVar[tuple[str, ...]] = ()
    """Fields that a search looks through."""
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 200

    def has_alter_permission(self, request: HttpRequest) -> bool:
        return self._may(request, "change")

    def has_discard_permission(self, request: HttpRequest) -> bool:
        return self._may(request, "delete")

    def has_issue_permission(self, request: HttpRequest) -> bool:
        return self._may(request, "add")

    def _may(self, request: HttpRequest, word: str) -> bool:
        return request.user.has_perm(f"{self.opts.app_label}.{word}_{self.opts.model_name}")

    def get_change_actions(self, request: HttpRequest, object_id: str, form_url: str) -> list[str]:
        return self._allowed(request, self.change_actions)

    def get_changelist_actions(self, request: HttpRequest) -> list[str]:
        return self._allowed(request, self.changelist_actions)

    def _allowed(self, request: HttpRequest, names: Iterable[str]) -> list[str]:
        """Those that this account may do."""
        named = {name: getattr(self, name).allowed_permissions for name in names}
        return [
            name
            for name, needed in named.items()
            if all(getattr(self, f"has_{one}_permission")(request) for one in needed)
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        title = str(self.opts.verbose_name_plural).capitalize()
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        return [filter_by(facet) for facet in self.facets]

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        return self.texts

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Each row is looked at once a request: the page and its filters ask among what was found."""
        exact = self.find_exactly(search_term.strip())
        if exact is not None and (found := queryset.filter(exact)).exists():
            return found, False
        if not search_term.strip():
            return queryset, False
        if not hasattr(request, "_found"):
            matching, _ = super().get_search_results(request, queryset, search_term)
            request._found = list(self._ordered(matching).values_list("pk", flat=True)[:_MOST_FOUND])  # type: ignore[attr-defined]
            if len(request._found) == _MOST_FOUND:  # type: ignore[attr-defined]
                messages.warning(
                    request, f"Of all that is found, the first {_MOST_FOUND:,} are listed: search for more."
                )
        return queryset.filter(pk__in=request._found), False  # type: ignore[attr-defined]

    def _ordered(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """As the list has them while nobody sorts it by another column."""
        return rows.order_by(*self.ordering) if self.ordering else rows

    def find_exactly(self, term: str) -> Q | None:
        """What a step or an id means here; such a search needs no look at every row."""
        return None

    def groups(self, request: HttpRequest) -> Groups:
        """Of the rows that the search of this request finds, filters aside."""
        if not hasattr(request, "_groups"):
            rows, _ = self.get_search_results(request, self.get_queryset(request), request.GET.get(SEARCH_VAR, ""))
            request._groups = Groups(self.facets, rows)  # type: ignore[attr-defined]
        groups: Groups = request._groups  # type: ignore[attr-defined]
        return groups

    def get_paginator(
        self, request: HttpRequest, queryset: QuerySet[Any], per_page: int, *args: Any, **options: Any
    ) -> Paginator[Any]:
        """Rows are counted again only where the address narrows the list by more than filters and search."""
        counted = {*IGNORED_PARAMS, PAGE_VAR, ERROR_FLAG, *(facet.parameter for facet in self.facets)}
        if set(request.GET) <= counted:
            known = self.groups(request).count(chosen_of(request, self.facets))
        else:
            known = queryset.order_by()[:_MOST_COUNTED].count()
        return KnownCount(queryset, per_page, *args, known=known, **options)

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[ChangeList]:
        return PreparedList

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        row = super().get_object(request, object_id, from_field)
        if row is not None:
            self.prepare([row])
        return row

    def prepare(self, rows: list[Any]) -> None:
        """Give rows what columns show of other tables, in as many queries for a hundred as for one."""

    def asset_id_of(self, row: Any) -> str:
        """Whose history it has; empty: none."""
        return ""

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Who did what to the asset, from the chronicle of the vault."""
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        lines = HistoryEntry.objects.exclude(asset_id="").filter(asset_id=self.asset_id_of(row))
        context = {
            **self.admin_site.each_context(request),
            "title": f"History of {row}",
            "lines": lines[:_HISTORY_SHOWN],
            "asset_id": self.asset_id_of(row),
            "object": row,
            "opts": self.opts,
            **(extra_context or {}),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/vault/history.html", context)
