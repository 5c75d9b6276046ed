"""The memory that training holds, by component, and what CUDA's allocator makes of it. Asks nothing of the device."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

from arena.hero.model import Hero


def held(hero: Hero, optimizer: torch.optim.Optimizer, *, copies: int) -> dict[str, Any]:
    """Bytes of this process, where it trains: gradients as they are in a step. `copies` are those of a checkpoint.

    `allocator` is there on CUDA only, whose memory the copies take nothing of.
    """
    told: dict[str, Any] = {
        "weights": _bytes([*hero.model.parameters(), *hero.model.buffers()]),
        "gradients": _bytes(hero.trainable.values()),
        "optimizer": _bytes(value for state in optimizer.state.values() for value in state.values()),
    }
    if hero.device.type != "cuda":
        return told | {"copies": copies}
    return told | {"allocator": _allocator(hero.device)}


def _bytes(tensors: Iterable[object]) -> int:
    """Of what is one under two names, once; of a shard the part that lies here."""
    own = [tensor.to_local() if isinstance(tensor, DTensor) else tensor for tensor in tensors]
    distinct = {id(tensor): tensor.nbytes for tensor in own if isinstance(tensor, Tensor)}
    return sum(distinct.values())


def _allocator(device: torch.device) -> dict[str, int]:
    counted = torch.cuda.memory_stats(device)
    segments = torch.cuda.memory_snapshot()
    free = [block["size"] for segment in segments for block in segment["blocks"] if block["state"] == "inactive"]
    return {
        "reserved": counted["reserved_bytes.all.current"],
        "allocated": counted["allocated_bytes.all.current"],
        "inactive_split": counted["inactive_split_bytes.all.current"],
        "largest_free": max(free, default=0),
    }
