"""`/api/sources`: the player's folders with files to train on. Nothing in such a folder is ever changed."""

from __future__ import annotations

from typing import Annotated, Any

from django.conf import settings
from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from arena import source_orders
from arena import status as arena_status
from arena.reports import training_sources
from arena.sources import folders, records
from arena.sources.folders import BadSource
from arena.sources.records import Records
from realm.management.as_json import plain
from vault.api import pages
from vault.api.asking import Liberal, by
from vault.api.pages import USUAL, Limit, Offset
from vault.errors import NotFound, Refused

router = Router()
HERE = "api"
"""Who asks without a token."""


class RegisterFolder(Liberal):
    name: Annotated[str, Field(max_length=40)]
    folder: Annotated[str, Field(max_length=4096)]


class Files(Liberal):
    files: Annotated[list[str], Field(max_length=source_orders.MOST_FILES)] = []
    """Within the folder; none named: all."""


class FileSummary(Schema):
    name: str
    size_bytes: int
    verdict: str
    rows: int | None
    stale: bool
    """It has changed since it was looked at."""


class SourceAnswer(Schema):
    success: bool
    name: str
    message: str


SourcesPage = pages.page_of(dict[str, Any], "sources")
FilesPage = pages.page_of(FileSummary, "files")


@router.get("", response=SourcesPage)
def sources(request: HttpRequest, limit: Limit = USUAL, offset: Offset = 0) -> Any:
    """The realm's own first, then the player's by name; `/api/training/data-sources` names what can be trained on."""
    found = training_sources.all_sources(settings.WORLD)
    return pages.cut(found, limit=limit, offset=offset, key="sources", told=plain)


@router.post("", response=SourceAnswer)
def register(request: HttpRequest, body: RegisterFolder) -> Any:
    """Make a folder of this machine a source; not from another machine, which may name only what lies in the world."""
    if by(request) != HERE:
        raise Refused("a folder is registered on the machine where it lies: /quests/sources, or manage.py source add")
    path = folders.register(settings.WORLD, body.name, body.folder)
    return {"success": True, "name": body.name, "message": f"{path} is registered. Nothing in it is ever changed."}


@router.get("/{name}", response=FilesPage)
def files(request: HttpRequest, name: str, limit: Limit = USUAL, offset: Offset = 0) -> Any:
    """Its files, each with what the gatekeepers know of it."""
    _folder(name)
    known = Records(settings.WORLD)

    def told(file: folders.SourceFile) -> dict[str, Any]:
        found = known.of(file)
        return {
            "name": file.name, "size_bytes": file.size_bytes, "verdict": str(found.verdict), "rows": found.rows,
            "stale": found.stale,
        }  # fmt: skip

    listed = training_sources.files_of(settings.WORLD, name).found
    return pages.cut(listed, limit=limit, offset=offset, key="files", told=told)


@router.post("/{name}/look", response=SourceAnswer)
def look(request: HttpRequest, name: str, body: Files | None = None) -> Any:
    """Let the gatekeepers look at files, which stay where they are."""
    folder, asked = _folder(name), body or Files()
    found = [folders.find(folder, file).name for file in asked.files]
    chosen = found or [file.name for file in training_sources.files_of(settings.WORLD, name).found]
    source_orders.send(settings.WORLD, source=name, files=chosen, by=by(request))
    lives = arena_status.daemon_alive(settings.WORLD)
    said = f"Asked: look at {len(chosen)} files." + ("" if lives else " The arena is not running; they wait.")
    return {"success": True, "name": name, "message": said}


@router.delete("/{name}", response=SourceAnswer)
def remove(request: HttpRequest, name: str) -> Any:
    """Forget a folder; its files stay as they are."""
    _folder(name)
    folder = folders.remove(settings.WORLD, name)
    source_orders.withdraw(settings.WORLD, name)
    records.forget_folder(settings.WORLD, folder, still_known=list(folders.folders(settings.WORLD).values()))
    return {"success": True, "name": name, "message": f"{name} is no longer a source; {folder} is as it was."}


def _folder(name: str) -> Any:
    """Raises NotFound for a name that is not registered."""
    training_sources.check_own(name)
    try:
        return folders.folder_of(settings.WORLD, name)
    except BadSource as error:
        raise NotFound(str(error)) from error
