"""The loss over rows that are never trained on, set by set, by the weights as they are.

What it may cost: a token that is only read takes two fifths of the work of one that is trained on. The sets are scored
as a whole, and where the tokens trained since they were last scored pay for it at SHARE of their work; earlier battles'
tokens count, so that many short battles are scored as often as a long one. A quest of the player's is scored on as many
of them as are paid for, which is then spent. Rows that are held out of the quest itself are scored first and last
whatever they cost, and a player who sets `validate_every` has what was asked for.
"""

from __future__ import annotations

import hashlib
import logging
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from arena.hero.model import Hero, dropout_off
from arena.protocol import EventKind, Order, ValidationSet
from arena.recipe import Recipe
from arena.rows.example import Example, Unfit, fitted, shift
from arena.rows.formats import Specs, registry
from arena.rows.model import Row, UnreadableQuest
from arena.rows.overrun import Overrun
from arena.rows.packing import pack_best_fit_decreasing
from arena.rows.parse import in_pieces, read_rows
from arena.rows.tokenized import MaskingError
from arena.rows.written import to_jsonl
from arena.training.batch import join
from arena.training.loss import token_losses
from arena.training.reporting.battle_log import BattleLog
from realm.checkpoints.cursor import Cursor
from realm.checkpoints.sidecar import MeasuredOver, Sidecar

log = logging.getLogger(__name__)

SHARE = 0.05
"""Of the work of training that scoring may take."""
TRAINED_TO_READ = 2.5
"""Work of a token that is trained on against one that is read: a third by counting, 0.36 to 0.47 as measured."""
TAUGHT = "taught"
"""Name of all sets together that hold what the hero was taught."""


@dataclass(frozen=True)
class LoadedSet:
    name: str
    over: MeasuredOver
    examples: list[Example]
    always: bool

    @property
    def tokens(self) -> int:
        return sum(map(len, self.examples))

    @property
    def is_taught(self) -> bool:
        return not self.name.startswith("file/")


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Losses by set, natural log, a mean over the trained tokens of each, and over what they were measured."""

    losses: dict[str, float] = field(default_factory=dict)
    sets: dict[str, MeasuredOver] = field(default_factory=dict)
    val_loss: float | None = None
    """The mean over the rows of all sets that the hero was taught; None unless each of them was scored."""
    val_set: MeasuredOver | None = None
    tokens: int = 0
    """Read to measure this."""
    seconds: float = 0.0
    """That the measuring took."""
    whole: bool = False
    """Whether every set was scored."""


NOT_SCORED = Scores()


# ----------------------------------------------------------------------------------------------------------------------
# The sets.


def load_sets(order: Order, hero: Hero) -> list[LoadedSet]:
    """The sets of an order that this hero can be scored on; one that cannot be read is left out, and logged."""
    specs = registry(order.dataset_specs)
    loaded = (_load(asked, hero, order.recipe, specs) for asked in order.validation_sets)
    return [one for one in loaded if one]


def _load(asked: ValidationSet, hero: Hero, recipe: Recipe, specs: Specs) -> LoadedSet | None:
    digest, examples, cut = hashlib.sha256(), list[Example](), False
    try:
        rows = islice((row for row in read_rows(Path(asked.path), specs) if isinstance(row, Row)), asked.most_rows)
        for piece in in_pieces(rows):
            contents = [row.content for row in piece if isinstance(row, Row)]
            for content, tokenized in zip(contents, hero.mask.tokenize_many(contents), strict=True):
                fit = fitted(tokenized, recipe.max_length, "truncate")
                if isinstance(fit, Unfit):
                    continue
                cut |= fit is not tokenized
                digest.update(to_jsonl([content]))
                examples.append(shift(0, fit.input_ids, fit.trained))
    except (OSError, UnreadableQuest, Overrun, MaskingError) as error:
        log.error("the validation set %s is left out: %s", asked.name, error)
        return None
    if not examples:  # as conversations are for a model without a chat template
        return None
    if cut:
        digest.update(str(recipe.max_length).encode())
    over = MeasuredOver(name=asked.name, rows=len(examples), sha256=digest.hexdigest())
    return LoadedSet(asked.name, over, examples, asked.always)


# ----------------------------------------------------------------------------------------------------------------------
# When they are scored, and which.


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a battle is, in tokens."""

    trained: int
    """By this battle so far."""
    planned: int
    """By the whole battle."""
    before: int
    """By earlier battles, since the sets were last scored."""
    spent: int
    """Read for scores in this battle so far."""

    def pays_for(self, tokens: int, trained: int) -> bool:
        """Whether reading so many tokens is within the share when so many have been trained by this battle."""
        return self.spent + tokens <= SHARE * TRAINED_TO_READ * (self.before + trained)


def progress_of(log: BattleLog, cursor: Cursor, *, tokens: int, steps_per_epoch: int, total_steps: int) -> Progress:
    """`tokens` are those of one epoch. What was scored at this very step, by a run that was killed, does not count."""
    told = [event.data for event in log.standing(EventKind.VALIDATED)]
    spent = sum(data.get("tokens", 0) for data in told if data.get("quest_step", 0) < cursor.quest_step)
    return Progress(
        trained=tokens * cursor.quest_step // steps_per_epoch,
        planned=tokens * total_steps // steps_per_epoch,
        before=_before(log),
        spent=spent,
    )


