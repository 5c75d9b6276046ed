"""`/api/snapshots`: the archivist's copies of the whole world.

A world is restored of one by `manage.py vault restore` alone: it becomes a folder wherever the player says.
"""

from __future__ import annotations

from typing import Annotated, Any

from django.conf import settings
from django.http import HttpRequest
from ninja import Router
from pydantic import Field

from realm.management.as_json import plain
from vault.api import pages
from vault.api.asking import DEFAULT_WAIT_SECONDS, JobAnswer, Liberal, Wait, by, finished
from vault.api.pages import AnyLimit, Offset
from vault.archivist.snapshots import list_snapshots
from vault.jobs import queue

router = Router()
SnapshotsPage = pages.page_of(pages.Entry, "snapshots")


class Take(Liberal):
    reason: Annotated[str, Field(max_length=200)] = "asked for"
    wait: Wait = DEFAULT_WAIT_SECONDS


@router.get("/snapshots", response=SnapshotsPage)
def snapshots(request: HttpRequest, limit: AnyLimit = 0, offset: Offset = 0) -> Any:
    """Those that lie in this world's backups; `manage.py vault restore NAME --to FOLDER` makes a world of one."""
    found = list(list_snapshots(settings.WORLD))
    return pages.cut(found, limit=limit, offset=offset, key="snapshots", told=plain)


@router.post("/snapshots", response={200: JobAnswer, 202: JobAnswer})
def take(request: HttpRequest, body: Take | None = None) -> Any:
    """Copy the live world into a plain folder."""
    asked = body or Take()
    job = queue.add(kind="snapshot", options={"reason": asked.reason}, by=by(request))
    return finished(job, seconds=asked.wait)
