"""What has become of each of the hero's stats, as a chip beside it; so in `static/js/home/gains.js`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tavern import formatting


@dataclass(frozen=True, kw_only=True)
class Chip:
    text: str
    """Empty where it is so little that it cannot be said."""
    tone: str
    since: str

    @classmethod
    def of(cls, change: float, say: Callable[[float | None], str], *, since: str) -> Chip:
        text, is_more = say(abs(change)), change > 0
        text = "" if text == say(0) else f"{'▲' if is_more else '▼'} {text}"
        return cls(text=text, tone="better" if is_more else "worse", since=since)


def chips(hero: dict[str, Any]) -> dict[str, Chip]:
    """What has become of each stat since the checkpoint before; none where nothing compares."""
    said = {"attack": formatting.hundredfold, "defense": formatting.hundredfold, "accuracy": formatting.percent}
    found = {}
    for stat, say in said.items():
        now, before, since = (hero[name] for name in (stat, f"{stat}_before", f"{stat}_since"))
        if now is not None and before is not None:
            found[stat] = Chip.of(now - before, say, since=f"since checkpoint {since:,}")
    if hero["gold_today"]:
        found["gold"] = Chip.of(hero["gold_today"], formatting.brief, since="in the last 24 hours")
    return found
