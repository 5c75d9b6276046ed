"""What only a GPU can show: the real kernel, and that the host never waits inside a step."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from arena.hero import attention
from arena.hero.model import Hero, load
from arena.recipe import Recipe
from arena.training import loss, optimizer, packing_certificate
from arena.training.data import PackedQuest, load_quest
from arena.training.reporting import memory
from tests.support import tiny_hero

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]


@pytest.fixture
def on_gpu(tiny_base: Path) -> Hero:
    recipe = replace(tiny_hero.RECIPE, dtype="bfloat16")
    return load(str(tiny_base), recipe, checkpoint=None, device=torch.device("cuda"))


@pytest.fixture
def quest(tmp_path: Path, hero: Hero, recipe: Recipe) -> PackedQuest:
    loaded = load_quest(tiny_hero.write_quest(tmp_path / "quest.jsonl", 60), hero.mask, recipe)
    return PackedQuest(loaded.examples, recipe, quest_sha256="ab")


@pytest.fixture
def waiting_is_an_error() -> Iterator[None]:
    yield
    torch.cuda.set_sync_debug_mode("default")


@pytest.mark.usefixtures("waiting_is_an_error")
def test_the_host_does_not_wait_inside_a_step(on_gpu: Hero, quest: PackedQuest) -> None:
    def forward_and_backward(row: int) -> None:
        batch = quest.batch([row])
        with on_gpu.autocast():
            losses_N = loss.token_losses(on_gpu, batch.to(on_gpu.device))
        (losses_N.sum() / batch.trained_tokens).backward()

    forward_and_backward(0)  # libraries start, kernels load
    torch.cuda.set_sync_debug_mode("error")
    forward_and_backward(1)
    with pytest.raises(RuntimeError, match="synchroniz"):  # the twin: where labels are looked for on the GPU
        (quest.batch([1]).labels_1T.cuda(non_blocking=True) != -100).nonzero()


@pytest.mark.parametrize("heads", [(4, 4), (4, 2), (6, 1)])
@pytest.mark.parametrize("window", [None, 5, 1])
def test_the_real_kernel_gives_what_the_buckets_give(heads: tuple[int, int], window: int | None) -> None:
    lengths = [1, 2, 140, 3, 39, 38, 9]
    device = torch.device("cuda")
    torch.manual_seed(0)
    shapes = [(1, heads[0], sum(lengths), 64), *[(1, heads[1], sum(lengths), 64)] * 2]
    states = [torch.randn(shape, device=device, dtype=torch.bfloat16, requires_grad=True) for shape in shapes]
    assert attention.runs_varlen(states[0].device, torch.bfloat16, 64)
    module = torch.nn.Module()
    module.num_key_value_groups = heads[0] // heads[1]
    layout, kwargs = attention.lay_out(lengths, device), {"sliding_window": window, "scaling": 0.125}
    exact = attention._attend_buckets(module, layout, *(s.float() for s in states), kwargs)
    real = attention._attend_varlen(layout, *states, kwargs)
    assert (real.float() - exact).abs().max() < 0.03
    expected = torch.autograd.grad(exact.square().sum(), states)
    for a, b in zip(torch.autograd.grad(real.float().square().sum(), states), expected, strict=True):
        assert (a.float() - b.float()).norm() <= 0.02 * b.float().norm()


def test_the_certificate_holds_and_poisons_the_real_kernel(
    on_gpu: Hero, quest: PackedQuest, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[torch.dtype] = []
    real = attention._attend_varlen
    monkeypatch.setattr(attention, "_attend_varlen", lambda *rest: used.append(rest[1].dtype) or real(*rest))
    random_state = torch.cuda.get_rng_state()
    proof = packing_certificate.certify(on_gpu, quest)
    packing_certificate.check(proof)
    assert (proof.tolerance, proof.largest_leak) == (1e-5, 0.0)
    assert set(used) == {torch.bfloat16}
    assert torch.equal(torch.cuda.get_rng_state(), random_state)


@pytest.mark.usefixtures("waiting_is_an_error")
def test_the_allocator_tells_without_making_the_host_wait(on_gpu: Hero) -> None:
    trained = optimizer.build(on_gpu, tiny_hero.RECIPE)
    torch.cuda.set_sync_debug_mode("error")
    told = memory.held(on_gpu, trained, copies=0)
    held = told["allocator"]
    assert held["reserved"] >= held["allocated"] >= told["weights"]
    assert held["reserved"] - held["allocated"] >= held["largest_free"]
    assert "copies" not in told
