"""Packed examples do not see each other. The twins take a guard away and the same check fails."""

from pathlib import Path

import pytest
import torch

from arena.protocol import Recipe
from arena.training import certificate, loss
from arena.training.certificate import PackingFault
from arena.training.data import Batch, PackedQuest, load_quest
from arena.training.hero import Hero
from tests import tiny_hero


@pytest.fixture
def quest(tmp_path: Path, hero: Hero, recipe: Recipe) -> PackedQuest:
    loaded = load_quest(tiny_hero.write_quest(tmp_path / "quest.jsonl", 60), hero.mask, recipe)
    return PackedQuest(loaded.examples, recipe, quest_sha256="ab", pad_id=hero.pad_id)


def test_packed_and_alone_agree(hero: Hero, quest: PackedQuest) -> None:
    proof = certificate.certify(hero, quest)
    assert proof.examples >= 4
    assert proof.largest_difference <= 1e-5
    certificate.check(proof)


def test_without_the_block_mask_the_certificate_fails(
    hero: Hero, quest: PackedQuest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        loss,
        "attention_mask",
        lambda documents: (
            torch.ones_like(documents[:, None, :, None]).bool()
            & torch.ones(documents.shape[1], documents.shape[1], dtype=torch.bool).tril()
        ),
    )
    proof = certificate.certify(hero, quest)
    with pytest.raises(PackingFault, match="packing changes the loss"):
        certificate.check(proof)


def test_without_restarting_positions_an_example_depends_on_its_place_only_through_the_mask(
    hero: Hero, quest: PackedQuest
) -> None:
    """RoPE is relative, so positions alone do not change a masked loss; a mask without them is what NaNs."""
    batch = quest.batch([0])
    running = Batch(batch.inputs_BT, batch.labels_BT, torch.arange(batch.slots)[None], batch.documents_BT)
    assert loss.mean_loss(hero, [batch]) == pytest.approx(loss.mean_loss(hero, [running]), abs=1e-4)


def test_poison_in_one_example_leaves_its_neighbours_gradient_alone(hero: Hero, quest: PackedQuest) -> None:
    batch = quest.batch([0])

    def gradient_of_second(inputs_BT: torch.Tensor) -> list[torch.Tensor]:
        only_second = torch.where(batch.documents_BT == 1, batch.labels_BT, -100)
        poisoned = Batch(inputs_BT, only_second, batch.positions_BT, batch.documents_BT)
        hero.model.zero_grad()
        loss.token_losses(hero, poisoned).sum().backward()
        return [parameter.grad.clone() for parameter in hero.trainable.values() if parameter.grad is not None]

    clean = gradient_of_second(batch.inputs_BT)
    poison = gradient_of_second(torch.where(batch.documents_BT == 0, 300, batch.inputs_BT))
    assert len(clean) == len(hero.trainable)
    assert all(torch.equal(a, b) for a, b in zip(clean, poison, strict=True))
