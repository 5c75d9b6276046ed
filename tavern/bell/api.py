"""`/api/notifications`: what was told in toasts. What was read is each browser's own, and not told here."""

from __future__ import annotations

from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from tavern.bell import news
from tavern.bell.kinds import GROUPS

router = Router()


class Notification(Schema):
    seq: int
    """Of the chronicle's entry."""
    kind: str
    group: str
    time: float
    """In seconds since 1970."""
    message: str
    href: str


class Notifications(Schema):
    items: list[Notification]


@router.get("", response=Notifications)
def notifications(request: HttpRequest, group: str = "", most: Annotated[int, Field(ge=1, le=500)] = 50) -> Any:
    """The newest first; `group` is one of quests, levels, champions, faults and services."""
    if group and group not in GROUPS:
        raise ValueError(f"group: {group[:40]!r} is none of {', '.join(GROUPS)}")
    group_of = {kind: name for name, kinds in GROUPS.items() for kind in kinds}
    return {
        "items": [
            {
                "seq": one.seq,
                "kind": one.kind,
                "group": group_of[one.kind],
                "time": one.time.timestamp(),
                "message": one.message,
                "href": one.href,
            }
            for one in news.notices(None, group=group, most=most)
        ]
    }
