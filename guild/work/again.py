"""A run once more, as the page, the command and the API ask for it."""

from __future__ import annotations

import secrets

from guild.models import Run
from guild.work import forging, runs


def once_more(run_id: int, *, by: str) -> Run:
    """The run that waits now. Raises GuildError for one that is not over.

    One that came to nothing begins anew; beside one that was completed there is another, to be compared: the same
    trial, or a forge or a sparring with other problems.
    """
    before = runs.get(run_id)
    return _another(before, by=by) if before.state == Run.State.COMPLETED else runs.again(run_id)


def _another(before: Run, *, by: str) -> Run:
    asked = before.parameters
    if before.kind == Run.Kind.FORGE:
        return forging.create(forging.order(skill=asked["skill"], levels=asked["levels"], count=asked["count"]), by=by)
    changes = {"seed": secrets.randbits(48)} if before.kind == Run.Kind.SPARRING else {}
    return runs.create(kind=Run.Kind(before.kind), title=before.title, parameters=asked | changes, by=by)
