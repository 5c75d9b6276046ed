"""Which answers a task of reasoning-gym may be given to score.

Several tasks read an answer with sympy, which evaluates it as Python: a hero taught by a stranger's quest could make it
run anything, or reckon without end. So an answer that looks like more than a text, a list or a plain term is not handed
over; it is right only if it is the golden one.
"""

from __future__ import annotations

import re

LONGEST = 10_000
_FUNCTIONS = frozenset(
    {"sin", "cos", "tan", "cot", "sec", "csc", "asin", "acos", "atan", "sinh", "cosh", "tanh", "exp", "log", "ln"}
    | {"sqrt", "abs", "Abs", "pi"}
)
_WORD = re.compile(r"[^\W\d]\w+")
"""Of two letters or more, in whatever script: Python takes full-width letters for plain ones."""
_POWER = re.compile(r"\*\*|\^")
_SMALL_EXPONENT = re.compile(r"\s*(-?\d{1,3}|[a-z]|\(\s*-?\d{1,3}\s*(/\s*\d{1,3}\s*)?\))(?!\s*(\d|\.|\w|\*\*|\^|\())")
_FACTORIAL = re.compile(r"[\w)\]]\s*!(?!=)")
_SWELLING = re.compile(r"""[\]'"]\s*[*%]|\*\s*[\['"]|<<|[rR]?[fF][rR]?['"][^'"]*\{""")
"""Repeated lists and texts, shifts, formatted texts: a few characters that fill the memory."""


def is_harmless(answer: str) -> bool:
    if len(answer) > LONGEST:
        return False
    if "(" in answer and not _FUNCTIONS.issuperset(_WORD.findall(answer)):
        return False  # it may be a call
    powers = all(_SMALL_EXPONENT.match(answer, power.end()) for power in _POWER.finditer(answer))
    return powers and not _FACTORIAL.search(answer) and not _SWELLING.search(answer)
