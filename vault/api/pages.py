"""Lists of the API: one page of them at a time, all of one shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

from ninja import Schema
from pydantic import Field, create_model

MOST_AT_ONCE, USUAL = 1000, 50
FARTHEST = 10**9
Limit = Annotated[int, Field(ge=1, le=MOST_AT_ONCE, description="Entries of one page.")]
AnyLimit = Annotated[int, Field(ge=0, le=1_000_000, description="Entries of one page; 0: all that follow.")]
Offset = Annotated[int, Field(ge=0, le=FARTHEST, description="Entries before the page.")]
Entry = dict[str, Any]
"""Of a list whose entries are rows as they are."""


class Page(Schema):
    total: int
    """Of all that fit, not only of this page."""
    limit: int
    offset: int
    count: int
    """Of this page."""


def page_of(item: Any, key: str) -> type[Page]:
    """The shape of a list of `item`: `items`, and the same under the list's own name.

    The document tells shapes apart by their names, so no two of them may have the same one.
    """
    of = "" if item == Entry else item.__name__
    fields: dict[str, Any] = {"items": (list[item], ...), key: (list[item], ...)}
    return create_model(f"{of}{key.title().replace('_', '')}Page", __base__=Page, **fields)


def page(items: Sequence[Any], *, total: int, limit: int, offset: int, key: str) -> dict[str, Any]:
    listed = list(items)
    return {"items": listed, key: listed, "count": len(listed), "total": total, "limit": limit, "offset": offset}


def cut(
    rows: Any, *, limit: int, offset: int, key: str, told: Callable[[Any], Any] = lambda row: row
) -> dict[str, Any]:
    """One page of a query set or a list, each entry as `told` has it; a limit of 0 is all that follows."""
    total = len(rows) if isinstance(rows, Sequence) else rows.count()
    items = [told(row) for row in rows[offset : offset + limit if limit else None]]
    return page(items, total=total, limit=limit, offset=offset, key=key)
