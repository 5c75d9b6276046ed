"""`/api/training`: runs as history: found, noted, compared, repeated, deleted, and what a level costs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, ClassVar

from django.conf import settings
from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import Field

from arena import history_orders, jobs, orders
from arena import status as arena_status
from arena.history import deleting, finding, notes, repeating
from arena.history.deleting import Going, Staying
from arena.history.finding import NoSuchBattle, Search
from arena.history.notes import Notes
from arena.history_orders import Act
from arena.jobs import NotPossible
from arena.models import Battle
from arena.orders import Wish
from realm import config as realm_config
from vault.api import pages
from vault.api.asking import Liberal, by
from vault.api.pages import USUAL, Limit, Offset
from watchtower.api.run_answers import TrainingRun, training_run
from watchtower.battles import comparing, efficiency, telling
from watchtower.battles.efficiency import Efficiency
from watchtower.battles.telling import BattleLine, BattleSummary, ComparisonTold

router = Router()
BattlesPage = pages.page_of(BattleLine, "battles")
Text = Annotated[str, Field(max_length=200)]
Names = Annotated[list[str], Field(max_length=10_000)]


class NotesBody(Liberal):
    """What is left out stays as it is."""

    other_names: ClassVar = {"notes": "note", "name": "label"}

    label: str | None = None
    note: str | None = None
    tags: Annotated[list[str], Field(max_length=100)] | None = None


class Repeat(Liberal):
    other_names: ClassVar = {"confirmed": "confirm"}

    key: Annotated[str, Field(max_length=60, description="Of the recipe.")]
    value: Annotated[str | int | float | bool | list[str], Field(description="As the recipe has it.")]
    confirm: bool = False
    """A learning rate that is far from what suits the hero is meant."""


class Deletion(Liberal):
    other_names: ClassVar = {"ids": "battles", "runs": "battles", "older_than": "older_than_days"}

    battles: Names = []
    older_than_days: float | None = None
    keep_newest: int | None = None
    dry_run: bool = False
    """Only say what would go, and what stays for what reason."""


class Restoring(Liberal):
    other_names: ClassVar = {"ids": "battles", "runs": "battles"}

    battles: Names


class NotesAnswer(Schema):
    success: bool = True
    battle: str
    label: str
    note: str
    tags: list[str]


class RepeatAnswer(Schema):
    success: bool = True
    message: str
    repeat_of: str
    key: str
    before: Any
    after: Any
    run: TrainingRun


class DeletionAnswer(Schema):
    success: bool = True
    message: str
    dry_run: bool
    going: list[Going]
    staying: list[Staying]
    size_bytes: int


class HistoryAnswer(Schema):
    success: bool = True
    message: str


@router.get("/battles", response=BattlesPage)
def battles(
    request: HttpRequest, q: Text = "", state: Text = "", skill: Text = "", tag: Text = "", hero: Text = "",
    limit: Limit = USUAL, offset: Offset = 0,
) -> Any:  # fmt: skip
    """Newest first, each with its figures, levels and notes; deleted ones by `state=deleted` alone."""
    search = Search(text=q, state=state, skill=skill, tag=tag.lstrip("#"), hero=hero)
    found = finding.battles(search)
    told = telling.lines(settings.WORLD, list(found[offset : offset + limit]))
    return pages.page(told, total=found.count(), limit=limit, offset=offset, key="battles")


@router.get("/runs/compare", response=ComparisonTold)
def compare(request: HttpRequest, ids: Annotated[str, Query(max_length=1000)]) -> Any:
    """Two to six battles beside each other, their ids with commas between."""
    return telling.told(comparing.compare(settings.WORLD, [ids]))


@router.get("/efficiency", response=Efficiency)
def level_costs(request: HttpRequest) -> Any:
    """Tokens, seconds and watt-hours for each level won, by quest, skill and recipe."""
    return efficiency.efficiency(settings.WORLD)


@router.post("/stop-all", response=HistoryAnswer)
def stop_all(request: HttpRequest) -> Any:
    """The battle under way ends with a checkpoint, and the arena rests until it is resumed."""
    orders.send(settings.WORLD, wish=Wish.STOP, by=by(request))
    return {"message": f"Asked: stop; the arena then rests until it is resumed.{_when()}"}


@router.post("/runs/delete", response=DeletionAnswer)
def delete(request: HttpRequest, body: Deletion) -> Any:
    """The named battles, or old ones; those that a checkpoint or a job needs stay, and it is said why."""
    if body.battles:
        rows = [find(name) for name in dict.fromkeys(body.battles)]
    else:
        rows = deleting.old(older_than_days=body.older_than_days, keep_newest=body.keep_newest)
    return deleted(request, rows, dry_run=body.dry_run)


def deleted(request: HttpRequest, rows: list[Battle], *, dry_run: bool = False) -> dict[str, Any]:
    """The answer, after the order was left where something goes."""
    preview = deleting.preview(settings.WORLD, rows)
    going = [one.battle for one in preview.going]
    if going and not dry_run:
        history_orders.send(settings.WORLD, act=Act.DELETE, battles=going, by=by(request))
    count = f"{len(going):,} battle{'' if len(going) == 1 else 's'}"
    said = f"{count} would go." if dry_run else f"Asked: delete {count}.{_when()}" if going else "Nothing is deleted."
    return {
        "message": said, "dry_run": dry_run, "going": preview.going, "staying": preview.staying,
        "size_bytes": preview.size_bytes,
    }  # fmt: skip


@router.post("/runs/restore", response=HistoryAnswer)
def restore(request: HttpRequest, body: Restoring) -> Any:
    """Put back what was deleted, as long as the trash of it is there."""
    rows = [find(name) for name in dict.fromkeys(body.battles)]
    history_orders.send(settings.WORLD, act=Act.RESTORE, battles=[row.battle_id for row in rows], by=by(request))
    return {"message": f"Asked: put back {len(rows):,} battle{'' if len(rows) == 1 else 's'}.{_when()}"}


@router.get("/runs/{run_id}/summary", response=BattleSummary)
def summary(request: HttpRequest, run_id: str) -> Any:
    """All that is known of one battle, with a sentence on what it came to."""
    return telling.summary(settings.WORLD, find(run_id))


@router.get("/runs/{run_id}/notes", response=NotesAnswer)
def read_notes(request: HttpRequest, run_id: str) -> Any:
    """Label, note and tags."""
    battle = find(run_id)
    return _notes_told(battle, notes.read(settings.WORLD, battle.battle_id))


@router.patch("/runs/{run_id}/notes", response=NotesAnswer)
def write_notes(request: HttpRequest, run_id: str, body: NotesBody) -> Any:
    """Change label, note or tags; what is left out stays."""
    battle = find(run_id)
    changed = notes.change(settings.WORLD, battle, label=body.label, note=body.note, tags=body.tags)
    return _notes_told(battle, changed)


@router.post("/runs/{run_id}/repeat", response=RepeatAnswer)
def repeat(request: HttpRequest, run_id: str, body: Repeat) -> Any:
    """Fight the battle's quest once more with one key of its recipe changed and all else as it was."""
    value = f"[{', '.join(body.value)}]" if isinstance(body.value, list) else str(body.value)
    config = realm_config.load(settings.WORLD)
    done = repeating.repeat(
        settings.WORLD, config, find(run_id), key=body.key, value=value, confirmed=body.confirm, by=by(request)
    )
    return {
        "message": f"{done.job.name} goes to the gatekeepers, with {done.key} {done.before} → {done.after}.",
        "repeat_of": done.battle, "key": done.key, "before": done.before, "after": done.after,
        "run": training_run(done.job),
    }  # fmt: skip


def find(run_id: str) -> Battle:
    """By the id of a battle or a job, a quest's number or name, or `newest`. Raises NoSuchJob, NotPossible."""
    try:
        return finding.get(run_id)
    except NoSuchBattle:
        job = jobs.get(settings.WORLD, run_id)
    if job.battle is None:
        raise NotPossible(f"{job.name} is {job.state}: it was not fought yet")
    return finding.get(job.battle)


def _notes_told(battle: Battle, written: Notes) -> dict[str, Any]:
    return {"success": True, "battle": battle.battle_id} | asdict(written)


def _when() -> str:
    return (
        "" if arena_status.daemon_alive(settings.WORLD) else " The arena is not running; it will obey when it starts."
    )
