"""What the vault's routers have in common: who asks, for which hero and asset, and the answer to a job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from django.conf import settings
from django.http import HttpRequest
from ninja import Status
from pydantic import BaseModel, ConfigDict, Field, model_validator

from realm import strict
from realm.config import is_hero_name
from realm.web.bodies import Body
from realm.web.token_wall import TOKEN_KEY
from vault.assets.ids import is_asset_id
from vault.assets.resolving import resolve
from vault.errors import NotFound, Refused
from vault.jobs import queue, waiting
from vault.ledger.local import Ledger, get_ledger
from vault.models import Job

DEFAULT_WAIT_SECONDS = 1.0
"""What is done soon is answered as done; who would rather wait than ask for the job again says how long."""
Wait = Annotated[float, Field(ge=0, le=600, description="Seconds to wait for the end, before 202 names the job.")]


class Liberal(Body):
    """Takes other names of its keys; one thing named twice, differently, is refused."""

    other_names: ClassVar[Mapping[str, str]] = {}

    @model_validator(mode="before")
    @classmethod
    def _without_unknown_keys(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        read: dict[str, Any] = {}
        for key, item in value.items():
            name = cls.other_names.get(key, key)
            if name not in cls.model_fields:
                raise ValueError(strict.unknown_key(key, cls.model_fields))
            if name in read and read[name] != item:
                raise ValueError(f"{name} is given twice, as {strict.shown(read[name])} and {strict.shown(item)}")
            read[name] = item
        return read


class JobAnswer(BaseModel):
    """What became of a job; its result's own keys stand beside these."""

    model_config = ConfigDict(extra="allow")

    success: bool | None
    """None: it goes on. False: it was done, and found damage."""
    job_id: int
    address: str
    """Where the job is asked for."""
    state: str
    asset_id: str
    message: str


def by(request: HttpRequest) -> str:
    """Who asks, as the chronicle has it."""
    token = getattr(request, "scope", {}).get(TOKEN_KEY)
    return f"api {token.token_id}" if token else "api"


def ledger_of(hero: str | None) -> Ledger:
    """Of the active hero where none is named. Raises ValueError."""
    if hero is not None and not is_hero_name(hero):
        raise ValueError(f"hero: {strict.shown(hero)} is no hero's name")
    return get_ledger(hero)


def checked_id(asset_id: str) -> str:
    """Raises NotFound for what can be no asset's id."""
    if not is_asset_id(asset_id):
        raise NotFound(f"{strict.shown(asset_id)} is no asset's id, such as checkpoint_175000")
    return asset_id


def known_id(asset_id: str) -> str:
    """The whole id of an asset that the vault knows. Raises NotFound."""
    return resolve(settings.WORLD, checked_id(asset_id)).asset_id


def finished(job: Job, *, seconds: float) -> Status[dict[str, Any]]:
    """Status and answer, after waiting for its end. Raises Refused where it failed or was cancelled."""
    job = waiting.finish(settings.WORLD, job, seconds=seconds)
    if job.state in (Job.State.FAILED, Job.State.CANCELLED):
        raise Refused(job.message)
    is_done = job.state not in queue.OPEN
    told = {
        "success": True if is_done else None,
        "job_id": job.pk,
        "address": f"/api/jobs/{job.pk}",
        "state": job.state,
        "asset_id": job.asset_id,
        "message": job.message,
    }
    return Status(200 if is_done else 202, {**told, **job.result})
