"""How numbers read in the game. `static/js/shared/format.js` says the same in the browser; one table tests both.

None and what is not finite become words, never 0.
"""

from __future__ import annotations

import math
from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal

UNKNOWN = "--"
_TWO_DIGITS = Context(prec=2, rounding=ROUND_HALF_UP)


def not_a_number(value: float | None) -> str | None:
    """The word for a value that has no digits; None for an ordinary number."""
    if value is None:
        return UNKNOWN
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return None


def fixed(value: float, digits: int, rounding: str = ROUND_HALF_UP) -> str:
    """As JavaScript's Intl: rounds the shortest decimal form, a tie away from zero."""
    return f"{Decimal(repr(float(value))).quantize(Decimal(1).scaleb(-digits), rounding):,}"


def whole(value: float | None) -> str:
    """`2,317`."""
    return not_a_number(value) or fixed(float(value or 0), 0, ROUND_DOWN)


def compact(value: float | None) -> str:
    """`871`, `3.1k`, `31.2k`, `312k`, `1.2M`."""
    word = not_a_number(value)
    if word is not None or value is None:
        return word or UNKNOWN
    for unit, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= unit:
            scaled = value / unit
            return fixed(scaled, 1 if abs(scaled) < 100 else 0, ROUND_DOWN) + suffix
    return whole(value)


def brief(value: float | None) -> str:
    """At most six characters: `99,999`, then `128.9k`, `1.2M`; from 1e15 on `1.2e15`."""
    word = not_a_number(value)
    if word is not None or value is None:
        return word or UNKNOWN
    if abs(value) < 1e5:
        return whole(value)
    for unit, suffix in ((1e3, "k"), (1e6, "M"), (1e9, "G"), (1e12, "T")):
        if abs(value) < unit * 1e3:
            return fixed(value / unit, 1, ROUND_DOWN) + suffix
    return scientific(value)


def loss(value: float | None) -> str:
    """Four significant digits: `2.310`, `0.04512`; below a thousandth and from a million on `1.2e-5`."""
    word = not_a_number(value)
    if word is not None or value is None:
        return word or UNKNOWN
    if value != 0 and not 1e-3 <= abs(value) < 1e6:
        return scientific(value)
    digits = 3 if value == 0 else 3 - math.floor(math.log10(abs(value)))
    return fixed(value, max(0, digits))


def scientific(value: float | None) -> str:
    """`1.7e-4`."""
    word = not_a_number(value)
    if word is not None or value is None:
        return word or UNKNOWN
    # A tie away from zero, as JavaScript's toExponential.
    rounded = float(_TWO_DIGITS.create_decimal(value))
    digits, exponent = f"{rounded:.1e}".split("e")
    return f"{digits}e{int(exponent)}"


def rate(value: float | None) -> str:
    """Three significant digits without an exponent: `1.83`, `12.4`, `312`."""
    word = not_a_number(value)
    if word is not None or value is None:
        return word or UNKNOWN
    return fixed(value, 2 if value < 10 else 1 if value < 100 else 0)


def percent(fraction: float | None) -> str:
    """`28.9%` of a fraction 0 to 1, rounded down: only the whole is 100%."""
    word = not_a_number(fraction)
    if word is not None or fraction is None:
        return word or UNKNOWN
    # The nudge lets 0.29 * 100 = 28.999999999999996 be 29.
    return fixed(fraction * 100 + 1e-9, 1, ROUND_DOWN) + "%"


def deviation(fraction: float | None) -> str:
    """`+2.0%`, `-0.4%`: how far off something was."""
    word = not_a_number(fraction)
    if word is not None or fraction is None:
        return word or UNKNOWN
    text = fixed(abs(fraction) * 100, 1)
    return f"{'-' if fraction < 0 and float(text.replace(',', '')) else '+'}{text}%"


def size(value: float | None) -> str:
    """`871 B`, `31.2 kB`, `588 MB`, `2.26 GB`: three digits, units of a thousand."""
    word = not_a_number(value)
    if word is not None or value is None:
        return word or UNKNOWN
    for unit, suffix in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if abs(value) >= unit:
            return f"{rate(value / unit)} {suffix}"
    return f"{whole(value)} B"


def hundredfold(value: float | None) -> str:
    """At most six characters: `43.3` for an ATK or DEF of 0.433, `0.43`, `1,235`, `128.9k`; tiny ones `1.2e-5`."""
    word = not_a_number(value)
    if word is not None or value is None:
        return word or UNKNOWN
    shown = value * 100
    if abs(shown) >= 999.95:
        return brief(shown)
    if 0 < abs(shown) < 0.01:
        return scientific(shown)
    return fixed(shown, 2 if 0 < abs(shown) < 0.995 else 1)


def duration(seconds: float | None) -> str:
    """`42s`, `4m 12s`, `51m`, `1h 04m`, `2d 3h`."""
    word = not_a_number(seconds)
    if word is not None or seconds is None:
        return word or UNKNOWN
    left = max(0, int(seconds))
    if left < 60:
        return f"{left}s"
    if left < 300:
        return f"{left // 60}m {left % 60:02d}s"
    if left < 3600:
        return f"{left // 60}m"
    if left < 86400:
        return f"{left // 3600}h {left % 3600 // 60:02d}m"
    return f"{left // 86400}d {left % 86400 // 3600}h"