def unscored_tokens(log: BattleLog, cursor: Cursor, *, tokens: int, steps_per_epoch: int) -> int:
    """Trained since every set was last scored, by this battle and those before it, but for those that have paid since
    for the scores of some."""
    told = [event.data for event in log.standing(EventKind.VALIDATED)]
    told = [data for data in told if data.get("quest_step", 0) <= cursor.quest_step]
    whole = max((int(data["quest_step"]) for data in told if data.get("whole")), default=-1)
    spent = sum(data.get("tokens", 0) for data in told if data.get("quest_step", 0) > whole)
    trained = tokens * (cursor.quest_step - max(whole, 0)) // steps_per_epoch + (_before(log) if whole < 0 else 0)
    return max(0, int(trained - spent / (SHARE * TRAINED_TO_READ)))


def _before(log: BattleLog) -> int:
    begun = next((event for event in log.events if event.kind == EventKind.BATTLE_STARTED), None)
    return int(begun.data.get("unscored_tokens", 0)) if begun else 0


def chosen_first(sets: Sequence[LoadedSet], progress: Progress, *, partly: bool) -> list[LoadedSet]:
    """Of those that nobody has scored by these weights, before the first step: half of the share goes on them."""
    return _affordable(sets, progress, trained=progress.planned // 2, partly=partly)


def chosen_last(sets: Sequence[LoadedSet], progress: Progress, *, partly: bool) -> list[LoadedSet]:
    """After the last step."""
    return _affordable(sets, progress, trained=progress.planned, partly=partly)


def pays_between(sets: Sequence[LoadedSet], progress: Progress) -> bool:
    """Whether all sets may be scored with a checkpoint, and still be scored at the end."""
    tokens = sum(one.tokens for one in sets)
    return (
        bool(sets) and progress.pays_for(tokens, progress.trained) and progress.pays_for(2 * tokens, progress.planned)
    )


def _affordable(sets: Sequence[LoadedSet], progress: Progress, *, trained: int, partly: bool) -> list[LoadedSet]:
    """All of them, or what must be scored; `partly`: with as many more as are paid for."""
    if progress.pays_for(sum(one.tokens for one in sets), trained):
        return list(sets)
    chosen = [one for one in sets if one.always]
    for one in sets if partly else ():
        if not one.always and progress.pays_for(sum(each.tokens for each in chosen) + one.tokens, trained):
            chosen.append(one)
    return chosen


def known_of(saved: Sidecar | None, sets: Sequence[LoadedSet]) -> dict[str, float]:
    """What the checkpoint that the weights come from says of these very rows."""
    if saved is None:
        return {}
    return {
        one.name: saved.val_losses[one.name]
        for one in sets
        if one.name in saved.val_losses and saved.val_sets.get(one.name) == one.over
    }


# ----------------------------------------------------------------------------------------------------------------------
# The scores.


def score(
    hero: Hero,
    recipe: Recipe,
    sets: Sequence[LoadedSet],
    chosen: Sequence[LoadedSet],
    known: dict[str, float] | None = None,
) -> Scores:
    """The losses of the chosen sets, beside those known; dropout off, and no state is changed. One that is not finite
    is left out: that is no loss to compare by, and the next step finds out.

    All sets are packed together, so that many small ones cost no more than their tokens.
    """
    started = time.perf_counter()
    losses = dict(known or {}) | _losses(hero, recipe, chosen)
    scored = [one for one in sets if one.name in losses]
    taught = [one for one in sets if one.is_taught]
    val_loss = val_set = None
    if taught and all(one.name in losses for one in taught):
        rows = sum(one.over.rows for one in taught)
        val_loss = sum(losses[one.name] * one.over.rows for one in taught) / rows
        val_set = MeasuredOver(name=TAUGHT, rows=rows, sha256=_digest(one.over for one in taught))
    return Scores(
        losses={one.name: losses[one.name] for one in scored},
        sets={one.name: one.over for one in scored},
        val_loss=val_loss,
        val_set=val_set,
        tokens=sum(one.tokens for one in chosen),
        seconds=time.perf_counter() - started,
        whole=len(scored) == len(sets),
    )


def _digest(members: Iterable[MeasuredOver]) -> str:
    named = sorted(f"{one.name} {one.sha256}\n" for one in members)
    return hashlib.sha256("".join(named).encode()).hexdigest()


@torch.no_grad()
def _losses(hero: Hero, recipe: Recipe, chosen: Sequence[LoadedSet]) -> dict[str, float]:
    examples = [example for one in chosen for example in one.examples]
    owners = np.repeat(np.arange(len(chosen)), [len(one.examples) for one in chosen])
    total, count = np.zeros(len(chosen)), np.zeros(len(chosen))
    with dropout_off(hero), hero.autocast():
        for indices in _micro_batches(examples, recipe):
            losses_N = token_losses(hero, join([examples[index] for index in indices]).to(hero.device))
            tokens = [examples[index].trained_tokens for index in indices]
            each = np.add.reduceat(losses_N.double().cpu().numpy(), np.cumsum([0, *tokens[:-1]]))
            np.add.at(total, owners[indices], each)
            np.add.at(count, owners[indices], tokens)
    losses = zip(chosen, total / np.maximum(count, 1), strict=True)
    return {one.name: float(loss) for one, loss in losses if math.isfinite(loss)}


def _micro_batches(examples: Sequence[Example], recipe: Recipe) -> Iterator[list[int]]:
    if not examples:
        return
    rows = pack_best_fit_decreasing([len(example) for example in examples], recipe.max_length)
    for first in range(0, len(rows), recipe.rows_per_micro_batch):
        yield [index for row in rows[first : first + recipe.rows_per_micro_batch] for index in row]
