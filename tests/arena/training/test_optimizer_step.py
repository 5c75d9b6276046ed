from dataclasses import replace
from pathlib import Path

import pytest
import torch

from arena.hero.model import Hero, load
from arena.recipe import Recipe
from arena.training import optimizer
from arena.training.batch import Batch
from arena.training.data import PackedQuest, load_quest
from arena.training.loss import token_losses
from arena.training.start import Trainee
from arena.training.train import optimizer_step
from tests.support import tiny_hero


def make_trainee(folder: Path, recipe: Recipe) -> tuple[Trainee, PackedQuest]:
    folder.mkdir()
    order = tiny_hero.make_order(folder, recipe=recipe)
    hero = load(order.base_model, recipe, checkpoint=None, device=torch.device("cpu"))
    loaded = load_quest(Path(order.quest_file), hero.mask, recipe)
    quest = PackedQuest(loaded.examples, recipe, quest_sha256=order.quest_sha256)
    return Trainee(order, hero, optimizer.build(hero, recipe), None, 0), quest


def gradients(hero: Hero, batches: list[Batch], scale_of: list[float]) -> torch.Tensor:
    hero.model.zero_grad()
    for batch, scale in zip(batches, scale_of, strict=True):
        (token_losses(hero, batch).sum() * scale).backward()
    return torch.cat([p.grad.flatten() for p in hero.trainable.values() if p.grad is not None])


def test_one_batch_of_four_rows_and_four_of_one_give_the_same_step(tmp_path: Path, recipe: Recipe) -> None:
    outcomes = []
    for size in (4, 1):
        resized = replace(recipe, rows_per_micro_batch=size)
        trainee, quest = make_trainee(tmp_path / str(size), resized)
        batches = quest.step(0, 0)
        assert len(batches) == 4 // size
        loss, _ = optimizer_step(trainee, batches, resized)
        outcomes.append((loss.item(), gradients(trainee.hero, batches, [1.0] * len(batches))))
    assert outcomes[0][0] == pytest.approx(outcomes[1][0], abs=1e-6)
    assert torch.allclose(outcomes[0][1], outcomes[1][1], atol=1e-4)


def test_a_mean_of_means_would_be_another_gradient(tmp_path: Path, recipe: Recipe) -> None:
    """The twin: what the peers' bug gives differs by more than the tolerance above."""
    trainee, quest = make_trainee(tmp_path / "one", recipe)
    batches = quest.step(0, 1)
    counts = [batch.trained_tokens for batch in batches]
    assert len(set(counts)) > 1
    right = gradients(trainee.hero, batches, [1 / sum(counts)] * len(counts))
    wrong = gradients(trainee.hero, batches, [1 / count / len(counts) for count in counts])
    assert not torch.allclose(right, wrong, atol=1e-4)


def poisoned_step(folder: Path, recipe: Recipe, bad: float) -> tuple[bool, torch.Tensor]:
    """A step whose loss is not finite: whether the weights stayed as they were, and the loss."""
    trainee, quest = make_trainee(folder, recipe)
    with torch.no_grad():
        trainee.hero.causal_lm.get_input_embeddings().weight[5] = bad
    batch = quest.step(0, 0)[0]
    poisoned = replace(batch, inputs_1T=torch.full_like(batch.inputs_1T, 5))
    parameters = list(trainee.hero.trainable.values())
    before = [parameter.detach().clone() for parameter in parameters]
    loss, _ = optimizer_step(trainee, [poisoned], recipe)
    same = (torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in zip(before, parameters, strict=True))
    return all(same), loss


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_leaves_the_weights_alone(tmp_path: Path, recipe: Recipe, bad: float) -> None:
    same, loss = poisoned_step(tmp_path / "nan", recipe, bad)
    assert same
    assert not torch.isfinite(loss)


def test_without_the_guard_the_weights_are_gone(
    tmp_path: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: the update is made whatever the loss."""
    monkeypatch.setattr(optimizer, "step_if", lambda adamw, allowed: adamw.step())
    same, _ = poisoned_step(tmp_path / "nan", recipe, float("nan"))
    assert not same


def test_an_update_that_was_skipped_does_not_count(tmp_path: Path, recipe: Recipe) -> None:
    trainee, quest = make_trainee(tmp_path / "skip", recipe)
    optimizer_step(trainee, quest.step(0, 0), recipe)
    optimizer.step_if(trainee.optimizer, torch.tensor(False))
    assert {int(state["step"]) for state in trainee.optimizer.state.values()} == {1}


def test_learning_rate_goes_on_across_quests() -> None:
    recipe = Recipe(learning_rate=1.0, warmup_steps=10, schedule="linear", schedule_steps=1000)
    rates = [optimizer.learning_rate(recipe, step) for step in (1, 5, 10, 500, 1000, 5000)]
    assert rates == pytest.approx([0.1, 0.5, 1.0, 0.55, 0.1, 0.1])
    cosine = replace(recipe, schedule="cosine")
    assert optimizer.learning_rate(cosine, 500) == pytest.approx(0.55)
    assert optimizer.learning_rate(replace(recipe, schedule="constant"), 5000) == 1.0


def test_norms_do_not_decay(hero: Hero, recipe: Recipe) -> None:
    decaying, still = optimizer.build(hero, recipe).param_groups
    assert decaying["weight_decay"] == recipe.weight_decay
    assert all(parameter.ndim >= 2 for parameter in decaying["params"])
    assert still["weight_decay"] == 0
    assert all(parameter.ndim == 1 for parameter in still["params"])
