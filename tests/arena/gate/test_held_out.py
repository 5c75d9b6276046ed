"""Rows of the player's quests that are held out: which, how many, and that nobody trains on them."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arena.gate import held_out, row_index
from arena.gate import report as reports
from arena.gate.duplicates import digest_of
from arena.gate.findings import findings_beside
from arena.gate.held_out import HeldOutRows
from arena.gate.inspection import Look, inspect_in_place
from arena.gate.report import Report, companion
from arena.gate.rules import GateRules
from arena.recipe import Recipe
from arena.rows.model import Message
from arena.rows.parse import Row, read_rows
from arena.rows.written import to_jsonl
from realm.world import World


def row(number: int) -> str:
    return json.dumps({"instruction": f"question {number}", "output": f"answer {number}"})


def inspected(path: Path, lines: Sequence[str], known: HeldOutRows | None = None, **rules: Any) -> Report:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))
    look = Look(rules=GateRules(**rules), recipe=Recipe(), held_out=known)
    return inspect_in_place(path, look, on_progress=lambda rows, size: None)


def held(path: Path) -> list[str]:
    records = row_index.load(companion(path, reports.ROWS))
    assert records is not None
    lines = path.read_text().splitlines()
    return sorted(lines[number - 1] for number in row_index.held_out_lines(records).tolist())


@pytest.mark.parametrize(
    ("rows", "rules", "expected"),
    [
        (199, {}, 0),
        (200, {}, 20),
        (400, {}, 20),
        (500, {}, 25),
        (600, {"held_out_share": 0.5, "held_out_most": 100}, 100),
        (300, {"held_out_share": 0.0}, 0),
        (60, {"held_out_from_rows": 50, "held_out_least": 5}, 5),
    ],
)
def test_a_share_within_bounds_is_held_out(tmp_path: Path, rows: int, rules: dict[str, Any], expected: int) -> None:
    path = tmp_path / "own.jsonl"
    report = inspected(path, [row(number) for number in range(rows)], **rules)
    assert (report.held_out, report.taken, report.refused_count) == (expected, rows - expected, 0)
    assert report.spotless
    assert report.held_out_note.startswith(f"{expected} of its {rows} rows" if expected else "No row is held out")
    assert reports.is_complete(path)


def test_what_the_guild_makes_has_none(tmp_path: Path) -> None:
    for name in ("bin-level-1-0001", "sparring-bin-level-1-100-0001"):
        assert inspected(tmp_path / f"{name}.jsonl", [row(number) for number in range(300)]).held_out == 0


def test_which_ones_follows_from_what_rows_say_wherever_they_stand(tmp_path: Path) -> None:
    lines = [row(number) for number in range(300)]
    spaced = [
        json.dumps(dict(reversed(json.loads(line).items())), indent=None, separators=(" , ", " : ")) for line in lines
    ]
    inspected(tmp_path / "a.jsonl", lines)
    inspected(tmp_path / "b.jsonl", spaced[::-1])
    as_said = [json.loads(line) for line in held(tmp_path / "b.jsonl")]
    assert sorted(said["instruction"] for said in as_said) == sorted(
        json.loads(line)["instruction"] for line in held(tmp_path / "a.jsonl")
    )


def copies_on_both_sides(tmp_path: Path) -> bool:
    lines = [row(number) for number in range(200)] * 2
    inspected(tmp_path / "q.jsonl", lines, duplicates="allow")
    out = held(tmp_path / "q.jsonl")
    assert out
    return any(out.count(line) != 2 for line in set(out))


def test_copies_fall_on_one_side(tmp_path: Path) -> None:
    assert not copies_on_both_sides(tmp_path)


def test_twin_chosen_by_place_copies_fall_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def by_place(digests: Any, candidate: Any, wanted: int, *, most: int) -> Any:
        return np.arange(len(digests)) < wanted

    monkeypatch.setattr(held_out, "choose", by_place)
    assert copies_on_both_sides(tmp_path)


def test_a_row_with_too_many_copies_is_trained_on(tmp_path: Path) -> None:
    report = inspected(tmp_path / "q.jsonl", [row(1)] * 300 + [row(2)] * 3, duplicates="allow")
    assert report.held_out == 3
    assert report.taken == 300


def again(tmp_path: Path, world: World) -> Report:
    """A quest of 300 rows was fought; then 100 of them, its held-out ones among them, come with 200 new ones."""
    first = tmp_path / "first.jsonl"
    report = inspected(first, [row(number) for number in range(300)])
    out = held(first)
    lines = first.read_text().splitlines()
    kept = [said.content for said in read_rows(first) if isinstance(said, Row) and lines[said.line - 1] in out]
    held_out.file_of(world.validation_quests, "first", report.sha256).write_bytes(to_jsonl(kept))
    others = [line for line in lines if line not in out][:80]
    known = HeldOutRows(world.validation_quests)
    same = inspected(tmp_path / "again.jsonl", lines, known)
    assert (same.sha256, same.held_out, held(tmp_path / "again.jsonl")) == (report.sha256, 20, out)
    return inspected(tmp_path / "second.jsonl", [*others, *out, *map(row, range(1000, 1200))], known)


def test_rows_held_out_once_are_never_trained_on_later(tmp_path: Path) -> None:
    world = World(tmp_path / "world")
    world.create()
    report = again(tmp_path, world)
    assert report.refused_by_kind == {"held-out": 20}
    assert "held out of the quest first" in report.refused[0].reason
    assert (report.held_out, report.taken) == (20, 260)
    assert report.fault is None


def test_twin_where_nobody_remembers_they_are_trained_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path / "world")
    world.create()
    monkeypatch.setattr(HeldOutRows, "all", lambda self: np.empty(0, np.uint64))
    assert again(tmp_path, world).refused_by_kind == {}


def test_pages_say_why_such_a_row_is_not_trained_on(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    inspected(path, [row(number) for number in range(200)])
    findings = findings_beside(path)
    assert findings.index is not None
    line = int(row_index.held_out_lines(findings.index)[0])
    refusal = findings.set_aside(line)
    assert refusal is not None
    assert refusal.kind == "held-out"
    assert findings.refused_count == 0
    assert not companion(path, reports.QUARANTINE).exists()


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"held_out_share": 1.0}, "held_out_share: 1.0 is not allowed; allowed are 0 to 0.5"),
        (
            {"held_out_least": 300},
            "held_out_least: 300 must be below held_out_from_rows, which is 200: else a quest of",
        ),
        ({"held_out_most": 10}, "held_out_least: 20 must be at most held_out_most, which is 10"),
    ],
)
def test_a_share_that_leaves_nothing_is_refused_in_words(rules: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("(", r"\(")):
        GateRules(**rules)


def test_two_quests_of_a_name_have_sets_of_two_names(tmp_path: Path) -> None:
    for number, digits in enumerate(("bbbbbbbb", "aaaaaaaa")):
        path = held_out.file_of(tmp_path, "own", digits * 8)
        path.write_text("")
        os.utime(path, (number, number))
    assert list(held_out.set_names(tmp_path).values()) == ["quest/own", "quest/own-aaaaaaaa"]


def test_rows_are_written_as_they_are_read(tmp_path: Path) -> None:
    talk = (
        Message("system", "Be kind."),
        Message("user", "1+1?"),
        Message("assistant", "<think>\none\n</think>\n\n2", given=True),
        Message("user", "and 2+2?\u2028"),
        Message("assistant", "4"),
    )
    path = tmp_path / "rows.jsonl"
    path.write_bytes(to_jsonl([talk, "Only text.\nTwo lines."]))
    found = [said.content for said in read_rows(path) if isinstance(said, Row)]
    assert [digest_of(content) for content in found] == [digest_of(talk), digest_of("Only text.\nTwo lines.")]
