"""What all kinds of the guild's runs have in common: lists, one run, stop, again, delete."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest
from ninja import Router, Schema

from guild.errors import GuildError
from guild.models import Run
from guild.tasks.selectors import master_status
from guild.work import runs, trials
from guild.work.again import once_more
from guild.work.trials import Comparison
from realm import strict
from realm.strict import BadConfig
from realm.world import World
from vault.api import pages
from vault.api.asking import by
from vault.api.pages import USUAL, Limit, Offset
from watchtower.api.run_answers import GuildRun, GuildRunWithResults, guild_run, guild_run_with_results

LARGEST_ID = 2**63 - 1
RunsPage = pages.page_of(GuildRun, "runs")


class ComparedRuns(Schema):
    runs: list[GuildRunWithResults]
    levels: list[Comparison]
    """Empty for what is no trial, or has no level in common."""


class DeletedRun(Schema):
    success: bool
    id: int
    message: str


def add_common(router: Router, kind: Run.Kind) -> None:
    """`/runs`, `/runs/{id}` and its DELETE, `/stop/{id}`, `/again/{id}` for runs of one kind."""

    @router.get("/runs", response=RunsPage, operation_id=f"{kind}_runs")
    def listed(
        request: HttpRequest, status: str | None = None, limit: Limit = USUAL, offset: Offset = 0
    ) -> dict[str, Any]:
        """Newest first, all or those of one status."""
        return pages.cut(of_status(kind, status), limit=limit, offset=offset, key="runs", told=guild_run)

    @router.get("/runs/{run_id}", response=GuildRunWithResults, operation_id=f"{kind}_run")
    def one(request: HttpRequest, run_id: int) -> dict[str, Any]:
        """How far it is and what came of it so far."""
        return guild_run_with_results(find(kind, run_id))

    @router.delete("/runs/{run_id}", response=DeletedRun, operation_id=f"{kind}_delete")
    def delete(request: HttpRequest, run_id: int) -> dict[str, Any]:
        """Forget a run that is over; what it made stays."""
        gone = runs.delete(find(kind, run_id).pk)
        return {"success": True, "id": run_id, "message": f"{gone.title} is deleted; what it made stays."}

    @router.post("/stop/{run_id}", response=GuildRun, operation_id=f"{kind}_stop")
    def stop(request: HttpRequest, run_id: int) -> dict[str, Any]:
        """One that waits ends at once, one that runs soon; what it has so far is kept."""
        return guild_run(runs.stop(find(kind, run_id).pk))

    @router.post("/again/{run_id}", response=GuildRun, operation_id=f"{kind}_again")
    def again(request: HttpRequest, run_id: int) -> dict[str, Any]:
        """One that was stopped or failed begins anew; beside one that was completed there is another then."""
        return guild_run(once_more(find(kind, run_id).pk, by=by(request)))

    @router.get("/compare/{run_id}/{other_id}", response=ComparedRuns, operation_id=f"{kind}_compare")
    def compare(request: HttpRequest, run_id: int, other_id: int) -> dict[str, Any]:
        """Two runs beside each other, and of trials each level that both asked for."""
        pair = find(kind, run_id), find(kind, other_id)
        return {"runs": [guild_run_with_results(run) for run in pair], "levels": _levels(*pair)}


def _levels(one: Run, other: Run) -> list[Comparison]:
    """Raises GuildError for results of another release, which nobody can read."""
    if one.kind != Run.Kind.TRIAL:
        return []
    try:
        return trials.compare(*(trials.read_result(runs.results(run)) for run in (one, other)))
    except BadConfig as error:
        raise GuildError(str(error)) from error


def of_status(kind: Run.Kind, status: str | None) -> Any:
    """Raises ValueError for a status that is none."""
    if status is not None and status not in Run.State.values:
        raise ValueError(f"status: {strict.shown(status)} is not allowed; allowed are {', '.join(Run.State.values)}")
    found = runs.history(kind)
    return found.filter(state=status) if status else found


def find(kind: Run.Kind, run_id: int) -> Run:
    """Raises Http404, also for a run of another kind."""
    try:
        found = runs.get(run_id) if 0 <= run_id <= LARGEST_ID else None
    except GuildError:
        found = None
    if found is None or found.kind != kind:
        raise Http404(f"there is no {kind} {str(run_id)[:40]}")
    return found


def asked(world: World, run: Run) -> dict[str, Any]:
    """The answer to who asked for a run: whether somebody will take it up."""
    asleep = "" if master_status(world).alive else " No Task Master lives: it waits until one is started."
    return guild_run(run) | {"message": f"Asked: {run.title}.{asleep}"}
