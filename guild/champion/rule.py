"""Which of two checkpoints is the better one, and why in words. Losses over different sets are never compared.

A level counts as held by a checkpoint that answered ENOUGH_ACCURACY of its problems; where it was not asked, the
answers of the checkpoint before it count that was. By every metric the crown stays where a level is held that the
other one lost.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from guild.evaluation.progression import ENOUGH_ACCURACY
from realm.checkpoints.sidecar import MeasuredOver

LEVELS = "levels"
METRICS = (LEVELS, "val_loss", "train_loss", "accuracy")
PLAYERS_OWN = "file/"
"""Sets of this kind are shown and can be chosen as the metric; they are no part of what the hero was taught."""

Level = tuple[str, int]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """What is known of one checkpoint."""

    name: str
    step: int
    train_loss: float | None = None
    val_loss: float | None = None
    val_set: MeasuredOver | None = None
    val_losses: Mapping[str, float] = field(default_factory=dict)
    val_sets: Mapping[str, MeasuredOver] = field(default_factory=dict)
    answered: Mapping[Level, float] = field(default_factory=dict)
    """Accuracy, 0 to 1, at each level that this checkpoint was asked."""
    known: Mapping[Level, float] = field(default_factory=dict)
    """The same, and at the levels that it was not asked that of the newest older checkpoint which was."""

    @property
    def held(self) -> frozenset[Level]:
        return frozenset(level for level, accuracy in self.known.items() if accuracy >= ENOUGH_ACCURACY)

    def loss_over(self, name: str) -> tuple[float, str] | None:
        """The loss over one set, and the set's digest."""
        loss, measured = self.val_losses.get(name), self.val_sets.get(name)
        return None if loss is None or measured is None or not math.isfinite(loss) else (loss, measured.sha256)


@dataclass(frozen=True, kw_only=True)
class Losses:
    """Two checkpoints' losses over the same rows."""

    holder: float
    challenger: float
    rows: int | None
    """None for sets of releases that did not say what they consisted of."""

    @property
    def better(self) -> bool:
        return self.challenger < self.holder

    def __str__(self) -> str:
        rows = "" if self.rows is None else f" over the same {self.rows} row{'' if self.rows == 1 else 's'}"
        return f"loss {_below(self.challenger, self.holder)}{rows}"


def _below(less: float, more: float) -> str:
    """With as many digits as it takes to tell them apart."""
    told = [(f"{less:.{digits}g}", f"{more:.{digits}g}") for digits in range(4, 18)]
    return " < ".join(next((pair for pair in told if pair[0] != pair[1]), told[0]))


def check_metric(metric: str) -> None:
    """Raises ValueError naming the metrics."""
    kind, _, name = metric.partition("/")
    if metric not in METRICS and not (kind and name):
        raise ValueError(
            f"metric {metric!r} is not known; known are train_loss, val_loss, levels, accuracy, "
            "and sets such as bin/3, quest/NAME or file/NAME"
        )


def best_of(candidates: Sequence[Candidate], metric: str) -> Candidate | None:
    """The best of `candidates`, the oldest first, by one metric alone; the older one of equals."""
    check_metric(metric)
    best: Candidate | None = None
    for one in _measured(candidates, metric):
        if best is None or _reason(metric)(best, one):
            best = one
    return best


def champion_of(
    candidates: Sequence[Candidate], metric: str, holder: Candidate | None = None
) -> tuple[Candidate, str] | None:
    """Who holds the crown after each of `candidates`, the oldest first, has challenged for it, and why.

    The reason is empty for one that was not challenged with success: `holder`, or the first one of all.
    """
    check_metric(metric)
    why = ""
    for challenger in _measured(candidates, metric):
        if holder is None:
            holder = challenger
        elif may_challenge(holder, challenger) and (reason := _reason(metric)(holder, challenger)):
            holder, why = challenger, reason
    return None if holder is None else (holder, why)


def may_challenge(holder: Candidate, challenger: Candidate) -> bool:
    """Whether it holds all that the holder holds, and has shown so itself where the holder has."""
    return holder.held <= challenger.held and (bool(challenger.answered) or not holder.answered)


