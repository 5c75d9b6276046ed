"""Server-sent events, parsed as the standard says."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Heard:
    name: str
    id: str
    data: dict[str, Any]


def parsed(text: str) -> list[Heard]:
    """The whole events of it."""
    return [_event(block) for block in text.split("\n\n")[:-1] if block.startswith("event:")]


def _event(block: str) -> Heard:
    fields = dict(line.split(": ", 1) for line in block.split("\n"))
    return Heard(fields["event"], fields["id"], json.loads(fields["data"]))


def steps_of(heard: Iterable[Heard]) -> list[int]:
    return [point[0] for event in heard if event.name == "progress" for point in event.data["points"]]


def seqs_of(heard: Iterable[Heard]) -> list[int]:
    return [event.data["seq"] for event in heard if "seq" in event.data]
