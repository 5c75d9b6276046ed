"""What a notice says: one event in its own words, several counted by kind with the newest of each."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sentinels.notices.events import EVENTS
from sentinels.notices.outbox import Waiting

LONGEST_TITLE, LONGEST_LINE, LONGEST_BODY = 120, 300, 1500
_APART = "\u200b"
"""Without width: what a quest's name holds calls nobody, and makes no link."""
_CALLING = re.compile(r"@(?=\S)|<(?=[@!#/a-zA-Z])|\](?=\()")


@dataclass(frozen=True, kw_only=True)
class Message:
    title: str
    body: str


def compose(hero: str, waiting: Sequence[Waiting], *, left_out: int = 0, origin: str = "") -> Message:
    """Of at least one event. `origin` is where the pages are opened from elsewhere, empty where they are not."""
    lines = list(_lines(waiting))
    if left_out:
        lines.append(f"and {left_out} more")
    if origin:
        lines.append(f"{origin}/")
    held = " while you slept" if any(event.was_held for event in waiting) else ""
    title = f"{hero}: {', '.join(counted(waiting))}{held}"
    return Message(title=_cut(title, LONGEST_TITLE), body=_cut("\n".join(lines), LONGEST_BODY))


def counted(waiting: Sequence[Waiting]) -> Iterable[str]:
    """`3 level-ups`, or `level-up` where it is all that there is."""
    by_event = _by_event(waiting)
    if len(waiting) == 1:
        yield EVENTS[waiting[0].event].title
        return
    for name, events in by_event.items():
        yield f"{len(events)} {EVENTS[name].plural if len(events) > 1 else EVENTS[name].title}"


def harmless(text: str) -> str:
    """On one line, without control characters, calling nobody."""
    plain = "".join(" " if unicodedata.category(letter) in ("Cc", "Zl", "Zp") else letter for letter in text)
    visible = "".join(letter for letter in plain if unicodedata.category(letter) not in ("Cf", "Cs"))
    return _CALLING.sub(lambda found: found[0] + _APART, " ".join(visible.split()))


def _lines(waiting: Sequence[Waiting]) -> Iterable[str]:
    for name, events in _by_event(waiting).items():
        newest = _cut(harmless(events[-1].message), LONGEST_LINE)
        yield newest if len(events) == 1 else f"{len(events)} {EVENTS[name].plural}, the newest: {newest}"


def _by_event(waiting: Sequence[Waiting]) -> dict[str, list[Waiting]]:
    """In the order of the table, what is worth most first."""
    found = {name: [event for event in waiting if event.event == name] for name in EVENTS}
    return {name: events for name, events in found.items() if events}


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
