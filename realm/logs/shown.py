"""Lines and services as a terminal shows them; nothing that was logged drives it, or looks like another line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from realm.logs.bounded import harmless
from realm.logs.levels import chosen_levels
from realm.logs.line import LogLine
from realm.logs.reading import tail
from realm.logs.sources import sources
from realm.world import World

_INDENT = "\n    "
_LONGEST_LAST = 90


@dataclass(frozen=True, kw_only=True)
class ServiceLog:
    service: str
    level: str
    """From what on it logs."""
    size_bytes: int
    last: LogLine | None


def services(world: World, *, default: str) -> list[ServiceLog]:
    """Those that have logged; `default` is the setting `log_level`."""
    chosen = chosen_levels(world)
    found = []
    for name, source in sources(world).items():
        lines = tail(world, name, limit=1).lines
        found.append(
            ServiceLog(
                service=name,
                level=chosen.get(name, default),
                size_bytes=source.size_bytes,
                last=lines[-1] if lines else None,
            )
        )
    return found


def in_a_row(told: ServiceLog, width: int) -> str:
    """`width` is that of the longest name."""
    last = in_words(told.last).partition("\n")[0][:_LONGEST_LAST] if told.last else "-"
    return harmless(f"{told.service:<{width}} {told.level:<8} {told.size_bytes / 1e6:>8.1f} MB  {last}")


def in_words(line: LogLine) -> str:
    """One line, and below it, indented, the further ones of its message and of a trace."""
    trace = line.fields.get("exception")
    told = trace.get("trace") if isinstance(trace, Mapping) else None
    below = "".join(f"\n{part}" for part in told if isinstance(part, str)) if isinstance(told, list) else ""
    head = f"{_local(line.time)} {line.level.upper():<8}" if line.time else f"{'':19} {'':8}"
    event = f"{line.event}: " if line.event and "." not in line.event else ""
    return harmless(f"{head} {event}{line.message}{below}").replace("\n", _INDENT)


def _local(time: str) -> str:
    try:
        return datetime.fromisoformat(time).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError):
        return time[:19]
