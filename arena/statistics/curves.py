"""The curves of a battle for other programs: CSV with a line a step, or JSON, written piece by piece."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import orjson

from arena import steps
from arena.statistics.convergence import validation_points
from arena.statistics.source import Source
from arena.steps import Records

COLUMNS = (
    "step", "quest_step", "time", "loss", "learning_rate", "grad_norm", "step_seconds", "tokens", "trained_tokens",
    "slots", "memory_bytes",
)  # fmt: skip
LEAST_POINTS, MOST_POINTS = 10, 10_000_000


@dataclass(frozen=True, kw_only=True)
class ValidationCurve:
    """The losses over one set, in nats; sets of one name over other rows are curves of their own."""

    name: str
    rows: int | None
    sha256: str | None
    label: str
    """Its name, and where the battle met it over several sets of rows the beginning of their digest."""
    points: tuple[tuple[int, float], ...]
    """(the hero's step, loss), in order."""


def validation_curves(source: Source) -> list[ValidationCurve]:
    """One a set, in the order in which they were first scored."""
    found = validation_points(source)
    names = [name for name, _, _ in found]
    return [
        ValidationCurve(
            name=name, rows=rows, sha256=digest, points=tuple(points),
            label=name if names.count(name) == 1 else f"{name} {(digest or str(rows))[:8]}",
        )
        for (name, rows, digest), points in found.items()
    ]  # fmt: skip


def as_csv(source: Source, *, points: int | None = None) -> Iterator[bytes]:
    """Pieces of UTF-8: a header, then a line a step, losses in nats and times in Unix seconds.

    Each validation set is a column of its own, filled where it was scored; a score without a step of its own, as the
    one before the first, has a line of its own. With `points` about so many steps that keep every stretch's lowest and
    highest loss.
    """
    curves = validation_curves(source)
    header = [*COLUMNS, *(_quoted(f"val_loss {curve.label}") for curve in curves)]
    yield ",".join(header).encode() + b"\n"
    scored = _by_step(curves)
    for records in _pieces(source, points):
        last = int(records["step"][-1])
        lines = _merged(records, {step: scored.pop(step) for step in sorted(scored) if step <= last}, len(curves))
        yield b"\n".join(lines) + b"\n"
    if scored:
        yield b"\n".join(_score_line(step, scored[step], len(curves)) for step in sorted(scored)) + b"\n"


def as_json(source: Source, *, points: int | None = None, statistics: dict[str, Any] | None = None) -> Iterator[bytes]:
    """Pieces of one JSON document: `columns` names what each of `rows` holds; `validation` are curves by set.

    null stands for what is no finite number. `statistics` are put before the curves.
    """
    order = source.order
    about: dict[str, Any] = {
        "battle": source.battle,
        "hero": order.hero if order else None,
        "quest": order.quest if order else None,
        "steps": source.count,
        "columns": COLUMNS,
        "validation": [asdict(curve) for curve in validation_curves(source)],
    }
    if statistics is not None:
        about["statistics"] = statistics
    yield orjson.dumps(about)[:-1] + b',"rows":['
    before = b"\n"
    for records in _pieces(source, points):
        rows = (b"[" + b",".join(row) + b"]" for row in _rows(records))
        yield before + b",\n".join(rows)
        before = b",\n"
    yield b"\n]}\n"


def _pieces(source: Source, points: int | None) -> Iterable[Records]:
    if points is None or points >= source.count:
        return source.chunks()
    thinned = steps.thin(source.records, points)
    return [thinned] if len(thinned) else []


def _rows(records: Records) -> Iterable[tuple[bytes, ...]]:
    """The shortest digits that are read as the very same number."""
    columns = (np.ascontiguousarray(records[name]) for name in COLUMNS)
    texts = [orjson.dumps(column, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].split(b",") for column in columns]
    return zip(*texts, strict=True)


def _merged(records: Records, scored: dict[int, dict[int, float]], sets: int) -> list[bytes]:
    lines = [b",".join(row).replace(b"null", b"nan") + b"," * sets for row in _rows(records)]
    for step in sorted(scored, reverse=True):
        place = int(np.searchsorted(records["step"], step))
        if records["step"][place] == step:
            lines[place] = lines[place][: len(lines[place]) - sets] + _scores(scored[step], sets)
        else:
            lines.insert(place, _score_line(step, scored[step], sets))
    return lines


def _score_line(step: int, scores: dict[int, float], sets: int) -> bytes:
    return b"%d" % step + b"," * (len(COLUMNS) - 1) + _scores(scores, sets)


def _scores(scores: dict[int, float], sets: int) -> bytes:
    return b"".join(b"," + (orjson.dumps(scores[place]) if place in scores else b"") for place in range(sets))


def _by_step(curves: list[ValidationCurve]) -> dict[int, dict[int, float]]:
    """Losses by step and the set's place among the curves."""
    found: dict[int, dict[int, float]] = {}
    for place, curve in enumerate(curves):
        for step, loss in curve.points:
            found.setdefault(step, {})[place] = loss
    return found


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(mark in text for mark in ',"\n\r') else text
