"""`manage.py quest show`: rows, packed rows and statistics in plain text."""

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from arena.gate import report as reports
from arena.gate import row_index
from arena.gate.report import Lengths, Report
from arena.models import Quest
from arena.preview import rows as preview
from arena.preview import terminal
from arena.preview.terminal import histogram_of, visible
from arena.rows.model import Refusal
from realm.config import RealmConfig
from realm.world import World

pytestmark = pytest.mark.django_db


@pytest.fixture
def quest(tmp_path: Path) -> Path:
    rows = [
        {"instruction": "Translate", "input": "good morning", "output": "Guten Morgen"},
        {"messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "1+1"},
            {"role": "assistant", "content": "2"},
            {"role": "user", "content": "née 👋🏽"},
            {"role": "assistant", "content": "日本語"},
        ]},
        {"text": "Once\tupon\na time"},
        {"prompt": "hi", "completion": "no " * 300},
    ]  # fmt: skip
    path = tmp_path / "quest.jsonl"
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n\n{broken\n", encoding="utf-8")
    return path


def said(*arguments: object) -> str:
    out = io.StringIO()
    call_command("quest", "show", *map(str, arguments), stdout=out)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def test_a_row_is_shown_with_what_is_trained_in_brackets(world: World, quest: Path) -> None:
    assert (
        "  <|im_start|>system↵\n  Be brief.<|im_end|>↵\n"
        "  <|im_start|>user↵\n  1+1<|im_end|>↵\n"
        "  <|im_start|>assistant↵\n  ⟦2<|im_end|>⟧↵\n"
        "  <|im_start|>user↵\n  née 👋🏽<|im_end|>↵\n"
        "  <|im_start|>assistant↵\n  ⟦日本語<|im_end|>⟧↵\n"
    ) in said(quest, "--row", 2)


def test_a_text_is_shown_with_its_blanks(world: World, quest: Path) -> None:
    shown = said(quest, "--row", 3)
    assert "O⟦nce⇥" in shown
    assert "upon↵\n  a time<|im_end|>⟧" in shown


def test_a_refused_row_says_why(world: World, quest: Path) -> None:
    too_long = " ".join(said(quest, "--row", 4).split())
    assert "refused: 315 tokens are more than max_length 256; raise it, or set over_long to truncate" in too_long
    broken = said(quest, "--row", 6)
    assert "line 6 · unreadable" in broken
    assert "refused: not JSON" in broken
    assert "{broken" in broken


def test_a_row_that_was_set_aside_is_not_shown_as_trained(world: World, quest: Path) -> None:
    assert "⟦" in said(quest, "--row", 2).replace(terminal.LEGEND, "")
    offsets = np.cumsum([0, *map(len, quest.read_bytes().splitlines(keepends=True))])
    records = [(n, offsets[n - 1], 9, 4, row_index.SET_ASIDE if n == 2 else row_index.TAKEN) for n in (1, 2, 3, 4)]
    np.save(f"{quest}.rows.npy", np.array(records, row_index.DTYPE))
    shown = said(quest, "--row", 2).replace(terminal.LEGEND, "")
    assert "refused: set aside by the gatekeepers" in shown
    assert "⟦" not in shown
    assert "set aside by the gatekeepers" in said(quest, "--rows", "1:3")


def test_a_packed_row_names_its_examples_and_is_one_that_training_makes(world: World, quest: Path) -> None:
    shown = said(quest, "--packed", 1)
    assert shown.startswith("packed row 1 of 1 · 105 of 256 tokens · 41% ─")
    assert [line.split(" ·")[0] for line in shown.splitlines() if line.startswith("line ")] == [
        "line 2", "line 1", "line 3"
    ]  # fmt: skip
    with pytest.raises(CommandError, match="packed into 1 rows; there is no number 2"):
        said(quest, "--packed", 2)


def test_without_a_number_the_quest_is_measured_and_its_first_rows_are_listed(world: World, quest: Path) -> None:
    shown = said(quest)
    assert shown.startswith("3 rows taken, 2 refused\n105 tokens, 29 of them trained (27.6%)\n")
    words = " ".join(shown.split())
    assert (
        "line 4: 315 tokens are more than max_length 256; raise it, or set over_long to truncate line 6: not" in words
    )
    assert "1 alpaca user: Translate good morning assistant: Guten Morgen 2 messages system: Be brief." in words
    assert "6 refused not JSON" in words


def test_a_large_quest_is_measured_in_part_and_says_so(
    world: World, quest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "MOST_MEASURED", 2)
    monkeypatch.setattr("arena.rows.parse.PIECE_ROWS", 1)
    assert said(quest).startswith("2 of the first 2 rows taken, 0 refused\n")


def test_the_report_beside_a_quest_is_shown(world: World, quest: Path) -> None:
    reports.write_report(
        quest,
        Report(
            quest="quest", sha256="ab", size_bytes=9, rows=50, taken=38, refused_count=12, formats={"alpaca": 50},
            refused=tuple(Refusal(line, "bad \x1b[2J") for line in range(1, 13)), tokens=100, trained_tokens=40,
            packed_rows=2, packing_efficiency=0.5, steps=1,
            lengths=Lengths(min=1, median=2, mean=2.0, p95=4, max=4, histogram=((1, 2, 30), (3, 4, 8))),
        ),
    )  # fmt: skip
    shown = said(quest)
    assert "50 rows, 38 taken, 12 refused, 0 warned\nforms: alpaca 50\n100 tokens, 40 of them trained (40.0%)" in shown
    assert "2 packed rows, 50.0% full, 1 steps" in shown
    assert " 3-4     8     ██████████▋" in shown
    assert "line 10: bad ␛[2J\n… and 2 more\n" in shown
    assert "\x1b" not in shown


def test_rows_are_listed_from_a_line_on(world: World, quest: Path) -> None:
    listed = said(quest, "--rows", "3:2").splitlines()
    assert [line.split()[:2] for line in listed if line.split()[0].isdecimal()] == [
        ["3", "text"],
        ["4", "prompt-completion"],
    ]
    with pytest.raises(CommandError, match="'0:2' is no FIRST:COUNT"):
        said(quest, "--rows", "0:2")


def test_a_quest_is_found_by_its_id_its_name_and_its_file(world: World, quest: Path) -> None:
    waiting = world.lane("normal") / "sums.jsonl"
    waiting.write_bytes(quest.read_bytes())
    known = Quest.objects.create(name="sums", sha256="ab", file="normal/sums.jsonl", arrived_at="2026-01-01T00:00Z")
    expected = said(waiting, "--row", 2)
    assert "Be brief." in expected
    for named in (known.pk, "sums", "sums.jsonl"):
        assert said(named, "--row", 2) == expected
    waiting.unlink()
    with pytest.raises(CommandError, match="the file of sums is gone"):
        said("sums")
    with pytest.raises(CommandError, match="neither a file nor the id or name of a quest"):
        said("nobody")


def test_without_the_heros_tokenizer_rows_are_shown_raw(
    world: World, quest: Path, settings: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.REALM = RealmConfig(base_model="nobody/nothing-of-this-name")  # type: ignore[attr-defined]
    shown = said(quest, "--row", 1)
    assert '{"instruction": "Translate"' in shown
    assert shown.endswith("Tokens are shown once the hero's tokenizer is on this machine.")
    assert "Guten Morgen" in said(quest)
    with pytest.raises(CommandError, match="fight a battle first"):
        said(quest, "--packed", 1)


def test_what_would_steer_the_terminal_is_shown_as_a_sign(world: World, tmp_path: Path) -> None:
    path = tmp_path / "quest.jsonl"
    path.write_text(json.dumps({"prompt": "\x1b[2J\x9b1m", "completion": "⟧ \u202eabc \x07"}))
    for arguments in ((), ("--row", 1), ("--packed", 1)):
        check_steers_nothing(said(path, *arguments))
    assert "⟦⟨U+27E7⟩ ⟨U+202E⟩abc ␇<|im_end|>⟧" in said(path, "--row", 1)


def check_steers_nothing(shown: str) -> None:
    assert not {character for character in shown if ord(character) < 32} - {"\n"}
    assert not {"\x9b", "\u202e"} & set(shown)


def test_twin_without_signs_the_terminal_would_be_steered(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "visible", str)
    with pytest.raises(AssertionError):
        test_what_would_steer_the_terminal_is_shown_as_a_sign(world, tmp_path)


def test_line_ends_and_tabs_stay() -> None:
    assert visible("a\n\tb\r\u0085") == "a\n\tb␍⟨U+0085⟩"


def test_a_histogram_counts_each_length_once() -> None:
    bins = histogram_of([1, 8, 9, 16, 16, 64])
    assert bins == [(1, 8, 2), (9, 16, 3), (17, 24, 0), (25, 32, 0), (33, 40, 0), (41, 48, 0), (49, 56, 0), (57, 64, 1)]
    assert histogram_of([3]) == [(1, 1, 0), (2, 2, 0), (3, 3, 1)]


def test_colours_add_nothing_to_the_text(world: World, quest: Path) -> None:
    rows = preview.list_rows(quest, 1, 6)
    plain, coloured = (terminal.printed(terminal.of_list(rows), colours=colours) for colours in (False, True))
    assert "\x1b[" in coloured
    assert re.sub("\x1b\\[[0-9;]*m", "", coloured) == plain
