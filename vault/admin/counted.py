"""Filters with counts for long lists: one grouped query answers them all, and how many rows the list has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.contrib.admin import ListFilter
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import Count, Model, Q, QuerySet
from django.http import HttpRequest

# Django's class takes its type argument in the stubs only.
if TYPE_CHECKING:
    _Paginator = Paginator[Any]
else:
    _Paginator = Paginator


@dataclass(frozen=True, kw_only=True)
class Facet:
    parameter: str
    """Of the address; the field that tells rows apart, unless there are `conditions`."""
    title: str
    labels: Mapping[Any, str] = field(default_factory=dict)
    conditions: Callable[[], dict[str, Q]] | None = None
    """What tells rows apart, by value; every row meets one of them. Of the facets of a list, one may have some."""

    def label(self, value: Any) -> str:
        return self.labels.get(value) or ("--" if value in (None, "") else str(value))


YES_NO = {True: "Yes", False: "No"}


class Groups:
    """How many rows there are of each combination of the facets' values.

    Fields are grouped in the order of the facets, for which an index of the model makes it a walk along that index.
    """

    def __init__(self, facets: tuple[Facet, ...], rows: QuerySet[Any]) -> None:
        fields = [facet for facet in facets if facet.conditions is None]
        split = next((facet for facet in facets if facet.conditions), None)
        conditions = split.conditions() if split and split.conditions else {"": Q()}
        self.facets = (*fields, split) if split else tuple(fields)
        names = [facet.parameter for facet in fields]
        counts = {f"of_{place}": Count("pk", filter=condition) for place, condition in enumerate(conditions.values())}
        found = rows.order_by().values(*names).annotate(**counts).values_list(*names, *counts)
        self._groups = [
            (*group[: len(names)], *([value] if split else []), count)
            for group in found
            for value, count in zip(conditions, group[len(names) :], strict=True)
            if count
        ]

    def count(self, chosen: Mapping[str, str]) -> int:
        """Rows with the chosen values, as they are spelled, by parameter."""
        return sum(rows for *_, rows in self._matching(chosen))

    def values(self, facet: Facet, chosen: Mapping[str, str]) -> list[tuple[Any, int]]:
        """Each value of `facet`, with the number of rows that the other chosen values leave of it."""
        others = {parameter: value for parameter, value in chosen.items() if parameter != facet.parameter}
        place = self.facets.index(facet)
        counts: Counter[Any] = Counter({values[place]: 0 for values in self._groups})
        for *values, rows in self._matching(others):
            counts[values[place]] += rows
        return sorted(counts.items(), key=lambda item: _order(item[0]))

    def _matching(self, chosen: Mapping[str, str]) -> Iterator[tuple[Any, ...]]:
        wanted = [
            (place, chosen[facet.parameter]) for place, facet in enumerate(self.facets) if facet.parameter in chosen
        ]
        return (group for group in self._groups if all(spelled(group[place]) == value for place, value in wanted))


def _order(value: Any) -> tuple[bool, float, str]:
    return value in (None, ""), value if isinstance(value, int) else 0, spelled(value)


def spelled(value: Any) -> str:
    """As it stands in an address."""
    return "" if value is None else str(value)


def chosen_of(request: HttpRequest, facets: tuple[Facet, ...]) -> dict[str, str]:
    return {each.parameter: request.GET[each.parameter] for each in facets if each.parameter in request.GET}


class FacetFilter(ListFilter):
    """Made a class for each facet by `filter_by`."""

    facet: Facet

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: type[Model], model_admin: Any) -> None:
        self.title = self.facet.title
        super().__init__(request, params, model, model_admin)
        chosen = params.pop(self.facet.parameter, None)
        self._value = chosen[-1] if chosen else None
        self._groups: Groups = model_admin.groups(request)
        self._chosen = chosen_of(request, self._groups.facets)

    def expected_parameters(self) -> list[str | None]:
        return [self.facet.parameter]

    def has_output(self) -> bool:
        return self._value is not None or any(
            value not in (None, "") for value, _ in self._groups.values(self.facet, {})
        )

    def queryset(self, request: HttpRequest, queryset: QuerySet[Model]) -> QuerySet[Model] | None:
        if self._value is None:
            return None
        if self.facet.conditions:
            condition = self.facet.conditions().get(self._value)
            return queryset.none() if condition is None else queryset.filter(condition)
        known = [value for value, _ in self._groups.values(self.facet, {}) if spelled(value) == self._value]
        if not known:
            return queryset.none()
        name = self.facet.parameter
        return queryset.filter(**({f"{name}__isnull": True} if known[0] is None else {name: known[0]}))

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        parameter = self.facet.parameter
        others = {name: value for name, value in self._chosen.items() if name != parameter}
        yield {
            "selected": self._value is None,
            "query_string": changelist.get_query_string(remove=[parameter]),
            "display": f"All ({self._groups.count(others):,})",
        }
        for value, rows in self._groups.values(self.facet, self._chosen):
            yield {
                "selected": self._value == spelled(value),
                "query_string": changelist.get_query_string({parameter: spelled(value)}),
                "display": f"{self.facet.label(value)} ({rows:,})",
            }


def filter_by(facet: Facet) -> type[FacetFilter]:
    return type(f"{facet.parameter.title()}Filter", (FacetFilter,), {"facet": facet})


class KnownCount(_Paginator):
    """Of rows that are not counted again."""

    def __init__(self, rows: QuerySet[Any], per_page: int, *args: Any, known: int, **options: Any) -> None:
        super().__init__(rows, per_page, *args, **options)
        self._known = known

    @property
    def count(self) -> int:
        return self._known
