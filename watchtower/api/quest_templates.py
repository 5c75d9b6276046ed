"""`/api/quests/templates`: quests to begin from, as rows and a recipe for POST `/api/quests`."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest
from ninja import Router, Schema

from arena import quest_templates
from arena.quest_templates import NoSuchTemplate, QuestTemplate

router = Router()


class Templates(Schema):
    count: int
    templates: list[QuestTemplate]


@router.get("/templates", response=Templates)
def listed(request: HttpRequest) -> Any:
    """A few rows of each form that quests may have, what they teach, and a recipe that suits them."""
    found = quest_templates.list_templates()
    return {"count": len(found), "templates": found}


@router.get("/templates/{name}", response=QuestTemplate)
def one(request: HttpRequest, name: str) -> Any:
    """One template: its rows, what they teach, and its recipe."""
    try:
        return quest_templates.find(name)
    except NoSuchTemplate as error:
        raise Http404(str(error)) from error
