"""Two checkpoints of a hero side by side: weights, recipe, losses, answers, and what both come from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from guild.models import Evaluation
from realm.checkpoints import sidecar
from realm.checkpoints.sidecar import DamagedCheckpoint, MeasuredOver, Sidecar
from realm.checkpoints.tensors import Stored, same_bytes, stored_tensors
from realm.world import World
from vault.errors import Damaged, NotFound
from vault.ledger.ancestry import common_ancestor, place
from vault.ledger.folders import folder_of
from vault.ledger.moves import RULE, Move, WeightChange, flagged, largest_changes, move
from vault.ledger.recipes import Setting, differences, settings_of
from vault.strongholds.contract import Progress, unheard


@dataclass(frozen=True, kw_only=True)
class Side:
    name: str
    step: int
    created_at: str
    branch: str
    mode: str
    parent: str | None
    train_loss: float | None
    size_bytes: int
    weights_only: bool


@dataclass(frozen=True, kw_only=True)
class Reshaped:
    name: str
    a: str
    """Type and shape, as `F32 (64, 32)`."""
    b: str


@dataclass(frozen=True, kw_only=True)
class LossPair:
    """Losses over the same rows."""

    name: str
    rows: int
    a: float
    b: float


@dataclass(frozen=True, kw_only=True)
class AnswerPair:
    skill: str
    level: int
    a: str | None
    """Right of all, as `4/5`; None where it was not asked."""
    b: str | None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    hero: str
    a: Side
    b: Side
    moves: tuple[Move, ...]
    """Of the tensors whose bytes differ; flagged ones first, then by relative distance."""
    same: int
    """Tensors of which no byte differs."""
    only_in_a: tuple[str, ...]
    only_in_b: tuple[str, ...]
    reshaped: tuple[Reshaped, ...]
    """Tensors of one name and another shape or type; where the shape is the same they stand among the moves, too."""
    unread: tuple[str, ...]
    """Tensors that differ, in a type whose numbers cannot be read."""
    rule: str
    """What counts as a sudden large change."""
    settings: tuple[Setting, ...]
    """Of recipe and sidecar, those that differ."""
    losses: tuple[LossPair, ...]
    losses_apart: tuple[str, ...]
    """Names of sets that only one was scored over, or each over other rows: those losses do not compare."""
    answers: tuple[AnswerPair, ...]
    common_ancestor: str | None
    """The newest checkpoint here that both come from, one of the two where the other comes from it; None: none that
    lies here."""
    base_model: str | None
    """Where both began; None where they began apart."""

    @property
    def sudden(self) -> tuple[Move, ...]:
        return tuple(one for one in self.moves if one.flags)


def compare(world: World, hero: str, a: str, b: str, *, progress: Progress = unheard) -> Comparison:
    """What differs from the checkpoint `a` to `b`, by canonical names. Weights are read a block at a time.

    Raises NotFound, or Damaged where one of them is not whole by names and sizes.
    """
    folders = (folder_of(world, hero, a), folder_of(world, hero, b))
    ours, theirs = (_saved(folder) for folder in folders)
    tensors = (_tensors(folders[0]), _tensors(folders[1]))
    common = sorted(tensors[0].keys() & tensors[1].keys())
    pairs = {name: (tensors[0][name], tensors[1][name]) for name in common}
    moves = list(_moves(pairs, progress))
    moved = {one.name for one in moves}
    unread = tuple(name for name, pair in pairs.items() if name not in moved and _differ_unread(*pair))
    reshaped = tuple(_reshaped(pairs))
    apart = {one.name for one in reshaped} | moved | set(unread)
    ancestor = common_ancestor(world, hero, place(ours), place(theirs))
    return Comparison(
        hero=hero,
        a=_side(ours),
        b=_side(theirs),
        moves=tuple(flagged(moves)),
        same=len(pairs.keys() - apart),
        only_in_a=tuple(sorted(tensors[0].keys() - tensors[1].keys())),
        only_in_b=tuple(sorted(tensors[1].keys() - tensors[0].keys())),
        reshaped=reshaped,
        unread=unread,
        rule=RULE,
        settings=tuple(differences(settings_of(world, ours), settings_of(world, theirs))),
        losses=tuple(_losses(ours, theirs)),
        losses_apart=tuple(_apart(ours, theirs)),
        answers=tuple(_answers(hero, ours.name, theirs.name)),
        common_ancestor=ancestor.name if ancestor else None,
        base_model=ours.base_model if ours.base_model == theirs.base_model else None,
    )


def changed_weights(
    world: World, hero: str, a: str, b: str, tensor: str, *, count: int | None = 20
) -> list[WeightChange]:
    """The single weights of one tensor that moved most; `count` None: all that moved. Raises NotFound, or Damaged."""
    found = [_tensors(folder_of(world, hero, name)).get(tensor) for name in (a, b)]
    ours, theirs = found
    if ours is None or theirs is None or ours.shape != theirs.shape or not (ours.readable and theirs.readable):
        raise NotFound(f"{a} and {b} have no tensor {tensor} of one shape whose numbers can be read")
    return largest_changes(ours, theirs, count)


def _saved(folder: Path) -> Sidecar:
    try:
        return sidecar.verify(folder, quick=True)
    except DamagedCheckpoint as damage:
        raise Damaged(str(damage)) from damage


def _tensors(folder: Path) -> dict[str, Stored]:
    try:
        return stored_tensors(folder)
    except DamagedCheckpoint as damage:
        raise Damaged(str(damage)) from damage


def _moves(pairs: dict[str, tuple[Stored, Stored]], progress: Progress) -> Iterator[Move]:
    done = 0
    for name, (ours, theirs) in pairs.items():
        progress(done, f"compares {name}")
        if ours.shape == theirs.shape and ours.readable and theirs.readable and (found := move(name, ours, theirs)):
            yield found
        done += ours.size_bytes + theirs.size_bytes


def _differ_unread(a: Stored, b: Stored) -> bool:
    return not (a.readable and b.readable) and a.shape == b.shape and not same_bytes(a, b)


def _reshaped(pairs: dict[str, tuple[Stored, Stored]]) -> Iterator[Reshaped]:
    for name, (a, b) in pairs.items():
        if (a.dtype, a.shape) != (b.dtype, b.shape):
            yield Reshaped(name=name, a=f"{a.dtype} {a.shape}", b=f"{b.dtype} {b.shape}")


def _side(saved: Sidecar) -> Side:
    return Side(
        name=saved.name,
        step=saved.step,
        created_at=saved.created_at,
        branch=saved.branch,
        mode=saved.mode,
        parent=saved.parent,
        train_loss=saved.train_loss,
        size_bytes=sum(proof.size_bytes for proof in saved.files.values()),
        weights_only=saved.thinned is not None,
    )


def _scores(saved: Sidecar) -> dict[tuple[str, str], tuple[MeasuredOver, float]]:
    """By name and digest of the rows; what was taught in all is a set of its own."""
    found = {name: (over, saved.val_losses[name]) for name, over in saved.val_sets.items() if name in saved.val_losses}
    if saved.val_set and saved.val_loss is not None:
        found["validation"] = (saved.val_set, saved.val_loss)
    return {(name, over.sha256): (over, loss) for name, (over, loss) in found.items()}


def _losses(a: Sidecar, b: Sidecar) -> Iterator[LossPair]:
    ours, theirs = _scores(a), _scores(b)
    for key, (over, loss) in ours.items():
        if key in theirs:
            yield LossPair(name=key[0], rows=over.rows, a=loss, b=theirs[key][1])


def _apart(a: Sidecar, b: Sidecar) -> list[str]:
    ours, theirs = _scores(a), _scores(b)
    same = {name for name, _ in ours.keys() & theirs.keys()}
    return sorted({name for name, _ in ours.keys() ^ theirs.keys()} - same)


def _answers(hero: str, a: str, b: str) -> Iterator[AnswerPair]:
    rows = Evaluation.objects.filter(hero=hero, checkpoint__in=(a, b)).order_by("skill", "level")
    told: dict[tuple[str, int], dict[str, str]] = {}
    for row in rows:
        told.setdefault((row.skill, row.level), {})[row.checkpoint] = f"{row.correct}/{row.total}"
    for (skill, level), found in told.items():
        yield AnswerPair(skill=skill, level=level, a=found.get(a), b=found.get(b))
