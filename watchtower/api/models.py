"""`/api/models`: checkpoints by canonical name. The active one is the champion; activating is promoting."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from ninja import Router, Schema

from guild.champion import crown
from guild.evaluation.checkpoints import WORDS, choose
from guild.models import Evaluation
from realm import config, strict
from realm.management.as_json import plain
from vault.api import pages
from vault.api.asking import by, ledger_of
from vault.api.pages import USUAL, Limit, Offset
from vault.assets.ids import is_asset_id, parse_checkpoint_id
from vault.assets.resolving import resolve
from vault.errors import NotFound, Refused
from vault.ledger.entries import LedgerEntry
from vault.ledger.local import Ledger, entry_of
from vault.models import Checkpoint
from vault.selectors import list_checkpoints
from vault.treasury import champion, trash

router = Router()
BASE = "base"


class Model(Schema):
    id: str
    """Canonical name; `base` is the model before any training."""
    name: str
    hero: str
    step: int
    active: bool
    """Whether it is the champion."""
    branch: str
    created_at: datetime | None
    train_loss: float | None
    val_loss: float | None
    learning_rate: float | None
    epoch: int | None
    skill: str | None
    level: int | None
    quest: str | None
    battle: str | None
    parent: str | None
    size_bytes: int | None
    protected: bool
    weights_only: bool


class Answered(Schema):
    skill: str
    level: int
    correct: int
    total: int


class ModelWithAnswers(Model):
    path: str | None
    evaluations: list[Answered]


class Activated(Schema):
    success: bool
    id: str
    message: str
    previous: str
    loaded_by: list[str]


class DeletedModel(Schema):
    success: bool
    id: str
    message: str
    undo: str
    """Entry of the trash: POST `/api/trash/{undo}/undo` brings it back."""
    size_bytes: int


ModelsPage = pages.page_of(Model, "models")


@router.get("", include_in_schema=False)
@router.get("/", response=ModelsPage)
def models(
    request: HttpRequest,
    hero: str | None = None,
    branch: str | None = None,
    skill: str | None = None,
    limit: Limit = USUAL,
    offset: Offset = 0,
) -> Any:
    """Checkpoints of every branch, or of one, newest first; the last is the base model."""
    ledger = ledger_of(hero)
    wanted = {"branch": branch, "skill": skill}
    only = {key: value for key, value in wanted.items() if value is not None}
    total = Checkpoint.objects.filter(hero=ledger.hero, **only).count()
    rows = list_checkpoints(settings.WORLD, ledger.hero, limit=limit, offset=offset, only=only)
    listed: list[LedgerEntry | None] = [entry_of(settings.WORLD, row) for row in rows]
    if not only:
        listed += [None] if offset <= total < offset + limit else []
        total += 1
    active = _active(ledger)
    told = [_model(ledger, entry, active) for entry in listed]
    return pages.page(told, total=total, limit=limit, offset=offset, key="models")


@router.get("/{model_id}", response=ModelWithAnswers)
def model(request: HttpRequest, model_id: str, hero: str | None = None) -> Any:
    """By canonical name, step, asset id, or newest, best (the champion), base."""
    ledger = ledger_of(hero)
    entry = _find(ledger, model_id)
    answers = Evaluation.objects.filter(hero=ledger.hero, checkpoint=entry.canonical_name if entry else BASE)
    return _model(ledger, entry, _active(ledger)) | {
        "path": str(entry.path) if entry else None,
        "evaluations": list(answers.order_by("skill", "level").values("skill", "level", "correct", "total")),
    }


@router.post("/{model_id}/activate", response=Activated)
def activate(request: HttpRequest, model_id: str, hero: str | None = None) -> Any:
    """Promote it: it is the champion until another is promoted, and this machine's oracle loads it."""
    entry = _checkpoint(ledger_of(hero), model_id, "promoted")
    done = champion.promote(settings.WORLD, entry.hero, entry.canonical_name, by=by(request))
    return {"success": True, "id": done.name, **plain(done)}


@router.delete("/{model_id}", response=DeletedModel)
def delete(request: HttpRequest, model_id: str, hero: str | None = None) -> Any:
    """Move it to the trash. What must stay is refused in words: the champion, what is protected, what is loaded."""
    entry = _checkpoint(ledger_of(hero), model_id, "deleted")
    done = trash.delete(settings.WORLD, entry.hero, [entry.canonical_name], by=by(request))
    said = f"{entry.canonical_name} lies in the trash, from where it can come back."
    return {
        "success": True, "id": entry.canonical_name, "message": said, "undo": done.entry, "size_bytes": done.size_bytes,
    }  # fmt: skip


def _active(ledger: Ledger) -> str | None:
    found = crown.quick_champion(settings.WORLD, ledger.hero, config.load(settings.WORLD).champion_metric)
    return found.name if found else None


def _find(ledger: Ledger, model_id: str) -> LedgerEntry | None:
    """None for the base model. Raises NotFound."""
    if model_id == BASE or model_id == "0":
        return None
    if model_id in WORDS and model_id != "all":
        (chosen,) = choose(settings.WORLD, ledger.hero, [model_id])
        found = ledger.find(chosen.name or "")
    else:
        found = ledger.find(model_id) or _of_asset(ledger, model_id)
    if found is None:
        raise NotFound(f"{ledger.hero} has no such model: {strict.shown(model_id)}")
    return found


def _of_asset(ledger: Ledger, asset_id: str) -> LedgerEntry | None:
    """Of a checkpoint's id as the vault has it. Raises NotFound for one that it does not know."""
    if not is_asset_id(asset_id):
        return None
    meant = parse_checkpoint_id(resolve(settings.WORLD, asset_id).asset_id)
    return ledger.find(meant.name or "") if meant and meant.hero == ledger.hero else None


def _checkpoint(ledger: Ledger, model_id: str, verb: str) -> LedgerEntry:
    entry = _find(ledger, model_id)
    if entry is None:
        raise Refused(f"the base model is what every hero begins from; it is not {verb}")
    return entry


def _model(ledger: Ledger, entry: LedgerEntry | None, active: str | None) -> dict[str, Any]:
    if entry is None:
        unknown = dict.fromkeys(set(Model.model_fields) - {"success"})
        return unknown | {
            "id": BASE, "name": BASE, "hero": ledger.hero, "step": 0, "active": False, "branch": "", "protected": True,
            "weights_only": True,
        }  # fmt: skip
    known = {key: getattr(entry, key) for key in Model.model_fields if hasattr(entry, key)}
    name = entry.canonical_name
    return known | {"id": name, "name": name, "active": name == active}
