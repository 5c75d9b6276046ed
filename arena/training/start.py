"""What a battle begins from: the hero at its newest whole checkpoint, the quest, the cursor."""

from __future__ import annotations

import gc
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from arena.convergence import Convergence
from arena.hero import model as heroes
from arena.hero.device import best_device
from arena.hero.model import Hero, UnloadableHero
from arena.hero.origin import IncompatibleCheckpoint, carries_moments
from arena.protocol import EventKind, Order, portable_path
from arena.recipe import Recipe
from arena.rows import formats
from arena.rows.limits import INSPECTED
from arena.rows.lines import content_digest
from arena.rows.masking import SOME_DAY
from arena.training import optimizer
from arena.training.data import LoadedQuest, PackedQuest, UntrainableQuest, load_quest
from arena.training.ranks import Ranks
from arena.training.reporting.battle_log import BattleLog
from arena.training.saving import checkpoint
from realm.checkpoints import branches, sidecar
from realm.checkpoints.cursor import Cursor
from realm.checkpoints.sidecar import Sidecar

OWN_THREADS = torch.get_num_threads()
"""torch's own choice."""


@dataclass
class Trainee:
    """What stays in memory between battles. Equal to its newest checkpoint whenever no battle runs."""

    order: Order
    hero: Hero
    optimizer: torch.optim.Optimizer
    saved: Sidecar | None
    step: int
    moments_since: int = 0
    """The step after which the optimizer's moments began: the rate warms up from there."""

    def fits(self, order: Order, newest: Sidecar | None) -> bool:
        """Whether `order` would load exactly this. What a change of mode made of a checkpoint is always loaded anew."""
        same_lineage = (self.order.hero_folder, self.order.base_model) == (order.hero_folder, order.base_model)
        same_training = self.order.recipe == order.recipe and self.mode_before is None
        return same_lineage and same_training and self.saved == newest and newest is not None

    def let_go(self) -> None:
        """Free the memory of weights and moments, whoever still holds this trainee: the next one needs it."""
        del self.hero, self.optimizer
        gc.collect()  # what a model consists of refers to each other

    @property
    def mode_before(self) -> str | None:
        """What the newest checkpoint was trained in, where that is another mode than this one's."""
        return self.saved.mode if self.saved and self.saved.mode != self.order.recipe.mode else None


def ready_trainee(order: Order, log: BattleLog, warm: Trainee | None, ranks: Ranks) -> Trainee:
    """The hero at its newest whole checkpoint, with optimizer and random state; the warm one where it is the same."""
    newest = newest_checkpoint(order, log, ranks)
    if newest:
        check_lineage(order, newest)
    return trainee_at(order, newest, ranks, warm)


def trainee_at(order: Order, newest: Sidecar | None, ranks: Ranks, warm: Trainee | None = None) -> Trainee:
    """The hero at the checkpoint `newest`, or at its base model."""
    folder = Path(order.hero_folder) / newest.name if newest else None
    if warm and not warm.fits(order, newest):
        warm.let_go()
        warm = None
    trainee = warm or load_trainee(order, newest, folder, ranks)
    trainee.order = order
    if folder:
        moments = not newest or (carries_moments(newest.mode, order.recipe.mode) and newest.thinned is None)
        since = checkpoint.load_state(folder, trainee.hero, trainee.optimizer, moments=moments)
        trainee.moments_since = trainee.step if since is None else since
    else:
        seed_everything(order.recipe.seed)
    seed_other_ranks(order, ranks, trainee.step)
    return trainee


def newest_checkpoint(order: Order, log: BattleLog, ranks: Ranks) -> Sidecar | None:
    """Rank 0 proves it, sets damaged ones aside and says so; then the others need only read which one is left."""
    folder = Path(order.hero_folder)
    if ranks.is_main:
        newest, refused = checkpoint.newest_whole(folder, order.branch)
        for damage in refused:
            message, step = f"Refused a damaged checkpoint: {damage}", newest.step if newest else 0
            log.write(EventKind.CHECKPOINT_REFUSED, step=step, message=message, reason=str(damage))
        ranks.wait()
        return newest
    ranks.wait()
    return newest_by_name(order)


def newest_by_name(order: Order) -> Sidecar | None:
    """For ranks that may trust what rank 0 has just proven or written."""
    folders = branches.line_folders(Path(order.hero_folder), order.branch)
    return sidecar.read(folders[0]) if folders else None


