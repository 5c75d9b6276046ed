"""What came of a run, by its kind, as its page shows it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from guild.models import Run
from guild.work import runs, trials
from guild.work.forging import ForgeResult
from guild.work.sparring_result import SparringResult
from guild.work.trials import Cell, Column, Comparison, TrialResult
from realm import strict
from realm.strict import BadConfig

MOST_EVENTS = 30


@dataclass(frozen=True, kw_only=True)
class MatrixLine:
    """One level of a trial, across its checkpoints."""

    skill: str
    level: int
    cells: list[Cell | None]


@dataclass(frozen=True, kw_only=True)
class RunPage:
    parameters: list[tuple[str, str]]
    events: list[dict[str, Any]]
    """What it told, the newest first."""
    forge: ForgeResult | None = None
    sparring: SparringResult | None = None
    trial: TrialResult | None = None
    matrix: list[MatrixLine] = field(default_factory=list)
    trouble: str = ""
    """Why its results cannot be shown."""

    @property
    def mistakes(self) -> list[tuple[Column, Cell]]:
        columns = self.trial.columns if self.trial else ()
        return [(column, cell) for column in columns for cell in column.cells if cell.wrong]


def read(run: Run) -> RunPage:
    page = RunPage(parameters=parameters(run), events=runs.events(run)[: -MOST_EVENTS - 1 : -1])
    told = runs.results(run)
    if not told:
        return page
    try:
        if run.kind == Run.Kind.FORGE:
            return replace(page, forge=strict.read(ForgeResult, told, source="results"))
        if run.kind == Run.Kind.SPARRING:
            return replace(page, sparring=strict.read(SparringResult, told, source="results"))
        result = trials.read_result(told)
        return replace(page, trial=result, matrix=matrix(result))
    except BadConfig as error:
        return replace(page, trouble=f"What came of it was written in a form that is not known here: {error}")


def parameters(run: Run) -> list[tuple[str, str]]:
    return runs.pairs(run.parameters)


def matrix(result: TrialResult) -> list[MatrixLine]:
    """One line a level, in the order in which they were asked."""
    levels = dict.fromkeys((cell.skill, cell.level) for column in result.columns for cell in column.cells)
    found = {
        (number, cell.skill, cell.level): cell for number, column in enumerate(result.columns) for cell in column.cells
    }
    return [
        MatrixLine(
            skill=skill,
            level=level,
            cells=[found.get((number, skill, level)) for number in range(len(result.columns))],
        )
        for skill, level in levels
    ]


@dataclass(frozen=True, kw_only=True)
class RunComparison:
    levels: list[Comparison]
    """Of two trials."""
    parameters: list[tuple[str, str, str]]
    """What was asked of the one and of the other, where it differs."""
    trouble: str = ""


def compare(before: Run, after: Run) -> RunComparison:
    asked = [dict(parameters(run)) for run in (before, after)]
    keys = dict.fromkeys([*asked[0], *asked[1]])
    differing = [
        (key, asked[0].get(key, ""), asked[1].get(key, "")) for key in keys if asked[0].get(key) != asked[1].get(key)
    ]
    try:
        levels = _compared(before, after)
    except BadConfig as error:
        return RunComparison(levels=[], parameters=differing, trouble=str(error))
    trouble = "" if levels else "They share no level that both have asked."
    return RunComparison(levels=levels, parameters=differing, trouble=trouble)


def _compared(before: Run, after: Run) -> list[Comparison]:
    return trials.compare(_as_trial(before), _as_trial(after))


def _as_trial(run: Run) -> TrialResult:
    """A sparring is a trial of one checkpoint at one level; a forge is none."""
    told = runs.results(run)
    if run.kind == Run.Kind.TRIAL:
        return trials.read_result(told)
    if run.kind == Run.Kind.FORGE or not told:
        return TrialResult()
    result = strict.read(SparringResult, told, source="results")
    cell = Cell(skill=result.skill, level=result.level, correct=result.asked - result.wrong, total=result.asked)
    return TrialResult(columns=(Column(checkpoint=result.checkpoint, step=result.step, cells=(cell,)),))
