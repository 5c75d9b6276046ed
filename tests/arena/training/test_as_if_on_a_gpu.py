"""What only a GPU runs, as far as it can be seen without one."""

from typing import Any

import pytest
import torch
from torch import Tensor

from arena.hero.model import Hero
from arena.training import optimizer
from arena.training.saving import checkpoint
from arena.training.saving.checkpoint import Copies
from tests.support import tiny_hero

CPU = torch.device("cpu")


@pytest.fixture
def pinned(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """The memory that was asked for to be pinned, which is ordinary memory here."""
    taken = list[Tensor]()
    real = torch.empty

    def empty(*sizes: Any, pin_memory: bool = False, **options: Any) -> Tensor:
        made = real(*sizes, **options)
        if pin_memory:
            taken.append(made)
        return made

    monkeypatch.setattr(torch, "empty", empty)
    return taken


class Stream:
    """Work of which none is done beside other work."""

    def wait_stream(self, other: object) -> None: ...

    def record_event(self) -> None: ...

    def __enter__(self) -> None: ...

    def __exit__(self, *error: object) -> None: ...


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> Copies:
    monkeypatch.setattr(torch.cuda, "current_stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: stream)
    monkeypatch.setattr(Tensor, "record_stream", lambda tensor, stream: None)
    made = Copies(CPU)
    made._stream = Stream()  # type: ignore[assignment]
    return made


@pytest.mark.parametrize("prepared", [True, pytest.param(False, id="twin")])
def test_a_checkpoint_waits_for_no_memory(hero: Hero, copies: Copies, pinned: list[Tensor], prepared: bool) -> None:
    trained = optimizer.build(hero, tiny_hero.RECIPE)
    if prepared:
        copies.prepare(hero, trained)
    before = len(pinned)
    captured = copies.capture(hero, trained, moments_since=0)
    assert (len(pinned) == before) is prepared
    there = {id(tensor) for tensor in pinned}
    assert {id(tensor) for tensor in (*captured.weights.values(), *captured.moments.values())} <= there
    for name, weight in hero.trainable.items():
        assert torch.equal(captured.weights[name], weight)


def test_the_random_numbers_of_many_cards_go_back_to_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """As text `cuda.10` comes before `cuda.2`."""
    given = list[list[int]]()
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 12)
    monkeypatch.setattr(torch.cuda, "set_rng_state_all", lambda states: given.append([int(one) for one in states]))
    states = {f"cuda.{index}": torch.tensor(index) for index in range(12)}
    checkpoint.restore_rng_tensors({"torch": torch.get_rng_state()} | dict(sorted(states.items())))
    assert given == [list(range(12))]
    assert sorted(states) != list(states), "the twin: in the order of their names they would be mixed up"