def common_losses(holder: Candidate, challenger: Candidate) -> Losses | None:
    """Over the same rows of what both were taught; None where they were measured over no common set."""
    ours, theirs = holder.val_set, challenger.val_set
    whole = (ours.sha256 if ours else None) == (theirs.sha256 if theirs else None)
    if whole and holder.val_loss is not None and challenger.val_loss is not None:
        return Losses(holder=holder.val_loss, challenger=challenger.val_loss, rows=ours.rows if ours else None)
    pairs: list[tuple[int, float, float]] = []
    for name, measured in challenger.val_sets.items():
        before, after = holder.loss_over(name), challenger.loss_over(name)
        if before and after and before[1] == after[1] and not name.startswith(PLAYERS_OWN):
            pairs.append((measured.rows, before[0], after[0]))
    rows = sum(count for count, _, _ in pairs)
    if not rows:
        return None
    before_sum, after_sum = (math.fsum(pair[0] * pair[which] for pair in pairs) for which in (1, 2))
    return Losses(holder=before_sum / rows, challenger=after_sum / rows, rows=rows)


def spelled(levels: Iterable[Level]) -> str:
    """`BIN 1–3, 5; SY 1`."""
    by_skill = groupby(sorted(levels), key=lambda level: level[0])
    return "; ".join(f"{skill.upper()} {_ranges([level for _, level in found])}" for skill, found in by_skill)


def _ranges(levels: Sequence[int]) -> str:
    told: list[str] = []
    for _, run in groupby(enumerate(levels), key=lambda pair: pair[1] - pair[0]):
        numbers = [level for _, level in run]
        told.append(str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]}\N{EN DASH}{numbers[-1]}")
    return ", ".join(told)


def _measured(candidates: Sequence[Candidate], metric: str) -> Sequence[Candidate]:
    """Those that the metric says something of; of a named set that counts which was scored last."""
    if metric == LEVELS:
        return candidates
    if metric == "train_loss":
        return [one for one in candidates if one.train_loss is not None]
    if metric == "accuracy":
        return [one for one in candidates if one.answered]
    if metric == "val_loss":
        scored = [one for one in candidates if one.val_loss is not None]
        return [one for one in scored if one.val_set] or scored
    found = [(one, loss[1]) for one in candidates if (loss := one.loss_over(metric))]
    return [one for one, sha256 in found if sha256 == found[-1][1]]


Reason = Callable[[Candidate, Candidate], str | None]


def _reason(metric: str) -> Reason:
    return _REASONS.get(metric) or (lambda holder, challenger: _by_set(metric, holder, challenger))


def _by_levels(holder: Candidate, challenger: Candidate) -> str | None:
    """More levels, then the loss; one that was never scored over a named set gives way to one that was."""
    held = f"holds {spelled(challenger.held)}" if challenger.held else ""
    if not holder.held <= challenger.held:
        return None
    if holder.held < challenger.held:
        return f"{held}, it held {spelled(holder.held) or 'none'}"
    if not holder.val_set and challenger.val_set and challenger.val_loss is not None:
        scored = (
            f"loss {challenger.val_loss:.4g} over {challenger.val_set.rows} rows, the other was not scored over them"
        )
        return ", ".join(filter(None, (held, scored)))
    losses = common_losses(holder, challenger)
    return ", ".join(filter(None, (held, str(losses)))) if losses and losses.better else None


def _by_val_loss(holder: Candidate, challenger: Candidate) -> str | None:
    losses = common_losses(holder, challenger)
    return str(losses) if losses and losses.better else None


def _by_train_loss(holder: Candidate, challenger: Candidate) -> str | None:
    ours, theirs = holder.train_loss, challenger.train_loss
    assert ours is not None
    assert theirs is not None
    return f"train loss {_below(theirs, ours)}" if theirs < ours else None


def _by_accuracy(holder: Candidate, challenger: Candidate) -> str | None:
    """Over the levels that both were asked."""
    common = sorted(holder.answered.keys() & challenger.answered.keys())
    if not common:
        return None
    ours, theirs = (math.fsum(one.answered[level] for level in common) / len(common) for one in (holder, challenger))
    return f"{theirs:.0%} > {ours:.0%} right on {spelled(common)}" if theirs > ours else None


def _by_set(name: str, holder: Candidate, challenger: Candidate) -> str | None:
    before, after = holder.loss_over(name), challenger.loss_over(name)
    if before is None or after is None or before[1] != after[1]:
        return None
    losses = Losses(holder=before[0], challenger=after[0], rows=challenger.val_sets[name].rows)
    return f"{losses} of {name}" if losses.better else None


_REASONS: Mapping[str, Reason] = {
    LEVELS: _by_levels,
    "val_loss": _by_val_loss,
    "train_loss": _by_train_loss,
    "accuracy": _by_accuracy,
}
