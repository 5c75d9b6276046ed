"""Lists as OpenAI's clients page through them: the objects behind `after`, and whether there are more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from watchtower.openai_api.errors import ApiError

Limit = Annotated[int, Field(ge=0, le=10_000)]
After = Annotated[str, Field(max_length=200)]


def unknown_cursor(after: str) -> ApiError:
    return ApiError(f"after: there is no {after[:80]!r} in this list", param="after", code="invalid_value")


def page(ids: Sequence[str], *, after: str, limit: int) -> tuple[slice, bool]:
    """Which of `ids` come next, and whether more come behind them. Raises ApiError for an `after` that none has."""
    if after and after not in ids:
        raise unknown_cursor(after)
    start = ids.index(after) + 1 if after else 0
    return slice(start, start + limit), start + limit < len(ids)


def listed(data: list[dict[str, Any]], *, has_more: bool) -> dict[str, Any]:
    first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
    return {"object": "list", "data": data, "has_more": has_more, "first_id": first, "last_id": last}
