"""Where the hero computes, and how tensors get there."""

from __future__ import annotations

import torch
from torch import Tensor


def best_device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def sent_to(tensor: Tensor, device: torch.device) -> Tensor:
    """A copy on `device`, for which the host does not wait."""
    if device.type == "cuda" and tensor.device.type == "cpu":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
