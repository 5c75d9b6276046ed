"""What trains here: the first GPU, or the CPU."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

import psutil

from realm.machine.gpus import of_this_machine

SPARE_SHARE = 0.1
"""Of the machine's memory, which training leaves to everything else."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    device: str
    cuda: bool
    memory_bytes: int
    gpus: int = 0
    """Each of several processes trains on one of its own."""


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """The memory that a battle may take."""

    usable_bytes: int
    named_bytes: int
    """What people know it by: their budget, or all of the machine's memory."""


def machine() -> Machine:
    """The first GPU, if its driver is here; else the CPU. The trainer chooses alike."""
    gpus = of_this_machine().read() or ()
    first = next(iter(gpus), None)
    if first is None or first.memory_total_bytes is None:
        return Machine(device="cpu", cuda=False, memory_bytes=psutil.virtual_memory().total)
    return Machine(device=first.name or "cuda", cuda=True, memory_bytes=first.memory_total_bytes, gpus=len(gpus))


def allowance_of(here: Machine, memory_budget_gb: float | None) -> Allowance:
    """A budget larger than the machine's memory allows no more than there is."""
    usable = int(here.memory_bytes * (1 - SPARE_SHARE))
    if memory_budget_gb is None or memory_budget_gb * 10**9 >= here.memory_bytes:
        return Allowance(usable_bytes=usable, named_bytes=here.memory_bytes)
    budget = int(memory_budget_gb * 10**9)
    return Allowance(usable_bytes=budget, named_bytes=budget)


def can_quantise(here: Machine) -> bool:
    """Whether weights can be held in 4 bits, as mode qlora does."""
    return here.cuda and importlib.util.find_spec("bitsandbytes") is not None
