"""`/api/ledger`: checkpoints with what was measured, and what can be done with one. Nothing here deletes for good."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.http import HttpRequest
from ninja import Router, Status

from realm import strict
from realm.management.as_json import plain
from vault.api import pages
from vault.api.asking import DEFAULT_WAIT_SECONDS, JobAnswer, Liberal, Wait, by, finished, ledger_of
from vault.api.pages import AnyLimit, Offset
from vault.assets.ids import checkpoint_id
from vault.errors import NotFound
from vault.jobs import kinds, queue
from vault.ledger.comparing import compare as compare_checkpoints
from vault.ledger.entries import LedgerEntry, record
from vault.ledger.summary import summarize
from vault.treasury import champion, marks, trash

router = Router()
JOB = {200: JobAnswer, 202: JobAnswer}


class CheckpointsPage(pages.page_of(pages.Entry, "checkpoints")):  # type: ignore[misc]
    hero: str


class Verify(Liberal):
    quick: bool = False
    """Names, sizes and the sidecar's seal alone."""
    wait: Wait = DEFAULT_WAIT_SECONDS


class Protect(Liberal):
    note: str = ""


class Export(Liberal):
    other_names: ClassVar = {"adapter": "adapter_only", "out": "name", "destination": "name"}

    name: str = ""
    """Of the folder below `exports/` of the world; empty: the checkpoint's own."""
    adapter_only: bool = False
    wait: Wait = DEFAULT_WAIT_SECONDS


@router.get("", response=CheckpointsPage)
def listed(request: HttpRequest, limit: AnyLimit = 20, offset: Offset = 0, hero: str | None = None) -> Any:
    """Of every branch, newest first."""
    ledger = ledger_of(hero)
    entries = [record(entry) for entry in ledger.list_all(limit=limit or None, offset=offset)]
    told = pages.page(entries, total=ledger.count(), limit=limit, offset=offset, key="checkpoints")
    return told | {"hero": ledger.hero}


@router.get("/summary", response=pages.Entry)
def summary(request: HttpRequest, hero: str | None = None) -> Any:
    """How many there are, the newest and the best of the active branch's line."""
    return summarize(ledger_of(hero))


@router.get("/latest", response=pages.Entry)
def latest(request: HttpRequest, hero: str | None = None) -> Any:
    """The newest of the active branch's line."""
    ledger = ledger_of(hero)
    return _record(ledger.get_latest(), ledger.hero, "checkpoint")


@router.get("/best", response=pages.Entry)
def best(request: HttpRequest, metric: str = "train_loss", hero: str | None = None) -> Any:
    """By train_loss, val_loss, levels, accuracy, or a set such as bin/3."""
    ledger = ledger_of(hero)
    return _record(ledger.get_best(metric), ledger.hero, f"checkpoint measured by {strict.shown(metric)}")


@router.post("/unpin", response=pages.Entry)
def unpin(request: HttpRequest, hero: str | None = None) -> Any:
    """The champion is who earns it again."""
    return {"success": True, "message": champion.unpin(settings.WORLD, ledger_of(hero).hero, by=by(request))}


@router.get("/{checkpoint}", response=pages.Entry)
def one(request: HttpRequest, checkpoint: str, hero: str | None = None) -> Any:
    """By canonical name, or by its step on the active branch."""
    return record(_chosen(checkpoint, hero))


@router.get("/{checkpoint}/compare", response=pages.Entry)
def compare(request: HttpRequest, checkpoint: str, other: str = "", hero: str | None = None) -> Any:
    """What moved between two checkpoints: tensors, recipe, evaluations, lineage. `other` names the second one."""
    if not (second := other or request.GET.get("with", "")):
        raise ValueError("other is missing: the checkpoint to compare with")
    a, b = _chosen(checkpoint, hero), _chosen(second, hero)
    return plain(compare_checkpoints(settings.WORLD, a.hero, a.canonical_name, b.canonical_name))


@router.post("/{checkpoint}/verify", response=JOB)
def verify(request: HttpRequest, checkpoint: str, body: Verify | None = None, hero: str | None = None) -> Any:
    """Read every byte and hold it against the sidecar; the answer names each damaged file."""
    asked = body or Verify()
    return _job(request, _chosen(checkpoint, hero), "verify", {"quick": asked.quick}, seconds=asked.wait)


@router.post("/{checkpoint}/export", response=JOB)
def export(request: HttpRequest, checkpoint: str, body: Export | None = None, hero: str | None = None) -> Any:
    """Write an ordinary model folder, or the adapter alone, below `exports/` of the world."""
    asked = body or Export()
    entry = _chosen(checkpoint, hero)
    if asked.name:
        kinds.export_folder(settings.WORLD, asked.name)
    options = {"adapter_only": asked.adapter_only}
    return _job(request, entry, "export", options, seconds=asked.wait, destination=asked.name)


@router.post("/{checkpoint}/protect", response=pages.Entry)
def protect(request: HttpRequest, checkpoint: str, body: Protect | None = None, hero: str | None = None) -> Any:
    """No policy and no order deletes it from now on."""
    entry, note = _chosen(checkpoint, hero), (body or Protect()).note
    marks.protect(settings.WORLD, entry.hero, entry.canonical_name, by=by(request), note=note)
    return {"success": True, "checkpoint": entry.canonical_name, "protected": True}


@router.post("/{checkpoint}/unprotect", response=pages.Entry)
def unprotect(request: HttpRequest, checkpoint: str, hero: str | None = None) -> Any:
    """Policies and orders may delete it again."""
    entry = _chosen(checkpoint, hero)
    marks.unprotect(settings.WORLD, entry.hero, entry.canonical_name, by=by(request))
    return {"success": True, "checkpoint": entry.canonical_name, "protected": False}


@router.post("/{checkpoint}/promote", response=pages.Entry)
def promote(request: HttpRequest, checkpoint: str, hero: str | None = None) -> Any:
    """It is the champion until another is promoted, or the pin is taken away; the oracle loads it."""
    entry = _chosen(checkpoint, hero)
    done = champion.promote(settings.WORLD, entry.hero, entry.canonical_name, by=by(request))
    return {"success": True, **plain(done)}


@router.delete("/{checkpoint}", response=pages.Entry)
def delete(request: HttpRequest, checkpoint: str, hero: str | None = None) -> Any:
    """Move it to the trash, from where `/api/trash/{entry}/undo` brings it back."""
    entry = _chosen(checkpoint, hero)
    done = trash.delete(settings.WORLD, entry.hero, [entry.canonical_name], by=by(request))
    return {"success": True, **plain(done)}


def _chosen(checkpoint: str, hero: str | None) -> LedgerEntry:
    """Raises NotFound."""
    ledger = ledger_of(hero)
    found = ledger.find(checkpoint)
    if found is None:
        raise NotFound(f"{ledger.hero} has no such checkpoint listed: {strict.shown(checkpoint)}")
    return found


def _record(entry: LedgerEntry | None, hero: str, what: str) -> dict[str, Any]:
    if entry is None:
        raise NotFound(f"{hero} has no {what}")
    return record(entry)


def _job(
    request: HttpRequest,
    entry: LedgerEntry,
    kind: str,
    options: dict[str, Any],
    *,
    seconds: float,
    destination: str = "",
) -> Status[dict[str, Any]]:
    asset_id = checkpoint_id(entry.hero, entry.canonical_name)
    job = queue.add(kind=kind, asset_id=asset_id, destination=destination, options=options, by=by(request))
    return finished(job, seconds=seconds)
