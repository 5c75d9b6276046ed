"""A step as its page shows it: the row that the hero knew least, token by token as the hero saw it."""

from __future__ import annotations

from dataclasses import dataclass

from arena.models import Battle
from arena.preview import mirror
from arena.preview.mirror import NoMirror
from arena.preview.rows import NoSuchRow
from arena.reports.step_report import Moment, StepReport, StepRow, row_file
from arena.rows.model import UnreadableQuest
from realm.config import RealmConfig
from realm.world import World
from tavern.log_looks import LOOKS, OTHER, Look
from tavern.quests.token_mirror import Token, tokens_of

MOST_TOKENS = 300
"""Of the worst row; its own page draws more."""
WORDS = {"crit": "Critical hit", "glance": "Glancing blow", "hit": "Hit"}


@dataclass(frozen=True, kw_only=True)
class Blow:
    report: StepReport
    title: str
    against: str
    """How the loss lies to what came before, in a sentence."""
    tokens: list[Token]
    """Of the worst row; empty where it cannot be shown."""
    cut: int
    """Tokens of it that are not drawn."""
    moments: list[tuple[Look, Moment]]

    @property
    def others(self) -> list[StepRow]:
        return self.report.worst_rows[1:]

    @property
    def untold(self) -> int:
        return (self.report.rows or 0) - len(self.report.worst_rows)


def blow_of(world: World, config: RealmConfig, battle: Battle, report: StepReport) -> Blow:
    tokens, cut = _tokens(world, config, battle, report.worst)
    return Blow(
        report=report,
        title=WORDS[report.hit],
        against=_against(report),
        tokens=tokens,
        cut=cut,
        moments=[(LOOKS.get(moment.kind, OTHER), moment) for moment in report.moments],
    )


def _against(report: StepReport) -> str:
    if report.against_mean is None or report.mean is None:
        return "too early for a mean"
    side = "below" if report.against_mean < 0 else "above"
    spreads = abs(report.against_mean) / report.spread if report.spread else 0.0
    return f"{spreads:.1f} spreads {side} the mean before it"


def _tokens(world: World, config: RealmConfig, battle: Battle, row: StepRow | None) -> tuple[list[Token], int]:
    path = row_file(world, battle, rehearsed=row.rehearsed) if row else None
    if row is None or path is None:
        return [], 0
    try:
        shown, _ = mirror.read_row(path, row.line, mirror.glass(world, config, path))
    except (NoMirror, NoSuchRow, UnreadableQuest, OSError):
        return [], 0
    return tokens_of(shown.pieces[:MOST_TOKENS]), max(0, len(shown.pieces) - MOST_TOKENS)