def seed_other_ranks(order: Order, ranks: Ranks, step: int) -> None:
    """Only rank 0's random state lies in checkpoints; the others' begins anew at each, so that a resume is exact."""
    if not ranks.is_main:
        seed_everything(order.recipe.seed + step * ranks.count + ranks.index)


def check_lineage(order: Order, newest: Sidecar) -> None:
    """A hero keeps its base model for life; raises IncompatibleCheckpoint where the settings name another."""
    wanted = portable_path(order.base_model, Path(order.hero_folder))
    if newest.base_model != wanted:
        raise IncompatibleCheckpoint(
            f"{newest.name} was trained with base_model {newest.base_model}, the settings say {wanted}: "
            "set base_model back, or name another hero"
        )


def load_trainee(order: Order, newest: Sidecar | None, folder: Path | None, ranks: Ranks) -> Trainee:
    if ranks.sharded and (order.recipe.optimizer == "muon" or order.recipe.weight_average):
        raise UnloadableHero(
            "optimizer muon and weight_average work on whole matrices, and under FSDP each process holds parts: "
            "set optimizer adamw and weight_average 0, or launch without FSDP"
        )
    device = ranks.device or best_device()
    hero = heroes.load(order.base_model, order.recipe, checkpoint=folder, device=device, day=order.day or SOME_DAY)
    return Trainee(order, hero, optimizer.build(hero, order.recipe), newest, newest.step if newest else 0)


def make_repeatable(recipe: Recipe) -> None:
    """The same kernels in the same order, so that a resumed run ends in the same bits.

    On CUDA torch's default backward passes of attention and indexing add up in any order. `__main__` sets what cuBLAS
    reads from the environment.
    """
    threads = recipe.threads or OWN_THREADS
    if torch.get_num_threads() != threads:  # a warm process may have run another recipe before
        torch.set_num_threads(threads)
    if torch.cuda.is_available():
        torch.use_deterministic_algorithms(True, warn_only=True)
        # A debugging aid that costs a pass over memory.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def seed_everything(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def ready_quest(order: Order, hero: Hero, on_progress: Callable[[], None]) -> tuple[LoadedQuest, PackedQuest]:
    path = Path(order.quest_file)
    if not path.is_file():
        raise UntrainableQuest(f"{path.name} is gone from the queue; drop it again")
    if content_digest(path, INSPECTED) != order.quest_sha256:
        raise UntrainableQuest(f"{path.name} has changed since it was inspected; drop it again")
    loaded = load_quest(
        path,
        hero.mask,
        order.recipe,
        specs=formats.registry(order.dataset_specs),
        set_aside=_set_aside(order),
        rehearsal=Path(order.rehearsal_file) if order.rehearsal_file else None,
        folder=Path(order.battle_folder),
        on_progress=on_progress,
    )
    quest = PackedQuest(loaded.examples, order.recipe, quest_sha256=order.quest_sha256, rehearsed=loaded.rehearsed)
    return loaded, quest


def _set_aside(order: Order) -> frozenset[int]:
    if order.set_aside_file is None:
        return frozenset()
    return frozenset(np.load(order.set_aside_file, allow_pickle=False).tolist())


def cursor_of(order: Order, saved: Sidecar | None) -> Cursor:
    """Where this battle stands: its checkpoint's cursor, or the beginning."""
    if saved and saved.battle == order.battle and saved.cursor.quest_sha256 == order.quest_sha256:
        return saved.cursor
    return Cursor(quest_sha256=order.quest_sha256, epoch=0, position=0, quest_step=0, finished=False)


def convergence_until(log: BattleLog, trainee: Trainee) -> Convergence:
    """As it stood when the battle had done the trainee's step: a resumed run judges as an uninterrupted one does.

    What was measured before the optimizer began anew is of another training, and no measure of this one.
    """
    begun = next(log.standing(EventKind.BATTLE_STARTED), None)
    measured = begun is not None and begun.step >= trainee.moments_since
    convergence = Convergence(begun.data.get("loss_before") if begun and measured else None)
    for done, loss in log.losses_until(trainee.step):
        if done > trainee.moments_since:
            convergence.add(done, loss)
    return convergence
