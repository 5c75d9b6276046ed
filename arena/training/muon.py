"""Muon on hidden matrices and AdamW on everything else, as one optimizer.

Source: torch.optim.Muon (Jordan 2024) with the rate matched to AdamW's (Liu 2025). Its own step takes one matrix at a
time and knows no flag for an update that must not be made; here matrices of one shape are orthogonalized together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic iteration: the steepest at 0 that stays within reach of 1."""
ITERATIONS = 5
EPSILON = 1e-7
AT_ONCE = 2**22
"""Weights whose updates are worked out together, or those of one larger matrix: what an update takes in memory."""


class Muon(torch.optim.Optimizer):
    """The first group holds the matrices that Muon trains, the others are AdamW's; all share state and groups.

    `found_inf` (float32, shape (), on the weights' device), where it is set and not 0, makes `step` leave everything
    as it is, as in torch's fused AdamW.
    """

    def __init__(
        self,
        matrices: Iterable[nn.Parameter],
        rest: list[dict[str, Any]],
        *,
        lr: float,
        ratio: float,
        momentum: float,
        weight_decay: float,
        betas: tuple[float, float],
    ) -> None:
        """`ratio`: the matrices' rate over `lr`; `rest`: parameter groups for AdamW."""
        first = {"params": list(matrices), "lr": lr * ratio, "ratio": ratio, "momentum": momentum}
        super().__init__([first | {"weight_decay": weight_decay}], {"lr": lr})
        self._adamw = torch.optim.AdamW(rest, lr=lr, betas=betas, fused=True) if rest else None
        if self._adamw:
            self.param_groups += self._adamw.param_groups
            self._adamw.state = self.state

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        found_inf: Tensor | None = getattr(self, "found_inf", None)
        self._orthogonal_step(self.param_groups[0], found_inf)
        if self._adamw:
            self._adamw.found_inf, self._adamw.grad_scale = found_inf, None  # type: ignore[attr-defined]
            self._adamw.step()

    @torch.no_grad()
    def _orthogonal_step(self, group: dict[str, Any], found_inf: Tensor | None) -> None:
        allowed = 1.0 if found_inf is None else 1 - found_inf
        decay = 1 - group["lr"] * group["weight_decay"] * allowed
        for alike in _together(group["params"]):
            # An update's root mean square is then 0.2 of the rate, about AdamW's, whatever the shape.
            rate = group["lr"] * 0.2 * max(alike[0].shape) ** 0.5 * allowed
            wanted = [self._momentum(parameter, group["momentum"], found_inf) for parameter in alike]
            updates_NAB = orthogonalized(torch.stack([update.mT if _is_tall(update) else update for update in wanted]))
            for parameter, update_AB in zip(alike, updates_NAB, strict=True):
                parameter.mul_(decay).sub_((update_AB.mT if _is_tall(parameter) else update_AB) * rate)

    def _momentum(self, parameter: nn.Parameter, momentum: float, found_inf: Tensor | None) -> Tensor:
        """Nesterov's; with `found_inf` the gradient counts as nothing, and the buffer stays."""
        assert parameter.grad is not None
        buffer: Tensor = self.state[parameter]["momentum_buffer"]
        if found_inf is None:
            buffer.lerp_(parameter.grad, 1 - momentum)
            return parameter.grad.lerp(buffer, momentum)
        gradient = torch.where(found_inf == 0, parameter.grad, 0.0)
        buffer.lerp_(gradient, (1 - momentum) * (1 - found_inf))
        return gradient.lerp(buffer, momentum)


def _together(parameters: Iterable[nn.Parameter]) -> Iterator[list[nn.Parameter]]:
    """Those that have a gradient, by shape, lying down or standing, as many at once as AT_ONCE allows."""
    alike: dict[tuple[int, ...], list[nn.Parameter]] = {}
    for parameter in parameters:
        if parameter.grad is not None:
            alike.setdefault(tuple(sorted(parameter.shape)), []).append(parameter)
    for found in alike.values():
        count = max(1, AT_ONCE // found[0].numel())
        yield from (found[first : first + count] for first in range(0, len(found), count))


def _is_tall(matrix_AB: Tensor) -> bool:
    return matrix_AB.shape[0] > matrix_AB.shape[1]


def orthogonalized(updates_NAB: Tensor) -> Tensor:
    """Each matrix with all its singular values near 1, float32, shape (N, A, B) with A at most B: Newton-Schulz."""
    a, b, c = COEFFICIENTS
    norms_N11 = updates_NAB.flatten(1).norm(dim=1).clamp(min=EPSILON)[:, None, None]
    found_NAB = (updates_NAB / norms_N11).to(_dtype(updates_NAB.device))
    for _ in range(ITERATIONS):
        gram_NAA = torch.bmm(found_NAB, found_NAB.mT)
        quintic_NAA = torch.baddbmm(gram_NAA, gram_NAA, gram_NAA, beta=b, alpha=c)
        found_NAB = torch.baddbmm(found_NAB, quintic_NAA, found_NAB, beta=a)
    orthogonal_NAB: Tensor = found_NAB.float()
    return orthogonal_NAB


def _dtype(device: torch.device) -> torch.dtype:
    """Half precision is enough, but without instructions for it a CPU is slower at it than at float32."""
    slow = device.type == "cpu" and not torch.cpu._is_avx512_bf16_supported()
    return torch.float32 if slow else torch.bfloat16
