"""The processes that train one hero together under `accelerate launch`: by DDP, or sharded by FSDP2.

Every rank reads the whole quest, takes every w-th micro-batch of each optimizer step and judges by the same summed
numbers, so all of them decide alike. Rank 0 alone writes. A process that was launched alone is rank 0 of one.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor, distributed, nn
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn.parallel import DistributedDataParallel

from arena.hero.model import Hero
from arena.training.batch import Batch
from arena.training.loss import own_losses

DDP: dict[str, Any] = {"forward_sync_buffers": False, "gradient_as_bucket_view": True}
"""No buffers are sent around, which in these models are constants, and gradients are not held twice."""


@dataclass(frozen=True, slots=True)
class Ranks:
    index: int = 0
    count: int = 1
    device: torch.device | None = None
    """The device that the launcher gave this rank; None where nothing was launched."""
    on_one_machine: bool = True
    sharded: bool = False
    """FSDP2: each rank holds a part of weights, gradients and moments. Otherwise DDP: each holds all."""

    @property
    def is_main(self) -> bool:
        return self.index == 0

    @property
    def alone(self) -> bool:
        return self.count == 1

    def share(self, batches: Sequence[Batch]) -> Iterator[tuple[Batch, float, bool]]:
        """This rank's micro-batches of a step: the batch, its weight, whether it is the last.

        Every rank gets as many, because every pass is made together; what is there for that alone weighs nothing.
        """
        rounds = -(-len(batches) // self.count)
        for turn in range(rounds):
            index = turn * self.count + self.index
            there = index < len(batches)
            yield batches[index if there else 0], float(there), turn == rounds - 1

    def sum(self, value: Tensor) -> Tensor:
        """The sum of every rank's `value`, on every rank."""
        if not self.alone:
            distributed.all_reduce(value)
        return value

    def of_main(self, value: int) -> int:
        """Rank 0's `value`, on every rank."""
        if self.alone:
            return value
        told = torch.tensor([value], device=self.device)
        distributed.broadcast(told, src=0)
        return int(told.item())

    def number_of_main(self, value: float) -> float:
        """Rank 0's `value`, to the last bit, on every rank."""
        if self.alone:
            return value
        told = torch.tensor([value], dtype=torch.float64, device=self.device)
        distributed.broadcast(told, src=0)
        return float(told.item())

    def wait(self) -> None:
        """Until every rank is here."""
        if not self.alone:
            distributed.barrier()


ALONE = Ranks()


class Unequal(Exception):
    """A rank holds other weights than rank 0, which all of them are to train as one."""


class Scattered(Exception):
    """The launcher started several processes and they did not find each other: each would train the hero alone."""


def join() -> Ranks:
    """The ranks that a launcher has started this process as one of. Raises Scattered."""
    launched = int(os.environ.get("WORLD_SIZE", "1"))
    if launched == 1:
        return ALONE
    from accelerate import PartialState  # only here: one process alone needs none of it

    state = PartialState(cpu=_on_cpu())
    if state.num_processes != launched:
        raise Scattered(f"{launched} processes were launched, {state.num_processes} joined; see accelerate env")
    return Ranks(
        index=state.process_index,
        count=state.num_processes,
        device=state.device if state.device.type == "cuda" else torch.device("cpu"),  # accelerate says cpu:0
        on_one_machine=os.environ.get("LOCAL_WORLD_SIZE", str(launched)) == str(launched),
        sharded=os.environ.get("ACCELERATE_USE_FSDP", "").lower() == "true",
    )


def _on_cpu() -> bool:
    """accelerate brings CPU processes together only where it is told in its own words that they are."""
    return os.environ.get("ACCELERATE_USE_CPU", "").lower() == "true" or not torch.cuda.is_available()


def leave() -> None:
    if distributed.is_initialized():
        distributed.destroy_process_group()


class Together(nn.Module):
    """The losses of a batch as a module's forward pass: what DDP and FSDP2 hang their work on."""

    def __init__(self, hero: Hero) -> None:
        super().__init__()
        self.model = hero.model
        self._hero = (hero,)  # in a tuple, so that no part of it is taken for a submodule

    def forward(self, batch: Batch) -> Tensor:
        return own_losses(self._hero[0], batch)


def bring_together(hero: Hero, optimizer: torch.optim.Optimizer, ranks: Ranks) -> tuple[Hero, torch.optim.Optimizer]:
    """The same hero and optimizer, trained by all ranks as one. Both must be equal on every rank before."""
    if ranks.alone:
        return hero, optimizer
    _check_equal(hero, ranks)
    together = Together(hero)
    if not ranks.sharded:
        return replace(hero, together=DistributedDataParallel(together, **DDP)), optimizer
    before = hero.trainable
    for layer in cast(Any, hero.causal_lm.get_decoder()).layers:
        fully_shard(layer)
    fully_shard(together)
    _reshard_optimizer(optimizer, before, hero.trainable)
    return replace(hero, together=together), optimizer


def _check_equal(hero: Hero, ranks: Ranks) -> None:
    """By SHA-256 of every parameter, frozen ones included: another machine may hold another base under the same name.

    Those of one machine have read the same files. Raises Unequal on every rank.
    """
    if ranks.on_one_machine:
        return
    own = torch.frombuffer(bytearray(digest_of(hero.model)), dtype=torch.uint8).to(ranks.device or "cpu")
    of_main = own.clone()
    distributed.broadcast(of_main, src=0)
    differ = ranks.sum((own != of_main).any().to(torch.int64))
    if differ.item():
        raise Unequal(
            f"{int(differ.item())} of {ranks.count} processes hold other weights than the first: the base model or the "
            "newest checkpoint differs between the machines"
        )


def digest_of(model: nn.Module) -> bytes:
    """SHA-256 over the names and bits of all parameters."""
    digest = hashlib.sha256()
    for name, parameter in model.named_parameters():
        digest.update(f"{name}\0".encode())
        digest.update(parameter.detach().reshape(-1).view(torch.uint8).cpu().numpy().data)
    return digest.digest()


def _reshard_optimizer(
    optimizer: torch.optim.Optimizer, before: dict[str, nn.Parameter], after: dict[str, nn.Parameter]
) -> None:
    """Let the optimizer train the sharded parameters, with its state cut as they are."""
    names = {parameter: name for name, parameter in before.items()}
    for group in optimizer.param_groups:
        group["params"] = [after[names[parameter]] for parameter in group["params"]]
    state = {parameter: optimizer.state.pop(parameter) for parameter in before.values() if parameter in optimizer.state}
    for parameter, values in state.items():
        sharded = cast(DTensor, after[names[parameter]])
        optimizer.state[sharded] = {
            key: distribute_tensor(value, sharded.device_mesh, sharded.placements) if value.ndim else value
            for key, value in values.items()
        }


def sync_gradients(hero: Hero, last: bool) -> None:
    """Gradients are summed over the ranks in the backward pass of a step's last micro-batch only."""
    if isinstance(hero.together, DistributedDataParallel):
        hero.together.require_backward_grad_sync = last
    elif isinstance(hero.together, FSDPModule):
        hero.together.set_requires_gradient_sync(last)


@contextmanager
def gathered(hero: Hero) -> Iterator[None]:
    """For work that calls the model itself and not `token_losses`: what the outermost shard holds is made whole."""
    if not isinstance(hero.together, FSDPModule):
        yield
        return
    hero.together.unshard()
    try:
        yield
    finally:
        hero.together.reshard()
