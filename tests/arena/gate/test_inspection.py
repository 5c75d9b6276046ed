"""What the gatekeepers find in a quest: each refused row by line, kind and reason, and the counts that follow."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arena import embedded
from arena.gate import duplicates, inspection, row_index, warden
from arena.gate import report as reports
from arena.gate.duplicates import EarlierRows
from arena.gate.inspection import Look, inspect, inspect_in_place
from arena.gate.report import Report, companion
from arena.gate.rules import GateRules
from arena.gate.warden import EvaluatedProblems
from arena.recipe import Recipe
from arena.rows.masking import ChatMask
from arena.rows.packing import PackedOrder, count_rows, pack_best_fit_decreasing
from arena.rows.tokenizer import HeroTokenizer
from arena.rows.turn_check import UNLIKE_ASKED, TurnCheck
from tests.arena.rows import turn_shapes

RECIPE = Recipe(max_length=64, rows_per_step=4)


@pytest.fixture(scope="module")
def mask() -> ChatMask:
    return ChatMask(HeroTokenizer.load(embedded.SOURCE))


def look(mask: ChatMask | None = None, *, earlier: EarlierRows | None = None, **rules: Any) -> Look:
    return Look(rules=GateRules(**rules), recipe=RECIPE, mask=mask, earlier=earlier)


def row(prompt: str, completion: str) -> str:
    return json.dumps({"prompt": prompt, "completion": completion})


def write(path: Path, lines: Iterable[str]) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def good(count: int) -> list[str]:
    return [row(f"question {number}", f"answer {number}") for number in range(count)]


def in_place(path: Path, how: Look) -> Report:
    return inspect_in_place(path, how, on_progress=lambda rows, size: None)


def refused(report: Report) -> list[tuple[int, str]]:
    return [(refusal.line, refusal.kind) for refusal in report.refused]


def test_each_refused_row_is_named_by_line_and_kind(tmp_path: Path, mask: ChatMask) -> None:
    lines = good(40)
    lines[5] = lines[2]
    lines[10] = "{broken"
    lines[20] = row("a", "b" * 3000)
    lines[30] = row("Repeat this: the hero walks into the tavern", "The hero walks into the tavern")
    path = write(tmp_path / "q.jsonl", lines)
    report = in_place(path, look(mask))
    assert refused(report) == [(6, "duplicate"), (11, "json"), (21, "too-long"), (31, "leak")]
    assert (report.rows, report.taken, report.set_aside, report.fault) == (40, 36, 2, None)
    assert companion(path, reports.QUARANTINE).read_text().splitlines() == [lines[i] for i in (5, 10, 20, 30)]
    records = row_index.load(companion(path, reports.ROWS))
    assert records is not None
    assert row_index.set_aside_lines(records).tolist() == [6, 31]
    assert reports.is_complete(path)
    assert reports.read_report(path) == report


def test_tokens_and_steps_are_those_of_the_packing(tmp_path: Path, mask: ChatMask) -> None:
    lines = [row("q" * (number % 7), "word " * (number % 9 + 1) + str(number)) for number in range(300)]
    path = write(tmp_path / "q.jsonl", lines)
    report = in_place(path, look(mask))
    records = row_index.load(companion(path, reports.ROWS))
    assert records is not None
    taken = records[records["verdict"] == row_index.TAKEN]
    rows = PackedOrder(0, report.sha256).rows(taken["tokens"], RECIPE.max_length)
    assert report.packed_rows == len(rows)
    assert report.steps == -(-len(rows) // RECIPE.rows_per_step)
    assert (report.tokens, report.trained_tokens) == (taken["tokens"].sum(), taken["trained"].sum())
    assert report.lengths is not None
    assert sum(count for _, _, count in report.lengths.histogram) == report.taken
    assert (report.lengths.min, report.lengths.max) == (taken["tokens"].min(), taken["tokens"].max())


@pytest.mark.parametrize("row_length", [8, 64, 257])
def test_rows_are_counted_without_packing_them(row_length: int) -> None:
    for seed in range(200):
        dice = np.random.default_rng(seed)
        lengths = np.clip(dice.exponential(row_length / 4, dice.integers(1, 400)).astype(int), 1, row_length)
        counts = np.bincount(lengths, minlength=row_length + 1)
        assert count_rows(counts, row_length) == len(pack_best_fit_decreasing(lengths, row_length))


def test_the_look_without_files_leaves_none(tmp_path: Path, mask: ChatMask) -> None:
    path = write(tmp_path / "quests" / "q.jsonl", good(5))
    assert inspect(path, look(mask)).taken == 5
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("bad", "rules", "kind"),
    [(1, {}, None), (2, {}, None), (3, {}, "bad-rows"), (3, {"most_bad_share": 0.2}, None), (20, {}, "json")],
)
def test_too_many_bad_rows_refuse_the_quest(tmp_path: Path, bad: int, rules: dict[str, Any], kind: str | None) -> None:
    path = write(tmp_path / "q.jsonl", ["{"] * bad + good(20 - bad))
    report = inspect(path, look(**rules))
    assert (report.fault and report.fault.kind) == kind
    if report.fault:
        assert report.fault.line == 1
        assert f"({bad} of 20 rows are bad)" in report.fault.reason


def test_copies_do_not_count_as_bad(tmp_path: Path) -> None:
    path = write(tmp_path / "q.jsonl", good(3) * 10)
    report = inspect(path, look())
    assert (report.taken, report.fault) == (3, None)
    assert report.refused[0].reason == "the same row as line 1"


def test_forced_rules_take_what_can_be_read(tmp_path: Path) -> None:
    path = write(tmp_path / "q.jsonl", ["{"] * 15 + good(3) * 2)
    report = inspect(path, Look(rules=GateRules().forced(), recipe=RECIPE))
    assert (report.taken, report.fault) == (6, None)


@pytest.mark.parametrize("treatment", ["refuse", "warn", "allow"])
def test_a_row_of_an_earlier_quest_is_treated_as_the_settings_say(tmp_path: Path, treatment: str) -> None:
    lanes = [tmp_path / "normal", tmp_path / "done"]
    for lane in lanes:
        lane.mkdir()
    in_place(write(lanes[1] / "old.jsonl", good(5)), look())
    new = write(lanes[0] / "new.jsonl", [*good(2), row("new", "one")])
    report = in_place(new, look(earlier=EarlierRows(lanes), duplicates=treatment))
    found = [(finding.line, finding.reason) for finding in (*report.refused, *report.warnings)]
    expected = [(1, "the same row is in the earlier quest old"), (2, "the same row is in the earlier quest old")]
    assert found == ([] if treatment == "allow" else expected)
    assert report.taken == (1 if treatment == "refuse" else 3)


@pytest.mark.parametrize("leaves", ["moved", "deleted", "renamed"])
def test_a_quest_that_left_the_queue_is_no_earlier_one(tmp_path: Path, leaves: str) -> None:
    lane, failed = tmp_path / "normal", tmp_path / "failed"
    lane.mkdir()
    failed.mkdir()
    earlier = EarlierRows([lane])
    earlier.find(np.zeros(1, np.uint64))  # the folders are read; from now on it is told what comes
    old = write(lane / "old.jsonl", good(5))
    in_place(old, look())
    earlier.add(old)
    if leaves == "moved":
        for path in (*reports.companions(old), old):
            path.rename(failed / path.name)
    elif leaves == "deleted":
        for path in (*reports.companions(old), old):
            path.unlink()
    else:
        old.rename(lane / "other.jsonl")
        for path in [companion(old, suffix) for suffix in reports.FOUND]:
            path.unlink(missing_ok=True)
    again = write(lane / "old.jsonl", good(5))  # under the very same name
    assert in_place(again, look(earlier=earlier)).taken == 5


def test_twin_without_looking_for_the_file_the_rows_would_be_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EarlierRows, "_is_there", lambda *_: True)
    with pytest.raises(AssertionError):
        test_a_quest_that_left_the_queue_is_no_earlier_one(tmp_path, "moved")


def test_copies_are_found_across_buckets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "BUCKET_ROWS", 64)
    dice = np.random.default_rng(0)
    digests = dice.integers(0, 2**64, 700, dtype=np.uint64)
    digests[500:600] = digests[100:200]
    candidate = np.ones(700, dtype=bool)
    candidate[550] = False
    found = list(duplicates.find_twins(digests, candidate))
    pairs = {(int(a), int(b)) for part in found for a, b in zip(part.later, part.first, strict=True)}
    assert pairs == {(500 + i, 100 + i) for i in range(100) if i != 50}
    kept = np.concatenate([part.digests for part in found])
    assert np.array_equal(kept, np.unique(digests[candidate]))


def test_rows_of_an_evaluation_set_are_set_aside(tmp_path: Path) -> None:
    folder = tmp_path / "evaluation"
    folder.mkdir()
    write(folder / "bin-level-1.jsonl", [json.dumps({"prompt": "NOT  ①⓪", "answer": "⓪①"})])
    path = write(tmp_path / "q.jsonl", [*good(3), row("NOT ①⓪", "⓪①"), row("Say NOT ①⓪ please", "no")])
    how = replace(look(), evaluated=EvaluatedProblems((folder,)))
    assert refused(inspect(path, how)) == [(4, "evaluated")]


def test_the_deep_look_finds_quoted_problems_and_near_copies(tmp_path: Path) -> None:
    folder = tmp_path / "evaluation"
    folder.mkdir()
    write(folder / "set.jsonl", [json.dumps({"prompt": "how many goblins guard it", "answer": "7"})])
    lines = [*good(3), row("QUESTION: 1!", "answer 1."), json.dumps({"text": "So how many goblins guard it? Seven."})]
    path = write(tmp_path / "q.jsonl", lines)
    assert refused(inspect(path, replace(look(), evaluated=EvaluatedProblems((folder,))))) == []
    deep = replace(look(depth="deep"), evaluated=EvaluatedProblems((folder,)))
    assert refused(inspect(path, deep)) == [(4, "near-duplicate"), (5, "evaluated")]


@pytest.mark.parametrize(
    ("prompt", "answer", "leaks"),
    [
        ("Say: a rather long answer stands here", "A rather  long answer stands here", True),
        ("Is it yes or no?", "no", False),
        ("Say: a rather long answer stands here", "<think>hm</think>\n\na rather long answer stands here", True),
        ("What is said?", "a rather long answer stands here", False),
    ],
)
def test_an_answer_that_stands_in_its_prompt_is_a_leak(tmp_path: Path, prompt: str, answer: str, leaks: bool) -> None:
    path = write(tmp_path / "q.jsonl", [*good(20), row(prompt, answer)])
    assert refused(inspect(path, look())) == ([(21, "leak")] if leaks else [])
    assert refused(inspect(path, look(depth="quick"))) == []
    warned = inspect(path, look(leaks="warn"))
    assert [warning.kind for warning in warned.warnings] == (["leak"] if leaks else [])


def test_what_the_hero_would_read_as_a_special_token_is_warned_of(tmp_path: Path, mask: ChatMask) -> None:
    path = write(tmp_path / "q.jsonl", [*good(3), row("what is <|im_end|> for?", "an end")])
    report = inspect(path, look(mask))
    assert [(warning.line, warning.kind) for warning in report.warnings] == [(4, "special-token")]
    assert report.taken == 4


def test_long_rows_are_cut_where_the_recipe_says_so(tmp_path: Path, mask: ChatMask) -> None:
    path = write(tmp_path / "q.jsonl", [*good(3), row("a", "b " * 20_000)])
    how = replace(look(mask), recipe=replace(RECIPE, over_long="truncate"))
    report = inspect(path, how)
    assert (report.taken, [warning.kind for warning in report.warnings]) == (4, ["cut"])
    assert report.lengths is not None
    assert report.lengths.max == RECIPE.max_length


def test_a_text_too_long_for_any_tokenizer_is_not_tokenised(
    tmp_path: Path, mask: ChatMask, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    tokenize = mask.tokenize_many
    monkeypatch.setattr(mask, "tokenize_many", lambda rows: seen.append(len(rows)) or tokenize(rows))
    path = write(tmp_path / "q.jsonl", [*good(20), row("a", "b" * 2_000_000)])
    assert refused(inspect(path, look(mask))) == [(21, "too-long")]
    assert seen == [20]


def test_the_quarantine_has_a_limit_and_says_how_many_it_holds(tmp_path: Path) -> None:
    path = write(tmp_path / "q.jsonl", [*good(30), "{" + "x" * 900_000, "{" + "y" * 900_000])
    report = in_place(path, look(quarantine_mb=1))
    assert (report.refused_count, report.quarantined) == (2, 1)


def test_skill_and_level_are_those_of_the_hardest_row(tmp_path: Path) -> None:
    rows = [json.dumps(json.loads(line) | {"skill": "bin", "level": 1 + i % 2}) for i, line in enumerate(good(4))]
    path = write(tmp_path / "q.jsonl", rows)
    report = inspect(path, look())
    assert (report.skill, report.level) == ("bin", 2)
    report = inspect(write(path, [*rows, row("of nobody", "x")]), look())
    assert (report.skill, report.level) == (None, None)


def mixed(*parts: tuple[int, str, int]) -> list[str]:
    """Rows of skills and levels: how many, of which."""
    works = [{"skill": skill, "level": level} for count, skill, level in parts for _ in range(count)]
    return [json.dumps(json.loads(line) | work) for line, work in zip(good(len(works)), works, strict=True)]


FORGED = "bin-level-2-0007.jsonl"
FORGED_MIX = mixed((2, "bin", 1), (3, "bin", 2), (1, "bin", 3), (9, "sy", 5))


@pytest.mark.parametrize(
    ("name", "rows", "expected"),
    [
        (FORGED, FORGED_MIX, ("bin", 2)),
        (FORGED, [*FORGED_MIX, row("of nobody", "x")], ("bin", 2)),
        ("bin-level-4-0007.jsonl", FORGED_MIX, (None, None)),
        ("bin-level-4-0007.jsonl", mixed((3, "bin", 1), (2, "bin", 3)), ("bin", 3)),
        ("mine.jsonl", FORGED_MIX, (None, None)),
        ("sparring-bin-level-2-0007.jsonl", mixed((3, "bin", 2), (1, "bin", 3)), ("bin", 3)),
    ],
)
def test_a_forged_quest_is_for_what_its_name_says_if_it_has_such_rows(
    tmp_path: Path, name: str, rows: list[str], expected: tuple[str | None, int | None]
) -> None:
    report = inspect(write(tmp_path / name, rows), look())
    assert (report.skill, report.level) == expected


def test_twin_without_the_name_a_mixed_quest_is_of_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arena.gate.inspection.read_name", lambda name: None)
    report = inspect(write(tmp_path / FORGED, FORGED_MIX), look())
    assert (report.skill, report.level) == (None, None)
    report = inspect(write(tmp_path / FORGED, mixed((3, "bin", 2), (1, "bin", 3))), look())
    assert (report.skill, report.level) == ("bin", 3), "the level of the preview"


def test_an_error_leaves_nothing_half_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "quests" / "q.jsonl", good(5))
    monkeypatch.setattr(reports, "write_report", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(OSError, match="full"):
        in_place(path, look())
    assert list(path.parent.iterdir()) == [path]


def test_a_damaged_index_is_no_index(tmp_path: Path) -> None:
    path = write(tmp_path / "q.jsonl", good(5))
    in_place(path, look())
    index = companion(path, reports.ROWS)
    whole = index.read_bytes()
    for damaged in (b"", whole[:40], whole[:-3], whole.replace(b"NUMPY", b"PICKL")):
        index.write_bytes(damaged)
        assert not reports.is_complete(path)
    index.write_bytes(whole)
    assert reports.is_complete(path)
    assert warden.normalised(" a \n b ") == "a b"


def warned(tmp_path: Path, shape: str, line: str, template: str | None = None) -> list[tuple[int, str, str]]:
    path = write(tmp_path / "q.jsonl", [line])
    tokenizer = turn_shapes.tokenizer(shape)
    report = inspect(path, look(ChatMask(replace(tokenizer, template=template or tokenizer.template))))
    assert (report.taken, report.warned_count) == (1, len(report.warnings))
    return [(warning.line, warning.kind, warning.reason) for warning in report.warnings]


def test_rows_by_which_no_end_is_learned_are_warned_of(tmp_path: Path) -> None:
    no_end = [(1, "no-end", "no end of turn is trained: the hero would never learn to stop")]
    assert warned(tmp_path, "nothing ends a turn", row("a question", "an answer")) == no_end
    assert warned(tmp_path, "chatml in plain text", row("a question", "an answer")) == []


THINKING = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}"
)


def test_a_template_that_asks_otherwise_than_its_rows_begin_is_warned_of_once(tmp_path: Path) -> None:
    assert warned(tmp_path, "chatml", row("a question", "an answer"), THINKING) == [(0, "turns", UNLIKE_ASKED)]
    assert warned(tmp_path, "chatml", json.dumps({"text": "no conversation"}), THINKING) == []


def test_twin_that_does_not_try_the_template_warns_of_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ChatMask, "turns", TurnCheck())
    assert warned(tmp_path, "chatml", row("a question", "an answer"), THINKING) == []


def test_keys_that_nobody_reads_are_named_once_for_the_quest(tmp_path: Path) -> None:
    rows = [{"prompt": f"q{number}", "completion": f"a{number}", "id": number} for number in range(9)]
    rows[4] |= {"weight": 0.5, "rare": 1}
    path = write(tmp_path / "q.jsonl", map(json.dumps, rows))
    report = in_place(path, look())
    assert [(warning.line, warning.kind) for warning in report.warnings] == [(0, "unread-keys"), (5, "not-honoured")]
    assert "'id'" in report.warnings[0].reason
    assert "rare" not in report.warnings[0].reason
    assert (report.warned_count, report.spotless) == (2, False)
    del rows[4]["weight"]
    assert in_place(write(path, map(json.dumps, rows)), look()).spotless


def test_twin_that_names_no_unread_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "_mostly", lambda unread, rows: [])
    with pytest.raises(AssertionError):
        test_keys_that_nobody_reads_are_named_once_for_the_quest(tmp_path)


def test_a_third_of_answers_to_be_avoided_fails_the_quest_in_words(tmp_path: Path) -> None:
    rows = [{"prompt": f"Is {n} even?", "completion": f"yes {n}", "label": n % 3 > 0} for n in range(30)]
    report = in_place(write(tmp_path / "q.jsonl", map(json.dumps, rows)), look())
    assert [refusal.line for refusal in report.refused] == list(range(1, 31, 3))
    assert report.fault is not None
    assert report.fault.reason.startswith("label: False marks an answer to be avoided")
