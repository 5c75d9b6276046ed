"""Two checkpoints of a hero side by side, as the page draws what the ledger says: layers, bars, who is the better."""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.db.models import Sum

from realm.world import World
from tavern import formatting
from tavern.vault.chests import Strip, strips_of
from tavern.vault.orders import Chosen
from vault.ledger.comparing import Comparison, LossPair, changed_weights
from vault.ledger.comparing import compare as compare_checkpoints
from vault.ledger.moves import Move, WeightChange
from vault.models import Checkpoint

LARGEST_AT_ONCE_BYTES = 2 * 10**9
"""Of both; more is read where the player asks for it."""
MOST_SHOWN = 20
_LAYER = re.compile(r"(?:^|\.)(?:layers|h|blocks)\.(\d+)\.(.+)")
_REST = "embeddings, head and the rest"


@dataclass(frozen=True, kw_only=True)
class Bar:
    move: Move
    label: str
    share: float
    """Of the farthest move of all, 0 to 1."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    title: str
    bars: list[Bar]

    @property
    def farthest(self) -> float:
        return max(bar.share for bar in self.bars)

    @property
    def flagged(self) -> int:
        return sum(bool(bar.move.flags) for bar in self.bars)


@dataclass(frozen=True, kw_only=True)
class Loss:
    pair: LossPair

    @property
    def tone(self) -> str:
        return "moss" if self.pair.b < self.pair.a else "blood" if self.pair.b > self.pair.a else "plain"

    @property
    def verdict(self) -> str:
        return {"moss": "better", "blood": "worse"}.get(self.tone, "the same")

    @property
    def change(self) -> str:
        return formatting.deviation(self.pair.b / self.pair.a - 1) if self.pair.a else formatting.UNKNOWN


@dataclass(frozen=True, kw_only=True)
class Pair:
    before: Chosen
    after: Chosen
    size_bytes: int
    strips_before: list[Strip]
    strips_after: list[Strip]
    said: Comparison | None
    """None where nobody asked for so much to be read."""
    layers: list[Layer]
    losses: list[Loss]
    tensor: str
    """Of which the single weights are shown; empty: none."""
    weights: list[WeightChange]


def read_pair(world: World, before: Chosen, after: Chosen, *, whole: bool = False, tensor: str = "") -> Pair:
    """`whole` reads the weights however many there are. Raises VaultError."""
    hero, a, b = before.hero, before.name, after.name
    rows = Checkpoint.objects.filter(hero=hero, name__in=(a, b))
    size = rows.aggregate(size=Sum("size_bytes"))["size"] or 0
    said = None
    if whole or size <= LARGEST_AT_ONCE_BYTES:
        said = compare_checkpoints(world, hero, a, b)
    strips = strips_of(hero, [a, b])
    return Pair(
        before=before,
        after=after,
        size_bytes=size,
        strips_before=strips[before.name],
        strips_after=strips[after.name],
        said=said,
        layers=_layers(said.moves) if said else [],
        losses=[Loss(pair=pair) for pair in said.losses] if said else [],
        tensor=tensor,
        weights=changed_weights(world, hero, a, b, tensor, count=MOST_SHOWN) if tensor else [],
    )


def _layers(moves: tuple[Move, ...]) -> list[Layer]:
    """The first layer first, what is in none last."""
    farthest = max((one.relative or 0.0 for one in moves), default=0.0)
    found: dict[int | None, list[Bar]] = {}
    for one in moves:
        match = _LAYER.search(one.name)
        share = (one.relative or 0.0) / farthest if farthest else 0.0
        bar = Bar(move=one, label=match[2] if match else one.name, share=share)
        found.setdefault(int(match[1]) if match else None, []).append(bar)
    numbers = sorted(number for number in found if number is not None)
    rest = [None] if None in found else []
    return [
        Layer(title=_REST if number is None else f"layer {number}", bars=sorted(found[number], key=_by_name))
        for number in [*numbers, *rest]
    ]


def _by_name(bar: Bar) -> str:
    return bar.label
