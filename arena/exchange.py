"""What several processes that train together send each other, and whether it is worth it. No torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

from arena.estimate import FLOAT32
from arena.recipe import Recipe

_ROUNDS = {"ddp": 2, "fsdp2": 3}
"""Ways around the ring of processes a step: the gradients' sums are formed and handed out; FSDP2 forms them, and hands
out the weights for the forward and for the backward pass."""
LEAST_GAIN = 1.1
"""Times as fast as alone, below which it is not worth a second processor."""
_COMMON_GBIT = (1.0, 10.0)
"""Of Ethernet, for a link that nobody named."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """What battles of this size took, in seconds of a step; None where none was measured."""

    alone: float | None = None
    """Of one process."""
    together: float | None = None
    """Of as many processes as are asked about."""
    shares_cores: bool = False
    """The processes compute on one CPU, so that each of them is slower than one alone."""


@dataclass(frozen=True, kw_only=True)
class Exchange:
    bytes_a_step: int
    """That each process sends, and as many that it receives."""
    seconds: float | None
    """Of a step, at the speed of the link, both ways at once; None for a link that nobody named."""
    gain: float | None
    """Times as fast as one process; None where nobody knows it."""
    sentence: str


def bytes_a_step(trained: int, recipe: Recipe) -> int:
    """Of `trained` parameters, whose gradients are summed in float32."""
    return _ROUNDS[recipe.strategy] * (recipe.ranks - 1) * FLOAT32 * trained // recipe.ranks


def exchange_of(trained: int, recipe: Recipe, pace: Pace, *, link_gbit: float | None = None) -> Exchange | None:
    """None for one process alone. What was measured goes before what is reckoned.

    What is reckoned is the least gain: DDP sends while the backward pass goes on, where the link leaves it the time.
    """
    if recipe.ranks == 1:
        return None
    sent = bytes_a_step(trained, recipe)
    seconds = None if link_gbit is None else _over(link_gbit, sent)
    gain = _gain(recipe, pace, seconds)
    return Exchange(
        bytes_a_step=sent, seconds=seconds, gain=gain, sentence=_sentence(recipe, pace, sent, link_gbit, gain)
    )


def computed_share(recipe: Recipe) -> float:
    """What the busiest process computes of a step: whole micro-batches are handed out."""
    batches = _micro_batches(recipe)
    return math.ceil(batches / recipe.ranks) / batches


def _micro_batches(recipe: Recipe) -> int:
    return math.ceil(recipe.rows_per_step / recipe.rows_per_micro_batch)


def _over(link_gbit: float, sent: int) -> float:
    return 8 * sent / (link_gbit * 1e9)


def _gain(recipe: Recipe, pace: Pace, seconds: float | None) -> float | None:
    if pace.alone is None:
        return None
    if pace.together is not None:
        return pace.alone / pace.together
    if seconds is None or pace.shares_cores:
        return None
    return pace.alone / (pace.alone * computed_share(recipe) + seconds)


def _sentence(recipe: Recipe, pace: Pace, sent: int, link_gbit: float | None, gain: float | None) -> str:
    speeds = _COMMON_GBIT if link_gbit is None else (link_gbit,)
    takes = " and ".join(f"{_time(_over(gbit, sent))} at {gbit:g} Gbit/s" for gbit in speeds)
    told = f"{_size(sent)} a step take {takes}"
    if idle := _idle(recipe):
        return f"Not worth it: {idle}. {told}."
    if pace.shares_cores and pace.together is None:
        return f"The processes share this CPU's cores, so that little is gained. {told}."
    if pace.alone is None:
        return f"{told}. Whether that is worth it is known once one process has fought a battle of this size."
    if pace.together is not None and gain is not None:
        beside = f"a step took {_time(pace.together)} in place of {_time(pace.alone)}, as measured"
        return f"{_verdict(gain)}: {beside}. {told}."
    beside = f"{told}, beside {_time(pace.alone * computed_share(recipe))} of computing in place of {_time(pace.alone)}"
    return f"{_needed(recipe, pace.alone, sent) if gain is None else _verdict(gain)}: {beside}."


def _verdict(gain: float) -> str:
    return f"Worth it, {gain:.2g} times as fast" if gain >= LEAST_GAIN else "Not worth it"


def _needed(recipe: Recipe, alone: float, sent: int) -> str:
    """The slowest link that is worth it."""
    spared = alone * (1 / LEAST_GAIN - computed_share(recipe))
    return f"Worth it over {8 * sent / spared / 1e9:.2g} Gbit/s or more" if spared > 0 else "Not worth it"


def _idle(recipe: Recipe) -> str:
    """Why a process would have nothing to compute; empty where each has something."""
    batches, processes = _micro_batches(recipe), recipe.ranks
    if batches >= processes:
        return ""
    each = recipe.rows_per_step // processes
    mend = f"rows_per_micro_batch {each} or less" if each else f"rows_per_step {processes} or more"
    there = "1 micro-batch" if batches == 1 else f"{batches} micro-batches"
    return f"a step has {there} for {processes} processes; {mend} gives each one"


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.3g} MB"


def _time(seconds: float) -> str:
    return f"{seconds:.2g} s" if seconds >= 1 else f"{1e3 * seconds:.3g} ms"
