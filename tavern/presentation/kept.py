"""Reads and writes what a player chose. A page asks the database for it once in a while, not each time."""

from __future__ import annotations

import dataclasses
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import SynchronousOnlyOperation
from django.db import DatabaseError
from django.http import HttpRequest

from realm import strict
from realm.disk import durable
from realm.disk.stamps import Stamp, stamp
from realm.strict import BadConfig
from tavern.presentation.choices import Presentation
from tavern.presentation.models import PresentationChoice

FRESH_SECONDS = 10.0
"""Beyond it the database is asked again though nothing was told."""
_Key = tuple[Path, int | None]


@dataclass(frozen=True)
class _Seen:
    found: Presentation
    mark: Stamp | None
    at: float


_seen: dict[_Key, _Seen] = {}


def of(request: HttpRequest | None) -> Presentation:
    """What the player who asks chose; without a request, as on the page of a fault, what the realm's own player did.

    A database that does not answer, or cannot be waited for, leaves what was read last.
    """
    owner = _owner(request)
    key, mark, now = (settings.WORLD.home, owner), stamp(_told()), time.monotonic()
    last = _seen.get(key)
    if last and (request is None or (last.mark == mark and now - last.at < FRESH_SECONDS)):
        return last.found
    if request is None:
        return Presentation()
    try:
        found = _understood(_choices(owner))
    except (DatabaseError, SynchronousOnlyOperation):  # the latter where a refusal is written before any view
        return last.found if last else Presentation()
    _seen[key] = _Seen(found, mark, now)
    return found


def save(request: HttpRequest, changes: Mapping[str, Any]) -> Presentation:
    """Put keys of Presentation over what was chosen. Raises strict.BadConfig for what cannot be."""
    owner = _owner(request)
    chosen = dataclasses.asdict(_understood(_choices(owner))) | dict(changes)
    found = strict.read(Presentation, chosen, source="presentation")
    PresentationChoice.objects.update_or_create(
        owner_id=owner, defaults={"choices": {key: chosen[key] for key in dataclasses.asdict(found)}}
    )
    durable.write_bytes(_told(), secrets.token_bytes(8))  # other processes serve these pages, too
    _seen.pop((settings.WORLD.home, owner), None)
    return found


def _told() -> Path:
    """A file that changes with every choice."""
    return Path(settings.WORLD.status) / "presentation"


def _owner(request: HttpRequest | None) -> int | None:
    account = getattr(request, "logged_in", None)
    return None if account is None else int(account.pk)


def _choices(owner: int | None) -> dict[str, Any]:
    row = PresentationChoice.objects.filter(owner_id=owner).order_by("pk").first()
    return dict(row.choices) if row else {}


def _understood(choices: Mapping[str, Any]) -> Presentation:
    """Key by key: what another version wrote and this one does not know is left out."""
    known = {key: value for key, value in choices.items() if _is_known(key, value)}
    return strict.read(Presentation, known, source="presentation")


def _is_known(key: str, value: Any) -> bool:
    try:
        strict.read(Presentation, {key: value}, source="presentation")
    except BadConfig:
        return False
    return True
