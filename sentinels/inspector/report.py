"""What the last whole patrol found, in `status/health.json`: written at its end, read by pages and the chronicle."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any

from realm.disk import durable, mailbox
from realm.disk.mailbox import Damaged
from realm.heartbeat import Heartbeat
from realm.world import World
from sentinels.inspector.finding import VERDICTS, Finding, Verdict, worst

HEALTH_FILE = "health.json"
LARGEST_BYTES = 4 * 2**20
_LATEST = 2.0**35
"""Beyond it lies no moment that a calendar has."""
_OLD_SENTENCE = "said"
"""As releases before the patrol wrote it."""


@dataclass(frozen=True, kw_only=True)
class Report:
    time: float
    """When it ended, in seconds since 1970."""
    verdict: Verdict
    found: tuple[Finding, ...]


def write_report(world: World, found: Iterable[Finding]) -> Report:
    """Raises OSError."""
    findings = tuple(found)
    report = Report(time=time.time(), verdict=worst(findings), found=findings)
    durable.write_json(world.status / HEALTH_FILE, asdict(report), sync=False)
    return report


def read_report(world: World) -> Report | None:
    """None where no patrol was made, or nobody can read what it wrote; an entry that is no finding is passed over."""
    try:
        heartbeat = Heartbeat(mailbox.read_json(world.status / HEALTH_FILE, largest_bytes=LARGEST_BYTES))
    except (OSError, Damaged):
        return None
    found = tuple(finding for entry in heartbeat.mappings("found") if (finding := _finding(entry)))
    if heartbeat.time is None or not 0 <= heartbeat.time < _LATEST:
        return None
    return Report(time=heartbeat.time, verdict=worst(found), found=found)


def _finding(entry: dict[str, Any]) -> Finding | None:
    entry = {"sentence": entry.get(_OLD_SENTENCE)} | entry
    texts = {field.name: str(entry.get(field.name) or "") for field in fields(Finding) if field.name != "verdict"}
    verdict = next((each for each in VERDICTS if each == entry.get("verdict")), None)
    return Finding(verdict=verdict, **texts) if verdict and texts["what"] else None
