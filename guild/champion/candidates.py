"""A hero's checkpoints as candidates for the crown: their sidecars, and the answers that they were judged by."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from guild.champion.rule import Candidate, Level
from guild.models import Evaluation, EvaluationTask
from realm.branch_rows import on_line
from realm.checkpoints import branches, sidecar
from realm.checkpoints.names import step_of
from realm.checkpoints.sidecar import DamagedCheckpoint, Sidecar
from realm.world import World

_TO_BE_ASKED = (EvaluationTask.State.WAITING, EvaluationTask.State.ANSWERING)


def read_candidates(
    world: World, hero: str, *, branch: str | None = None, since: str = "", unsettled: Collection[str] = ()
) -> list[Candidate]:
    """Those on the line of `branch`, or of the active one, the oldest first; `since`: none that is older.

    Without damaged ones, those `unsettled` by name, and those that are yet to be asked.
    """
    left_out = {*unsettled, *asked_names(hero)}
    found = [said for said in _sidecars(world.heroes / hero, branch, since) if said.name not in left_out]
    return _with_answers(hero, branch, found)


def asked_names(hero: str) -> set[str]:
    """Names of the checkpoints that are yet to be asked."""
    tasks = EvaluationTask.objects.filter(hero=hero, state__in=_TO_BE_ASKED)
    return set(tasks.values_list("checkpoint", flat=True))


def _sidecars(hero_folder: Path, branch: str | None, since: str) -> list[Sidecar]:
    """The oldest first."""
    found, oldest = [], (step_of(since) or 0, since)
    for path in reversed(branches.line_folders(hero_folder, branch)):
        if (step_of(path.name) or 0, path.name) < oldest:
            continue
        with suppress(DamagedCheckpoint, OSError):
            found.append(sidecar.read(path))
    return found


def _with_answers(hero: str, branch: str | None, found: list[Sidecar]) -> list[Candidate]:
    """Answers of checkpoints that made room since tell what was known on the way, too."""
    rows = list(Evaluation.objects.filter(on_line(hero, branch), hero=hero).order_by("step", "id"))
    own: dict[str, dict[Level, float]] = {}
    for row in rows:
        own.setdefault(row.checkpoint, {})[row.skill, row.level] = row.accuracy
    known: dict[Level, float] = {}
    candidates: list[Candidate] = []
    at = 0
    for said in found:
        while at < len(rows) and rows[at].step < said.step:
            known[rows[at].skill, rows[at].level] = rows[at].accuracy
            at += 1
        answered = own.get(said.name, {})
        candidates.append(_candidate(said, answered, known | answered))
    return candidates


def _candidate(said: Sidecar, answered: dict[Level, float], known: dict[Level, float]) -> Candidate:
    return Candidate(
        name=said.name,
        step=said.step,
        train_loss=said.train_loss,
        val_loss=said.val_loss,
        val_set=said.val_set,
        val_losses=said.val_losses,
        val_sets=said.val_sets,
        answered=answered,
        known=known,
    )
