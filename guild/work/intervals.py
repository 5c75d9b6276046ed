"""How sure a share of right answers is, so that noise is not read as progress."""

from __future__ import annotations

import math
from statistics import NormalDist

CONFIDENCE = 0.95
_Z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)


def wilson(correct: int, total: int) -> tuple[float, float]:
    """The 95% interval of a share, each bound 0 to 1. Source: Wilson 1927, without continuity correction."""
    if not 0 <= correct <= total or total == 0:
        raise ValueError(f"{correct} of {total} is no share")
    share, squared = correct / total, _Z**2 / total
    middle = (share + squared / 2) / (1 + squared)
    half = _Z / (1 + squared) * math.sqrt(share * (1 - share) / total + squared / (4 * total))
    return max(0.0, middle - half), min(1.0, middle + half)


def difference(before: tuple[int, int], after: tuple[int, int]) -> tuple[float, float]:
    """The 95% interval of how much higher the share `after` is; both are (correct, total), of independent problems.

    Source: Newcombe 1998, method 10. On the same problems twice it is wider than it need be, never too narrow while
    the two agree more often than chance.
    """
    (low_before, high_before), (low_after, high_after) = wilson(*before), wilson(*after)
    share_before, share_after = before[0] / before[1], after[0] / after[1]
    down = math.hypot(share_after - low_after, high_before - share_before)
    up = math.hypot(high_after - share_after, share_before - low_before)
    gain = share_after - share_before
    return gain - down, gain + up
