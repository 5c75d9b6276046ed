"""Which number of a step was none: the step is done once more, watched, and thrown away.

Only asked once a step went wrong. What it changes of gradients and random state is set anew with the rollback.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from arena.hero.model import Hero
from arena.recipe import Recipe
from arena.training import average
from arena.training.batch import Batch
from arena.training.loss import token_losses
from arena.training.start import Trainee

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class NotFinite:
    """The first number, in the order of computing, that is infinite or none."""

    kind: str
    """`weight`, `output` of a module, `loss` of a token, or `gradient`."""
    tensor: str
    """Name of the parameter or module; of a loss its micro-batch."""
    index: tuple[int, ...]
    value: str
    """`nan`, `inf` or `-inf`."""

    def __str__(self) -> str:
        return f"the first that is not finite is {self.kind} {self.tensor} {list(self.index)}: {self.value}"

    def to_data(self) -> dict[str, Any]:
        return asdict(self) | {"index": list(self.index)}


def find(trainee: Trainee, batches: Sequence[Batch], recipe: Recipe) -> NotFinite | None:
    """The first such number of a step over `batches` by the weights as they are; None where all are finite now.

    That order: weights, outputs of modules and losses of a forward pass, gradients of its backward pass.
    What fails meanwhile ends the search.
    """
    hero = trainee.hero
    age = trainee.step - trainee.moments_since
    with average.training_weights(hero, trainee.optimizer, recipe, age=age):
        found = _first("weight", hero.model.named_parameters())
        try:
            return found or _of_passes(hero, batches)
        except (RuntimeError, MemoryError) as error:  # such as memory that runs short; the rollback goes on without it
            log.warning("which number was not finite cannot be told: %s", error)
            return None
        finally:
            trainee.optimizer.zero_grad(set_to_none=True)


def _of_passes(hero: Hero, batches: Sequence[Batch]) -> NotFinite | None:
    count = sum(batch.trained_tokens for batch in batches)
    for number, batch in enumerate(batches):
        with _watched(hero.causal_lm) as seen, hero.autocast():
            losses_N = token_losses(hero, batch.to(hero.device))
        found = seen() or _place("loss", f"of micro-batch {number}", losses_N)
        if found:
            return found
        (losses_N.sum() / count).backward()
    gradients = ((name, one.grad) for name, one in hero.trainable.items() if one.grad is not None)
    return _first("gradient", reversed(list(gradients)))


@contextmanager
def _watched(model: nn.Module) -> Iterator[Callable[[], NotFinite | None]]:
    """While it computes, every module's output is looked at; what is given says the first that was not finite."""
    found: list[NotFinite] = []

    def look(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            tensor = output[0] if isinstance(output, tuple) and output else output
            if not found and isinstance(tensor, Tensor) and tensor.is_floating_point():
                place = _place("output", name, tensor)
                found.extend([place] if place else [])

        return hook

    hooks = [module.register_forward_hook(look(name)) for name, module in model.named_modules() if name]
    try:
        yield lambda: found[0] if found else None
    finally:
        for hook in hooks:
            hook.remove()


def _first(kind: str, named: Iterable[tuple[str, Tensor | None]]) -> NotFinite | None:
    places = (_place(kind, name, tensor) for name, tensor in named if tensor is not None)
    return next((place for place in places if place), None)


def _place(kind: str, name: str, tensor: Tensor) -> NotFinite | None:
    flat = tensor.detach().reshape(-1)
    if not flat.is_floating_point() or torch.isfinite(flat).all():
        return None
    at = int((~torch.isfinite(flat)).to(torch.uint8).argmax())
    index = torch.unravel_index(torch.tensor(at), tensor.shape)
    return NotFinite(kind=kind, tensor=name, index=tuple(int(part) for part in index), value=str(flat[at].item()))
